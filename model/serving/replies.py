"""Replies of the protocol: answers as completions and chat completions, whole or as chunks of a stream. Pure functions."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from textmill.model.generation.answer import TokenScore
from textmill.model.serving.parameters import Call
from textmill.model.serving.worker import Progress

Kind = Literal["chat", "completion"]


@dataclass(frozen=True)
class Head:
    """What every reply to one call says of itself."""

    kind: Kind
    id: str
    created: int
    model: str
    fingerprint: str

    def object(self, choices: list[dict[str, Any]], chunk: bool, **more: Any) -> dict[str, Any]:
        name = {"chat": "chat.completion.chunk" if chunk else "chat.completion", "completion": "text_completion"}[self.kind]
        return {"id": self.id, "object": name, "created": self.created, "model": self.model,
                "system_fingerprint": self.fingerprint, "choices": choices, **more}


@dataclass(frozen=True)
class Echo:
    """A prompt as it is said before its answers, with the scores of its tokens where these are asked for."""

    text: str
    scores: tuple[TokenScore, ...] = ()


def choice_of(kind: Kind, index: int, answer: Progress, pieces: Sequence[bytes], call: Call, echo: Echo | None = None,
              calls: tuple[str, list[dict[str, Any]]] | None = None) -> dict[str, Any]:
    """A finished answer as a choice; `echo` comes before it, `calls` are the text and the tool calls in it."""
    choice: dict[str, Any] = {"index": index, "finish_reason": "tool_calls" if calls else answer.finish_reason}
    scores = shown_scores(answer, pieces) if call.logprobs else None
    if kind == "chat":
        message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
        if calls:
            message |= {"content": calls[0] or None, "tool_calls": calls[1]}
        choice |= {"message": message, "logprobs": None if scores is None else chat_logprobs(scores, pieces)}
    else:
        echo = echo or Echo("")
        choice |= {"text": echo.text + answer.text,
                   "logprobs": None if scores is None else text_logprobs((*echo.scores, *scores), pieces, 0)}
    return choice | ({"problem": answer.problem} if answer.problem else {})


def delta_of(kind: Kind, index: int, text: str, scores: Sequence[TokenScore] | None, pieces: Sequence[bytes], offset: int,
             finish_reason: str | None = None, calls: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """What is new of an answer as a choice of a chunk; `offset` are the characters before it."""
    choice: dict[str, Any] = {"index": index, "finish_reason": finish_reason}
    if kind == "chat":
        delta: dict[str, Any] = {"content": text} if text or scores else {}
        if calls:
            delta["tool_calls"] = [{"index": number, **call} for number, call in enumerate(calls)]
        return choice | {"delta": delta, "logprobs": None if scores is None else chat_logprobs(scores, pieces)}
    return choice | {"text": text, "logprobs": None if scores is None else text_logprobs(scores, pieces, offset)}


def shown_scores(answer: Progress, pieces: Sequence[bytes]) -> tuple[TokenScore, ...]:
    """The scores of the tokens that begin in the text that is shown: a stop text may cut off the last, or hold them back."""
    if answer.finish_reason == "length":
        return answer.scores
    shown, begin = len(answer.text.encode()), 0
    for number, token in enumerate(answer.tokens):
        if begin >= shown and pieces[token]:
            return answer.scores[:number]
        begin += len(pieces[token])
    return answer.scores


def chat_logprobs(scores: Sequence[TokenScore], pieces: Sequence[bytes]) -> dict[str, Any]:
    """As chat completions have them."""
    def entry(token: int, logprob: float) -> dict[str, Any]:
        return {"token": pieces[token].decode("utf-8", "replace"), "logprob": finite(logprob), "bytes": list(pieces[token])}

    return {"content": [entry(score.id, score.logprob) | {"top_logprobs": [entry(*each) for each in score.top]}
                        for score in scores], "refusal": None}


def text_logprobs(scores: Sequence[TokenScore], pieces: Sequence[bytes], offset: int) -> dict[str, Any]:
    """As completions have them; a token that is no whole character is written as its bytes."""
    names, offsets = [name_of(pieces[score.id]) for score in scores], []
    for score in scores:
        offsets.append(offset)
        offset += len(pieces[score.id].decode("utf-8", "ignore"))
    return {"tokens": names, "token_logprobs": [finite(score.logprob) for score in scores], "text_offset": offsets,
            "top_logprobs": [{name_of(pieces[token]): finite(value) for token, value in score.top} for score in scores]}


def name_of(piece: bytes) -> str:
    """A token in words; one that is no whole character by its bytes."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)


def finite(logprob: float) -> float | None:
    """As JSON has it: the protocol's least log-probability for minus infinity, null where there is none."""
    return None if math.isnan(logprob) else max(logprob, -9999.0)


def usage_of(call: Call, generated: int) -> dict[str, int]:
    """Tokens of the prompts, each counted once, and of all answers, also those that best_of leaves out."""
    per_prompt = len(call.requests) // call.prompts
    prompt = sum(len(request.prompt) for request in call.requests[::per_prompt])
    return {"prompt_tokens": prompt, "completion_tokens": generated, "total_tokens": prompt + generated}


def best(call: Call, answers: Sequence[Progress]) -> Iterator[Progress]:
    """The `n` of each prompt with the highest mean log-probability, best first; all in their order where none is left out."""
    per_prompt = len(answers) // call.prompts
    for first in range(0, len(answers), per_prompt):
        drawn = answers[first:first + per_prompt]
        yield from drawn if per_prompt == call.n else sorted(drawn, key=_mean, reverse=True)[:call.n]


def _mean(answer: Progress) -> float:
    logprobs = [score.logprob for score in answer.scores]
    return sum(logprobs) / len(logprobs) if logprobs else float("-inf")


def event(value: dict[str, Any] | str) -> bytes:
    """A server-sent event."""
    return f"data: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}\n\n".encode()
