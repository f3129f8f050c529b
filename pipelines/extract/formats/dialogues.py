"""Dialogues in rows of JSONL and Parquet: the columns that hold one, and its turns.

Guarantees: a row has the columns of a dialogue or it is a text, and a dialogue that cannot be read turn by turn is refused with
a rule: none is read in part. What people wrote stays as it is but for the normal form of every text. A compared pair is two
dialogues that share an id made of their content alone, so that the same comparison has the same id in every source.
"""

import functools
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from textmill.base.columns import Path, at, paths
from textmill.pipelines.extract.formats.canonical import canonical_json
from textmill.pipelines.extract.pages.text import clean_text
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import DialogueColumns

# What data sets call the roles of tokenizer/chat.py, in lower case.
ROLES = {
    "system": "system", "developer": "developer",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant",
    "bard": "assistant", "bing": "assistant", "ai": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool", "ipython": "tool",
}
INSTRUCTIONS = ("system", "developer")      # such a turn may be empty, and is then none
CALLS = ("tool_calls", "function_call")     # keys of a turn, and a role of ShareGPT's
BETWEEN = "\n\n"                            # the contents of two turns in the text of a document
_SPOKEN = re.compile(r"\n\n(Human|Assistant):")     # before the turns of a text in the form of HH-RLHF


class Turn(NamedTuple):
    """What a role says at a time."""

    role: str
    text: str


class Dialogue(NamedTuple):
    """The turns in a row; of a compared pair, one of its two dialogues."""

    turns: tuple[Turn, ...]
    paths: tuple[Path, ...]         # of the row, that they were read from
    pair: str | None = None         # 32 hex digits that both of a pair have
    preferred: bool | None = None

    @property
    def text(self) -> str:
        """The contents of the turns, blank lines between."""
        return BETWEEN.join(turn.text for turn in self.turns)

    @property
    def places(self) -> list[dict[str, Any]]:
        """Where each turn lies in the text, in characters."""
        places, start = [], 0
        for turn in self.turns:
            places.append({"role": turn.role, "start": start, "end": start + len(turn.text)})
            start += len(turn.text) + len(BETWEEN)
        return places

    @property
    def payload(self) -> bytes:
        """The bytes that identify it: one answer may be in several pairs."""
        return canonical_json([self.turns, self.preferred, self.pair]).encode()


class _RefusedError(Exception):
    """A refusal on its way out of nested reading."""

    def __init__(self, rule: str, value: str | None = None, detail: str | None = None):
        super().__init__(rule)
        self.refusal = Refusal(rule, value, detail=detail)


def read_dialogues(row: dict[str, Any], columns: DialogueColumns) -> tuple[Dialogue, ...] | Refusal:
    """The dialogue of a row, or the preferred and the other of a compared pair; none where it has not the columns of one."""
    found = {part: path for part, candidates in _located(tuple(row), columns)
             if (path := next((path for path in candidates if not _is_blank(at(row, path))), None))}
    try:
        if {"chosen", "rejected"} <= found.keys():
            return _pair(row, found)
        if "messages" in found and isinstance(at(row, found["messages"]), list):
            return (_single(row, found, ("system", "messages")),)
        if {"prompt", "response"} <= found.keys():
            return (_single(row, found, ("system", "prompt", "input", "response")),)
    except _RefusedError as error:
        return error.refusal
    return ()


def blank_dialogue(row: dict[str, Any], columns: DialogueColumns) -> Refusal | None:
    """The refusal of a row without a text that has the columns of a dialogue with nothing in them."""
    there = {part for part, candidates in _located(tuple(row), columns)
             if any(isinstance(at(row, path), str | list) for path in candidates)}
    if "messages" in there:
        return Refusal("no_turns")
    return Refusal("empty_turn") if {"prompt", "response"} <= there or {"chosen", "rejected"} <= there else None


@functools.lru_cache(1024)      # rows of a file mostly have the same columns
def _located(names: tuple[str, ...], columns: DialogueColumns) -> tuple[tuple[str, tuple[Path, ...]], ...]:
    """The parts of a dialogue that a row with these columns may have, and where."""
    located = ((part, paths(names, getattr(columns, part))) for part in columns.__dataclass_fields__)
    return tuple((part, found) for part, found in located if found)


def _is_blank(value: Any) -> bool:
    return not value or (isinstance(value, str) and value.isspace()) or not isinstance(value, str | list)


def _single(row: dict[str, Any], found: dict[str, Path], parts: Sequence[str]) -> Dialogue:
    said = _said(row, found, parts)
    turns = _turns(said["messages"], "user") if "messages" in said else (
        _turns(said["prompt"], "user") + _turns(said["response"], "assistant"))
    return Dialogue(_whole(_with_system(turns, said)), tuple(found[part] for part in parts if part in said))


