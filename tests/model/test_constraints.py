"""Constraints: what is drawn has the form, what the limit would cut ends validly, and what cannot be is refused."""

import json
import random
import re

import pytest
import torch

from benchmarks.constraints import expression, outcome, schema
from tests.model.generation import END, language_model
from textmill.model import ModelError
from textmill.model.generation.constraints import Constraint
from textmill.model.generation.engine import Engine
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings

pytest.importorskip("llguidance")
jsonschema = pytest.importorskip("jsonschema")
torch.set_num_threads(1)
PERSON = {"type": "object", "additionalProperties": False, "required": ["name", "age", "tags"], "properties": {
    "name": {"type": "string", "maxLength": 9}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
    "tags": {"type": "array", "minItems": 1, "items": {"enum": ["a", "bc", None]}}}}
GRAMMAR = 'start: "(" start ")" | /[a-c]{1,3}/'


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return language_model(tmp_path_factory.mktemp("model"))


def answers(model, kind, form, tokens=60, count=20, **more):
    requests = [Request((END,), SamplingSettings(1.0, seed=n), tokens, constraint=Constraint(kind, form), **more) for n in range(count)]
    return Engine(model).run(requests)


def test_every_answer_has_the_form(model):
    for answer in answers(model, "options", ["yes", "no", 'é "水"\n', "yes, and"]):
        assert answer.text in ("yes", "no", 'é "水"\n', "yes, and") and answer.problem is None
    texts = [answer.text for answer in answers(model, "regex", r"[A-Z][a-z]{2,5} [0-9]{4}(-[0-9][0-9])?")]
    assert len(set(texts)) > 15 and all(re.fullmatch(r"[A-Z][a-z]{2,5} [0-9]{4}(-[0-9][0-9])?", text) for text in texts)
    for answer in answers(model, "json", PERSON, 200):
        jsonschema.validate(json.loads(answer.text), PERSON)
    for answer in answers(model, "grammar", GRAMMAR):
        assert re.fullmatch(r"(\(*)[a-c]{1,3}(\)*)", answer.text) and answer.text.count("(") == answer.text.count(")")


@pytest.mark.parametrize("tokens", [28, 33, 40])
def test_what_the_limit_would_cut_ends_validly(model, tokens):
    """A random model closes a string of any length or a nest of brackets hardly ever by itself."""
    loose = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}, "additionalProperties": False}
    for answer in answers(model, "json", loose, tokens):
        assert json.loads(answer.text).keys() == {"text"} and len(answer.tokens) <= tokens
    for answer in answers(model, "grammar", GRAMMAR, tokens):
        assert answer.text.count("(") == answer.text.count(")") and answer.problem is None
    assert all(re.fullmatch("[a-z]{20,}X", answer.text) for answer in answers(model, "regex", "[a-z]{20,}X", tokens))


@pytest.mark.parametrize(("kind", "form", "problem"), [
    ("json", {"type": "integer", "minimum": 5, "maximum": 1}, "nothing can have the form asked for .*minimum .5. is greater than"),
    ("json", {"enum": []}, "nothing can have the form"), ("json", {"not": {}}, r"JSON Schema cannot be used \(Unimplemented keys"),
    ("json", [], "the JSON Schema cannot be read"), ("json", PERSON, r"the shortest answer of this form that was found has \d+ tokens, and the limit is 20"),
    ("regex", "(", r"regular expression cannot be used \(error: unclosed group"), ("regex", r"[^\s\S]", "nothing can have the form"),
    ("regex", "a{50}b{50}", "has 100 tokens, and the limit is 20"), ("grammar", "start: foo", "the grammar cannot be used .*unknown name"),
    ("options", [], "options are a list"), ("options", ["a" * 99], "has 99 tokens, and the limit is 20")])
def test_what_cannot_be_met_is_refused_before_a_token(model, kind, form, problem):
    with pytest.raises(ModelError, match=problem) as error:
        answers(model, kind, form, 20)
    assert "\n" not in str(error.value)


def test_an_answer_that_a_stop_text_cuts_says_so(model):
    answer = answers(model, "regex", "abcdef", count=1, stop=("d",))[0]
    assert answer.text == "abc" and answer.problem == "the answer does not have the form asked for, it ends after 4 tokens; give more tokens"


def test_what_never_ends_says_so(model):
    """Also where it is too much for the parser, which must not end the answers beside it."""
    engine = Engine(model)
    endless, plain = (engine.add(Request((END,), SamplingSettings(1.0), 90, constraint=Constraint("grammar", form)))
                      for form in ('start: "a" start', 'start: /[ab]{80,}/'))
    while not engine.idle:
        engine.step()
    assert set(endless.text) == {"a"} and "does not have the form asked for, it ends after" in endless.problem
    assert plain.problem is None and len(plain.text) >= 80


def test_random_forms_are_met_or_refused(model):
    draw = random.Random(2)
    forms = {"json": [schema(draw) for _ in range(40)], "regex": [expression(draw) for _ in range(40)]}
    for kind, each in forms.items():
        found = outcome(model, kind, each, 80)
        assert found.valid == found.answers - found.cut > 30 and found.cut <= 4, found


def test_log_probabilities_before_and_after_the_mask(model):
    answer = answers(model, "options", ["a", "b"], count=1, top_logprobs=5)[0]
    before, after = answer.scores[0].logprob, answer.scores[0].drawn
    assert before < -2 and -3 < after < 0 and len(answer.scores[0].top) == 5
    assert answer.scores[0].top[0][1] >= before
