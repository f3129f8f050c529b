"""Dialogues in JSONL and Parquet: the published forms become documents with turns, anything else a rejected row with its reason."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.extract.test_extract import parquet_of
from tests.extract.test_hostile_rows import written
from textmill.base.strict import parse
from textmill.pipelines.extract.formats.dialogues import ROLES
from textmill.pipelines.extract.settings import DialogueColumns, ExtractSettings
from textmill.tokenizer.chat import MARKERS

ASK, SAY = "How is rye ground?", " Between two stones.\r\n\r\nSlowly."
TURNS = [("user", ASK), ("assistant", " Between two stones.\n\nSlowly.")]
LIST = [{"role": "user", "content": ASK}, {"role": "assistant", "content": SAY}]
GPT = [{"from": "human", "value": ASK}, {"from": "gpt", "value": SAY}]
BRIEF = [("system", "Be brief.")]


def jsonl(*rows: dict) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def turns(row: dict) -> list[tuple[str, str]]:
    return [(turn["role"], row["text"][turn["start"]:turn["end"]]) for turn in row["turns"]]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize(("row", "expected", "turns_from", "extra"), [
    ({"messages": LIST, "origin": "mill"}, TURNS, "messages", {"origin": "mill"}),
    ({"Conversations": GPT, "system": "Be brief."}, BRIEF + TURNS, "system, Conversations", None),
    ({"messages": [{"role": "system", "content": "Be kind."}, *LIST], "system": "Be brief."}, [("system", "Be kind."), *TURNS],
     "messages", {"system": "Be brief."}),
    ({"conversations": [{"from": "system", "value": ""}, *GPT]}, TURNS, "conversations", None),
    ({"messages": [{"role": turn["role"], "content": [{"type": "text", "text": turn["content"]}]} for turn in LIST], "text": "as a page"},
     TURNS, "messages", {"text": "as a page"}),
    ({"prompt": ASK, "response": SAY, "tools": "[]"}, TURNS, "prompt, response", {"tools": "[]"}),
    ({"prompt": LIST[:1], "completion": LIST[1:]}, TURNS, "prompt, completion", None),
    ({"prompt": ASK, "output": SAY}, TURNS, "prompt, output", None),
    ({"instruction": ASK, "input": "", "output": SAY}, TURNS, "instruction, output", {"input": ""}),
    ({"instruction": ASK, "input": "In Ghent.", "output": SAY, "text": "### Instruction"}, [("user", ASK + "\n\nIn Ghent."), TURNS[1]],
     "instruction, input, output", {"text": "### Instruction"}),
    ({"instruction": ASK, "context": "In Ghent.", "response": SAY}, [("user", ASK + "\n\nIn Ghent."), TURNS[1]],
     "instruction, context, response", None),
    ({"system_prompt": "Be brief.", "prompt": ASK, "response": SAY}, BRIEF + TURNS, "system_prompt, prompt, response", None)])
def test_published_forms_become_documents_with_turns(form, row, expected, turns_from, extra):
    (found,) = written(f"a.{form}", jsonl(row) if form == "jsonl" else parquet_of([row]))
    assert turns(found) == expected and found["text"] == "\n\n".join(text for _, text in expected)
    assert (found["turns_from"], found["pair"], found["preferred"]) == (turns_from, None, None)
    assert (json.loads(found["extra"]) if found["extra"] else None) == extra


@pytest.mark.parametrize("row", [
    {"prompt": ASK, "chosen": "Between stones.", "rejected": "With a knife.", "margin": 2},
    {"prompt": LIST[:1], "chosen": [{"role": "assistant", "content": "Between stones."}],
     "rejected": [{"role": "assistant", "content": "With a knife."}], "margin": 2},
    {"prompt": ASK, "chosen": [*LIST[:1], {"role": "assistant", "content": "Between stones."}],
     "rejected": [*LIST[:1], {"role": "assistant", "content": "With a knife."}], "margin": 2},
    {"chosen": [*LIST[:1], {"role": "assistant", "content": "Between stones."}],
     "rejected": [*LIST[:1], {"role": "assistant", "content": "With a knife."}], "margin": 2},
    {"chosen": f"\n\nHuman: {ASK}\n\nAssistant: Between stones.", "rejected": f"\n\nHuman: {ASK}\n\nAssistant: With a knife.", "margin": 2},
    {"messages": LIST, "prompt": ASK, "chosen": "Between stones.", "rejected": "With a knife.", "margin": 2}])
def test_a_compared_pair_is_two_documents_of_one_id(row):
    chosen, rejected = written("a.jsonl", jsonl(row))
    assert (turns(chosen), turns(rejected)) == ([("user", ASK), ("assistant", "Between stones.")], [("user", ASK), ("assistant", "With a knife.")])
    assert (chosen["preferred"], rejected["preferred"]) == (True, False)
    assert chosen["pair"] == rejected["pair"] == "194f5b760f560fe7facea161a33dcc8c" and chosen["id"] != rejected["id"]
    assert json.loads(chosen["extra"])["margin"] == 2 and chosen["offset"] == rejected["offset"]


@pytest.mark.parametrize(("row", "rule", "value", "detail"), [
    ({"messages": []}, "no_turns", None, None),
    ({"messages": [{"role": "system", "content": " "}]}, "no_turns", None, None),
    ({"prompt": ASK, "response": ""}, "empty_turn", None, None),
    ({"messages": [LIST[0], {"role": "assistant", "content": None}]}, "empty_turn", "assistant", "turn 1 of 2"),
    ({"messages": LIST[:1]}, "no_answer", None, "the roles are user"),
    ({"messages": [{"role": "narrator", "content": "Once."}, *LIST]}, "unknown_role", "narrator", "turn 0"),
    ({"messages": [{"content": "Once."}, *LIST]}, "unknown_role", None, "turn 0"),
    ({"messages": ["Once.", *LIST]}, "bad_turn", None, "turn 0 is a str, not an object"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "bad_turn", None, "the content of turn 0 is no text"),
    ({"messages": [{"role": "user", "content": 7}]}, "bad_turn", None, "the content of turn 0 is no text"),
    ({"messages": [*LIST, {"role": "assistant", "content": "", "tool_calls": [{"name": "grind"}]}]}, "tool_calls", None, "turn 2 calls a tool"),
    ({"conversations": [*GPT, {"from": "function_call", "value": "{}"}]}, "tool_calls", None, "turn 2 calls a tool"),
    ({"messages": LIST, "tools": [{"name": "grind"}]}, "tool_calls", None, "the row defines tools"),
    ({"prompt": ASK, "chosen": "Between  stones.", "rejected": "Between stones.\n"}, "equal_pair", None, None),
    ({"prompt": ASK, "chosen": LIST, "rejected": [*LIST, LIST[0]]}, "no_answer", "user", "rejected does not end with a turn of the assistant"),
    ({"chosen": "Between stones.", "rejected": "With a knife."}, "bad_turn", None, "chosen and rejected are texts, and there is no prompt that they answer")])
def test_what_cannot_be_learned_from_is_a_rejected_row_with_its_reason(row, rule, value, detail):
    (lost,) = written("a.jsonl", jsonl(row))
    assert (lost["rule"], lost["value"], lost["detail"]) == (rule, value, detail)
    assert lost["outcome"] == ("quarantined" if rule in ("unknown_role", "bad_turn") else "rejected")


VALUES = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", " ", "user", "gpt", "text", "\ud800", "\0", "[]", "\n\nHuman: a"]) | st.text(max_size=3),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                          st.sampled_from(["role", "from", "content", "value", "text", "type", "tool_calls"]), inner, max_size=4), max_leaves=9)
PARTS = ["messages", "conversations", "prompt", "instruction", "input", "response", "output", "chosen", "rejected", "system", "tools", "text", "html"]


@given(st.dictionaries(st.sampled_from(PARTS), VALUES, max_size=6))
@settings(max_examples=500, deadline=None)
def test_whatever_is_in_the_columns_a_row_is_documents_or_one_rejected_row(row):
    found = written("a.jsonl", json.dumps(row).encode())
    assert len(found) == 1 or [one["preferred"] for one in found] == [True, False]
    for one in found:
        if "rule" in one:
            assert one["rule"] not in ("damaged", "extractor_error")
        elif one["turns"]:
            assert one["text"] == "\n\n".join(text for _, text in turns(one)) and all(text.strip() for _, text in turns(one))
            assert "assistant" in [role for role, _ in turns(one)]


def test_a_role_nested_too_deep_to_be_printed_costs_its_row():
    deep = "[" * 900 + "]" * 900
    lines = f'{{"messages": [{{"role": {deep}, "content": "a"}}]}}\n{{"prompt": "b", "response": "c"}}\n'
    lost, kept = sorted(written("a.jsonl", lines.encode()), key=lambda row: row["offset"])
    assert (lost["rule"], lost["value"], kept["text"]) == ("unknown_role", None, "b\n\nc")


def test_a_dialogue_too_large_for_a_record_is_a_rejected_row():
    (lost,) = written("a.parquet", parquet_of([{"prompt": ASK, "response": "x" * 5000}]), ExtractSettings(max_record_bytes=5000))
    assert (lost["rule"], lost["value"], lost["bound"]) == ("too_large", str(5000 + len(ASK) + 2), "5000")


@pytest.mark.parametrize(("row", "text"), [
    ({"text": "A page.", "prompt": ASK, "output": ""}, "A page."), ({"text": "A page.", "messages": []}, "A page."),
    ({"content": "A page.", "input": "x", "output": "y"}, "A page."), ({"text": "A page.", "chosen": "x", "rejected": None}, "A page."),
    ({"text": "A page.", "messages": "hello"}, "A page."), ({"text": "A page.", "instruction": "x"}, "A page.")])
def test_a_row_without_all_columns_of_a_dialogue_is_a_text(row, text):
    (found,) = written("a.jsonl", jsonl(row))
    assert (found["text"], found["turns"], found["turns_from"]) == (text, None, None)


def test_columns_are_settings():
    own = parse(ExtractSettings, {"dialogue_columns": {"prompt": ["question"], "response": ["answers.best"]}}, "settings.yaml: extract")
    (found,) = written("a.jsonl", jsonl({"question": ASK, "answers": {"best": SAY, "n": 1}}), own)
    assert (turns(found), found["turns_from"], found["extra"]) == (TURNS, "question, answers.best", '{"answers":{"n":1}}')
    never = ExtractSettings(dialogue_columns=DialogueColumns(messages=(), response=(), chosen=()))
    rows = [{"messages": LIST, "text": "A page."}, {"prompt": ASK, "response": SAY, "text": "A page."}, {"prompt": ASK, "chosen": "a", "rejected": "b", "text": "A page."}]
    assert [(row["text"], row["turns"]) for row in written("a.jsonl", jsonl(*rows), never)] == [("A page.", None)] * 3


def test_ids_know_who_says_what_and_texts_are_in_normal_form():
    swapped = [{"role": "user", "content": SAY}, {"role": "assistant", "content": ASK}]
    roles = [{"role": "assistant", "content": ASK}, {"role": "user", "content": SAY}]
    rows = written("a.jsonl", jsonl({"messages": LIST}, {"messages": swapped}, {"messages": roles}, {"conversations": GPT}))
    assert len({row["id"] for row in rows}) == 3 and rows[0]["id"] == rows[3]["id"]
    (found,) = written("a.jsonl", b'{"prompt": "e\\u0301 \\ud800", "response": "\\u0301a\\r"}')
    assert turns(found) == [("user", "\xe9 \ufffd"), ("assistant", "\u0301a\n")]


def test_roles_are_those_of_the_chat_template():
    assert set(ROLES.values()) == set(MARKERS)