def _pair(row: dict[str, Any], found: dict[str, Path]) -> tuple[Dialogue, Dialogue]:
    said = _said(row, found, ("system", "prompt", "input", "chosen", "rejected"))
    prompt = _turns(said["prompt"], "user") if "prompt" in said else []
    chosen, rejected = (_whole(_with_system(_half(said[part], prompt), said)) for part in ("chosen", "rejected"))
    for part, turns in (("chosen", chosen), ("rejected", rejected)):
        if turns[-1].role != "assistant":
            raise _RefusedError("no_answer", turns[-1].role, f"{part} does not end with a turn of the assistant")
    if _collapsed(chosen) == _collapsed(rejected):
        raise _RefusedError("equal_pair")
    used = tuple(found[part] for part in said)
    pair = blake2b(canonical_json([chosen, rejected]).encode(), digest_size=16).hexdigest()
    return Dialogue(chosen, used, pair, True), Dialogue(rejected, used, pair, False)


def _said(row: dict[str, Any], found: dict[str, Path], parts: Sequence[str]) -> dict[str, Any]:
    """The values of those parts that a row has and that are used, an input put after its prompt."""
    tools = at(row, found["tools"]) if "tools" in found else None
    if tools and not (isinstance(tools, str) and tools.strip() in ("[]", "{}", "null")):
        raise _RefusedError("tool_calls", detail="the row defines tools")       # without them it would be another dialogue
    said = {part: at(row, found[part]) for part in parts if part in found}
    if not isinstance(said.get("system"), str):
        said.pop("system", None)
    if "input" in said and isinstance(said["input"], str) and isinstance(said.get("prompt"), str):
        said["prompt"] += BETWEEN + said["input"]
    else:
        said.pop("input", None)
    return said


def _half(value: Any, prompt: list[Turn]) -> list[Turn]:
    """The turns of one of a compared pair: an answer to the prompt, or a dialogue that has the prompt in it."""
    if isinstance(value, list):
        turns = _turns(value, "assistant")
        return turns if prompt and prompt[-1] in turns[:-1] else prompt + turns
    if not prompt:
        _, *spoken = _SPOKEN.split(value)
        if not spoken:
            raise _RefusedError("bad_turn", detail="chosen and rejected are texts, and there is no prompt that they answer")
        return [_turn({"role": role, "content": text.removeprefix(" ")}, number)
                for number, (role, text) in enumerate(zip(spoken[::2], spoken[1::2], strict=True))]
    return prompt + _turns(value, "assistant")


def _turns(value: Any, role: str) -> list[Turn]:
    """A list of messages, or a text that this role says, as turns; those still empty too."""
    messages = value if isinstance(value, list) else [{"role": role, "content": value}]
    return [_turn(message, number) for number, message in enumerate(messages)]


def _turn(message: Any, number: int) -> Turn:
    if not isinstance(message, dict):
        raise _RefusedError("bad_turn", detail=f"turn {number} is a {type(message).__name__}, not an object")
    role, content = (next((message[key] for key in keys if message.get(key) is not None), None)
                     for keys in (("role", "from"), ("content", "value")))
    if any(message.get(key) for key in CALLS) or role in CALLS:
        raise _RefusedError("tool_calls", detail=f"turn {number} calls a tool")
    if not isinstance(role, str) or role.strip().lower() not in ROLES:
        raise _RefusedError("unknown_role", role[:40] if isinstance(role, str) else None, f"turn {number}")
    if isinstance(content, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
        content = "\n".join(part["text"] for part in content)
    if not isinstance(content, str | None):
        raise _RefusedError("bad_turn", detail=f"the content of turn {number} is no text")
    return Turn(ROLES[role.strip().lower()], clean_text(content or ""))


def _with_system(turns: list[Turn], said: dict[str, Any]) -> list[Turn]:
    """The turns after what the row's own column says for the system, unless they have a system turn: then it stays unused."""
    if "system" not in said or any(turn.role == "system" for turn in turns):
        said.pop("system", None)
        return turns
    return [Turn("system", clean_text(said["system"])), *turns]


def _whole(turns: list[Turn]) -> tuple[Turn, ...]:
    """The turns of a dialogue that can be learned from; instructions without a word are left out."""
    said = tuple(turn for turn in turns if turn.role not in INSTRUCTIONS or turn.text.strip())
    if not said:
        raise _RefusedError("no_turns")
    if (empty := next((number for number, turn in enumerate(said) if not turn.text.strip()), None)) is not None:
        raise _RefusedError("empty_turn", said[empty].role, f"turn {empty} of {len(said)}")
    if not any(turn.role == "assistant" for turn in said):
        raise _RefusedError("no_answer", detail=f"the roles are {', '.join(dict.fromkeys(turn.role for turn in said))}")
    return said


def _collapsed(turns: Sequence[Turn]) -> list[tuple[str, list[str]]]:
    return [(turn.role, turn.text.split()) for turn in turns]
