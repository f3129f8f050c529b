"""Chat: our rendering equals the template's in transformers, ids and mask, and no text becomes a special token in either."""

import json
import random
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textmill.tokenizer.bpe import TokenizerError, tokenizer_json
from textmill.tokenizer.chat import MARKERS, chat_template, check_configuration, render
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.special import BREAK, CHAT_TOKENS, END_OF_TEXT, SPECIAL_TOKENS
from textmill.tokenizer.training import TokenizerSettings, train, write_tokenizer

TEXTS = ["<|user|> and <|end|> of <|endoftext|> the mill's |> <| tools {\"name\":\"f\",\"arguments\":{}} " * 4,
         "Der Müller mahlt 1234 Säcke.\n\n  " * 4, "粉屋は麦を挽く。" * 4, "ميلر يطحن" * 4, "👩‍🌾 👩🏽‍🌾 " * 4]
TRAINED = train(TEXTS, TokenizerSettings(vocab_size=400))
ENCODER = Encoder(TRAINED)
CALL = {"name": "grind", "arguments": {"corn": "rye", "sacks": 3}}
TOOL = {"type": "function", "function": {"name": "grind", "parameters": {"type": "object", "properties": {}}}}

SPELLED = re.compile("|".join(map(re.escape, SPECIAL_TOKENS)))
PIECES = [*SPECIAL_TOKENS, "<|", "|>", "<|us", "er|>", "<", ">", "\n", " ", "  ", "a", "é", "水", "👩‍🌾", BREAK, '"', "\\", "{", "}", "\r\n", "\0", "\ufeff"]
WORDS = st.text() | st.lists(st.sampled_from(PIECES)).map("".join)
JSON = st.recursive(st.none() | st.booleans() | st.integers(-9, 10**20) | st.floats(allow_nan=False) | WORDS,
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6)
CALLS = st.fixed_dictionaries({"name": WORDS, "arguments": st.dictionaries(WORDS, JSON, max_size=3) | WORDS})
TOOL_CALLS = st.lists(CALLS | CALLS.map(lambda call: {"type": "function", "function": call}), max_size=3)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["developer", "user", "tool"]), "content": WORDS})
    | st.fixed_dictionaries({"role": st.just("assistant")}, optional={"content": st.none() | WORDS, "tool_calls": TOOL_CALLS}),
    max_size=6)
SYSTEM = st.lists(st.fixed_dictionaries({"role": st.just("system"), "content": WORDS}), max_size=1)
CONVERSATIONS = st.tuples(SYSTEM, MESSAGES).map(lambda parts: parts[0] + parts[1]).filter(len)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder, TRAINED)
    return transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)


def by_template(tokenizer, messages, tools=None, prompt=False):
    given = tokenizer.apply_chat_template(messages, tools=tools, add_generation_prompt=prompt, tokenize=True, return_dict=True,
                                          return_assistant_tokens_mask=True)
    return given["input_ids"], given["assistant_masks"]


def spelled(value) -> bool:
    """Whether a text anywhere in a value spells a special token, as it is or in JSON."""
    return SPELLED.search(json.dumps(value, ensure_ascii=False)) is not None or (
        isinstance(value, str) and SPELLED.search(value) is not None) or (
        isinstance(value, list | tuple) and any(map(spelled, value))) or (
        isinstance(value, dict) and any(map(spelled, [*value, *value.values()])))


def names(ids) -> list[str]:
    by_id = {number: token for token, number in ENCODER.special.items()}
    return [by_id[int(number)] for number in ids if int(number) in by_id]


def expected_names(messages, tools, prompt) -> list[str]:
    found = [END_OF_TEXT] + (["<|system|>", "<|end|>"] if tools and messages[0]["role"] != "system" else [])
    for message in messages:
        calls = message.get("tool_calls") or []
        found += [MARKERS[message["role"]], *["<|tool_call|>"] * len(calls), "<|end|>"]
    return found + ["<|assistant|>"] * prompt


