"""Constraints over random JSON Schemas and regular expressions: whether every answer is valid, and what a token costs.

    python -m benchmarks.constraints --run data/checkpoints/demo [--count 1000]

writes benchmarks/results/constraints.md. Answers are drawn at temperature 1 with at most 120 tokens, so many would be cut and
have to be led to an end. Schemas are held against the package jsonschema, expressions against Python's `re`.
"""

import argparse
import json
import random
import re
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import torch

from textmill.model import ModelError
from textmill.model.generation.constraints import Constraint, Matcher
from textmill.model.generation.engine import Engine
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings

RESULTS = Path(__file__).parent / "results"
TOKENS, BATCH = 120, 50
NAMES = ("name", "age", "tags", "size", "at", "of")


class Outcome(NamedTuple):
    """What came of constraints of a kind."""

    answers: int
    valid: int
    refused: Counter        # reasons, of those that were refused before a token
    cut: int                # answers that say themselves that they were cut
    tokens: int
    seconds: float          # processor time in constraints, for all tokens
    started: float          # and before the first token


def schema(draw: random.Random, depth: int = 0) -> dict[str, Any]:
    """A random JSON Schema that something can meet."""
    nested = ("object", "array", "anyOf") if depth < 3 else ()
    kind = draw.choice(("string", "integer", "number", "boolean", "enum", "pattern", *nested))
    if kind == "string":
        low = draw.randrange(4)
        bounds = {"minLength": low, "maxLength": low + draw.randrange(20)} if draw.random() < 0.6 else {}
        return {"type": "string"} | bounds
    if kind in ("integer", "number"):
        low = draw.randrange(-50, 50)
        bounds = {"minimum": low, "maximum": low + draw.randrange(1, 300)} if draw.random() < 0.6 else {}
        return {"type": kind} | bounds
    if kind == "boolean":
        return {"type": draw.choice(("boolean", "null"))}
    if kind == "enum":
        return {"enum": draw.sample(["a", "bc", 'd"e', 1, 2.5, None, True, "é"], draw.randrange(1, 5))}
    if kind == "pattern":
        return {"type": "string", "pattern": f"^{expression(draw, 1)}$"}
    if kind == "array":
        low = draw.randrange(3)
        return {"type": "array", "items": schema(draw, depth + 1), "minItems": low, "maxItems": low + draw.randrange(4)}
    if kind == "anyOf":
        return {"anyOf": [schema(draw, depth + 1) for _ in range(draw.randrange(1, 4))]}
    properties = {name: schema(draw, depth + 1) for name in draw.sample(NAMES, draw.randrange(1, 4))}
    required = [name for name in properties if draw.random() < 0.6]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def expression(draw: random.Random, depth: int = 0) -> str:
    """A random regular expression that Python and Rust read alike."""
    parts = []
    for _ in range(draw.randrange(1, 4)):
        kind = draw.choice(("text", "class", "class", *(("or", "group") if depth < 3 else ())))
        if kind == "text":
            part = "".join(draw.choice("abcxyz 019_-") for _ in range(draw.randrange(1, 4)))
            part = f"(?:{part})"
        elif kind == "class":
            part = draw.choice(("[a-z]", "[A-F0-9]", "[aeiou]", "[0-9]", "[^a-z\\n]", "\\.", "é"))
        else:
            part = "(?:" + "|".join(expression(draw, depth + 1) for _ in range(2 if kind == "or" else 1)) + ")"
        low = draw.randrange(3)
        parts.append(part + draw.choice(("", "", "", "?", "*", "+", f"{{{low},{low + draw.randrange(1, 4)}}}")))
    return "".join(parts)


def valid(kind: str, form: Any, text: str) -> bool:
    """Whether a text has the form."""
    if kind == "regex":
        return re.fullmatch(form, text) is not None
    try:
        jsonschema.validate(json.loads(text), form)
    except (ValueError, jsonschema.ValidationError):
        return False
    return True


def outcome(model: LanguageModel, kind: str, forms: list[Any], tokens: int = TOKENS) -> Outcome:
    """An answer for each form."""
    engine, refused, clock = Engine(model, BATCH), Counter[str](), [0.0]
    for name in ("forbidden", "choose", "take"):
        meter(name, clock)
    started, asked = time.process_time(), []
    for seed, form in enumerate(forms):
        settings, constraint = SamplingSettings(1.0, seed=seed), Constraint(kind, form)
        request = Request((model.decoder.end_of_text,), settings, tokens, constraint=constraint)
        try:
            asked.append((form, engine.add(request)))
        except ModelError as error:
            refused[re.sub(r"\d+", "N", str(error).partition(";")[0])[:90]] += 1
    started = time.process_time() - started
    while not engine.idle:
        engine.step()
    right = sum(valid(kind, form, answer.text) for form, answer in asked if not answer.problem)
    return Outcome(len(asked), right, refused, sum(answer.problem is not None for _, answer in asked),
                   sum(answer.generated for _, answer in asked), clock[0], started)


def meter(name: str, clock: list[float]) -> None:
    """Add what a method of the constraint takes to a clock."""
    inner = getattr(Matcher, name)
    inner = getattr(inner, "inner", inner)

    def metered(*given: Any) -> Any:
        start = time.process_time()
        try:
            return inner(*given)
        finally:
            clock[0] += time.process_time() - start

    metered.inner = inner
    setattr(Matcher, name, metered)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, help="a run's folder")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--to", default=str(RESULTS / "constraints.md"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    model, draw = LanguageModel.load(given.run, torch.device("cpu")), random.Random(1)
    forms = {"json": [schema(draw) for _ in range(given.count)], "regex": [expression(draw) for _ in range(given.count)]}
    rows, notes = [], []
    for kind, name in (("json", "JSON Schemas"), ("regex", "regular expressions")):
        found = outcome(model, kind, forms[kind])
        rows.append(f"| {name} | {given.count:,} | {sum(found.refused.values())} | {found.answers:,} | {found.valid:,} "
                    f"| {found.cut} | {found.seconds / found.tokens * 1e6:.0f} | {found.started / given.count * 1e3:.1f} |")
        notes += [f"- {count} {name} refused: {reason}" for reason, count in found.refused.most_common()]
    ids = model.decoder.vocab_size
    Path(given.to).write_text(f"""By `python -m benchmarks.constraints`, {date.today()}: {ids:,} ids,
answers of at most {TOKENS} tokens at temperature 1, one thread, others working beside. Refused is
what was said to have no answer, or none within the limit, before a token; cut are answers that say
themselves that the limit cut them. Microseconds of processor time in the constraint for each token,
leading to an end included; milliseconds for a form before the first.

| | forms | refused | answers | valid | cut | µs a token | ms before |
|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

{chr(10).join(notes)}
""", "utf-8")
    print(Path(given.to).read_text("utf-8"))


if __name__ == "__main__":
    main()