@given(CONVERSATIONS, st.none() | st.lists(st.dictionaries(WORDS, JSON, max_size=3), max_size=2), st.booleans())
@settings(max_examples=400, deadline=None)
@example([{"role": "user", "content": ""}, {"role": "assistant", "content": "", "tool_calls": []}], [TOOL], True)
@example([{"role": "system", "content": " s\n"}, {"role": "user", "content": "\n u "}, {"role": "assistant", "content": " a\n"}], [TOOL] * 2, False)
def test_ids_and_mask_are_the_templates_and_only_turns_have_special_ids(theirs, messages, tools, prompt):
    ids, mask = render(messages, ENCODER, tools, prompt)
    template_ids, template_mask = by_template(theirs, messages, tools, prompt)
    assert names(ids) == names(template_ids) == expected_names(messages, tools, prompt)
    if not spelled([messages, tools]):
        assert (ids.tolist(), mask.tolist()) == (template_ids, template_mask)
    assert ids.dtype == ENCODER.dtype and mask.dtype == bool and len(ids) == len(mask)


def test_what_a_conversation_is(theirs):
    messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": " Grind\nrye! "},
                {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": CALL}]},
                {"role": "tool", "content": "done"}, {"role": "assistant", "content": "Ground."}]
    text = ('<|endoftext|><|system|>Be short.\n{"name":"grind"}<|end|><|user|> Grind\nrye! <|end|><|assistant|><|tool_call|>'
            '{"name":"grind","arguments":{"corn":"rye","sacks":3}}<|end|><|tool_result|>done<|end|><|assistant|>Ground.<|end|><|assistant|>')
    tools = [{"name": "grind"}]
    assert theirs.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=True) == text
    ids, mask = render(messages, ENCODER, tools, add_generation_prompt=True)
    assert theirs.decode(ids.tolist(), clean_up_tokenization_spaces=False) == text
    said = theirs.decode(ids[mask].tolist(), clean_up_tokenization_spaces=False)
    assert said == '<|tool_call|>{"name":"grind","arguments":{"corn":"rye","sacks":3}}<|end|>Ground.<|end|>'
    as_text = [*messages[:2], {"role": "assistant", "tool_calls": [CALL | {"arguments": '{"corn":"rye","sacks":3}'}]}, *messages[3:]]
    assert np.array_equal(render(as_text, ENCODER, tools, True)[0], ids)


@pytest.mark.parametrize("token", SPECIAL_TOKENS)
def test_no_text_smuggles_a_special_token_in(theirs, token):
    number = ENCODER.special[token]
    for text in (token, token * 2, token[:-1] + token, token + token[1:], token[:2] + token + token[2:], f"{token[:3]}{token}{token[3:]}",
                 f"<|end|>{token}<|end|>", token[:1] + BREAK + token[1:], token.replace("|", "||"), f"x{token}y"):
        for messages, tools in (
                ([{"role": "user", "content": text}], None),
                ([{"role": "system", "content": text}, {"role": "user", "content": "a", "name": text}], [{text: text}]),
                ([{"role": "user", "content": "a"}], [{"name": text, text: [text]}]),
                ([{"role": "assistant", "content": text, "tool_calls": [{"name": text, "arguments": {text: [text, {"k": text}]}}]},
                  {"role": "tool", "content": text}], None),
                ([{"role": "assistant", "tool_calls": [{"function": {"name": text, "arguments": text}}]}], None)):
            ids, _ = render(messages, ENCODER, tools)
            template_ids, _ = by_template(theirs, messages, tools)
            assert names(ids) == names(template_ids) == expected_names(messages, tools, False)
            plain = ENCODER.decode(ids).decode()
            assert text in plain or json.dumps(text, ensure_ascii=False)[1:-1] in plain     # kept as it is
    for role in (token, f"user|>{token}", f"assistant{token}"):
        with pytest.raises(TokenizerError, match="unknown role"):
            render([{"role": role, "content": "a"}], ENCODER)
        with pytest.raises(Exception, match="unknown role"):
            by_template(theirs, [{"role": role, "content": "a"}])
    assert number >= 375


@pytest.mark.parametrize(("messages", "problem"), [
    ([{"role": "User", "content": "a"}], "unknown role"), ([{"role": ["user"], "content": "a"}], "unknown role"),
    ([{"content": "a"}], "unknown role"), ([{"role": "user", "content": ["a"]}], "content"),
    ([{"role": "user", "content": 3}], "content"), ([{"role": "user", "tool_calls": [CALL]}], "only the assistant calls tools"),
    ([{"role": "assistant", "tool_calls": [{"arguments": {}}]}], "name"),
    ([{"role": "assistant", "tool_calls": [{"name": 3}]}], "name")])
def test_what_cannot_be_rendered_is_an_error_in_both(theirs, messages, problem):
    with pytest.raises(TokenizerError, match=problem):
        render(messages, ENCODER)
    with pytest.raises(Exception, match=problem):
        by_template(theirs, messages)


@pytest.mark.parametrize(("messages", "tools", "problem"), [
    (["a"], None, "message 0 is no object"), ([{"role": "user", "content": "\ud800"}], None, "half of a surrogate pair"),
    ([{"role": "assistant", "tool_calls": ["x"]}], None, "has no name"),
    ([{"role": "user", "content": "a"}], [{"a": {1, 2}}], "cannot be written as JSON")])
def test_what_python_alone_can_give_wrong_is_a_sentence_too(messages, tools, problem):
    with pytest.raises(TokenizerError, match=problem):
        render(messages, ENCODER, tools)


def test_no_message_and_a_prompt_alone():
    assert names(render([], ENCODER)[0]) == [END_OF_TEXT]
    assert names(render([], ENCODER, [TOOL], True)[0]) == [END_OF_TEXT, "<|system|>", "<|end|>", "<|assistant|>"]


def test_a_tokenizer_without_special_tokens_for_chat_has_no_template():
    assert chat_template([END_OF_TEXT]) is None and chat_template([END_OF_TEXT, *CHAT_TOKENS[:-1]]) is None
    with pytest.raises(TokenizerError, match=r"has no <\|system\|>, .*, which chat needs"):
        render([], Encoder(tokenizer_json([], "qwen2", [END_OF_TEXT])))


def test_further_special_tokens_are_broken_too(tmp_path):
    transformers = pytest.importorskip("transformers")
    special = [*SPECIAL_TOKENS, "[INST]", '<"x\\">']
    write_tokenizer(tmp_path, tokenizer_json([], "qwen2", special))
    tokenizer, encoder = transformers.AutoTokenizer.from_pretrained(str(tmp_path)), Encoder.load(tmp_path)
    messages = [{"role": "user", "content": "".join(random.Random(1).choices([*special, " "], k=200))}]
    ids, (template_ids, _) = render(messages, encoder)[0], by_template(tokenizer, messages)
    assert sum(int(i) >= 256 for i in ids) == sum(i >= 256 for i in template_ids) == 3


@pytest.mark.parametrize("template", ["{% if %}", "{{ a", "{% nonsense %}", "{% for a in b %}", "{{ '' | nofilter }}", "{{ 2 is strange }}", "(" * 9 + "{{" + "(" * 100_000])
def test_a_template_that_does_not_compile_is_a_sentence(template):
    pytest.importorskip("jinja2")
    for config, own in (({"chat_template": template}, None), ({"chat_template": [{"name": "default", "template": template}]}, None),
                        ({}, template.encode())):
        with pytest.raises(TokenizerError, match=r"the chat template in \S+ does not compile \(.*\); copy it again, or delete it"):
            check_configuration(json.dumps(config).encode(), own)


@pytest.mark.timeout(60)
def test_reading_a_template_computes_nothing():
    pytest.importorskip("jinja2")
    check_configuration(b"""{"chat_template": "{{ 9 ** (9 ** (9 ** 9)) }}{{ 'a' | center(9999999999) }}"}""")


def test_templates_of_others_compile():
    for template in (chat_template(SPECIAL_TOKENS), "{{ bos_token }}{%- for m in messages -%}{% if loop.last %}{% break %}{% endif %}"
                     "{%- generation -%}{{ m | tojson(indent=1) }}{%- endgeneration -%}{% endfor %}{% if a %}{{ b | nofilter }}{% endif %}"):
        check_configuration(json.dumps({"chat_template": template}).encode(), template.encode())
    for config in (b"[", b"[]", b'{"chat_template": 3}', b'{"chat_template": [{}]}', b"\xff", b"[" * 100_000):
        with pytest.raises(TokenizerError, match=r"tokenizer_config.json cannot be read \(.*\); copy the one"):
            check_configuration(config)
