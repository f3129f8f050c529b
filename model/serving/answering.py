"""Answering a call: from the cache or the engine, whole or as a stream, within the server's limits.

Guarantees: an answer nobody waits for any more is cancelled, whatever ended the waiting; no more answers are open than the
queue holds; a stream ends with `[DONE]` or with an error, never in silence.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from textmill.model.generation.language_model import LanguageModel
from textmill.model.serving.answer_cache import AnswerCache
from textmill.model.serving.chat import split_calls, tool_calls
from textmill.model.serving.errors import ApiError, busy, too_slow
from textmill.model.serving.metrics import Metrics
from textmill.model.serving.parameters import Call
from textmill.model.serving.replies import Echo, Head, best, choice_of, delta_of, event, shown_scores, usage_of
from textmill.model.serving.worker import Job, Progress, Worker
from textmill.tokenizer.special import TOOL_CALL


@dataclass(frozen=True)
class Limits:
    """What one server takes on."""

    queue: int = 64             # answers that are under way or wait
    seconds: float = 300        # that a request may take
    body: int = 1 << 20         # bytes of a request


class Answering:
    """The answers of one model to many calls."""

    def __init__(self, model: LanguageModel, worker: Worker, cache: AnswerCache | None, limits: Limits, metrics: Metrics):
        self.model, self.worker, self.cache, self.limits, self.metrics = model, worker, cache, limits, metrics
        self._call_id = model.tokenizer.token_to_id(TOOL_CALL)

    def kept(self, call: Call) -> list[Progress] | None:
        """The answers from the cache, where all are there."""
        if self.cache is None or not call.repeatable:
            return None
        found = []
        for number, request in enumerate(call.requests):
            kept = self.cache.find(request)
            if kept is None:
                return None
            found.append(Progress(number, kept["text"], tuple(kept["tokens"]), kept["scores"], kept["finish_reason"],
                                  kept["generated"]))
        self.metrics.add("cached_answers", len(found))
        return found

    @asynccontextmanager
    async def open(self, call: Call, kept: list[Progress] | None) -> AsyncIterator[AsyncIterator[Progress]]:
        """The progress of a call's answers. ApiError 429 where the queue is full, 503 where it takes too long."""
        count = len(call.requests)
        self.metrics.add("prompt_tokens", usage_of(call, 0)["prompt_tokens"])
        if kept is not None:
            yield _listed(kept)
            return
        if self.metrics.values["answers_open", ""] + count > self.limits.queue:
            raise busy(1 + self.metrics.values["answers_open", ""] // 8)
        self.metrics.add("answers_open", count)
        job, ended = Job(call.requests, call.stream), False
        self.worker.submit(job)
        try:
            yield self._progress(call, job)
            ended = True
        finally:
            self.metrics.add("answers_open", -count)
            if not ended:
                self.worker.cancel(job)

    async def _progress(self, call: Call, job: Job) -> AsyncIterator[Progress]:
        left, begin, first = len(job.requests), time.monotonic(), True
        while left:
            try:
                # Not wait_for: in Python 3.11 it loses a cancellation that comes as the result does.
                async with asyncio.timeout(begin + self.limits.seconds - time.monotonic()):
                    progress = await job.queue.get()
            except TimeoutError:
                raise too_slow(self.limits.seconds) from None
            if isinstance(progress, ApiError):
                raise progress
            if first:
                self.metrics.observe("first_token_seconds", time.monotonic() - begin)
                first = False
            if progress.finish_reason is not None:
                left -= 1
                self.metrics.add("generated_tokens", progress.generated)
                if self.cache is not None and call.repeatable and progress.problem is None:
                    self.cache.keep(job.requests[progress.number], progress.text, progress.tokens, progress.scores,
                                    progress.finish_reason, progress.generated)
            yield progress

    async def whole(self, head: Head, call: Call, kept: list[Progress] | None, echoes: list[Echo]) -> dict[str, Any]:
        """The reply when all answers are finished."""
        finished: dict[int, Progress] = {}
        async with self.open(call, kept) as progress:
            async for each in progress:
                if each.finish_reason is not None:
                    finished[each.number] = each
        answers = [finished[number] for number in range(len(call.requests))]
        choices = [choice_of(head.kind, index, answer, self.model.pieces, call, echoes[index // call.n] if call.echo else None,
                             self._calls(call, answer)) for index, answer in enumerate(best(call, answers))]
        return head.object(choices, False, usage=usage_of(call, sum(answer.generated for answer in answers)))

    async def stream(self, head: Head, call: Call, progress: AsyncIterator[Progress],
                     echoes: list[Echo]) -> AsyncIterator[bytes]:
        """The reply as server-sent events, an error among them where one comes up on the way."""
        states, generated = [_Shown() for _ in call.requests], 0
        no_usage: dict[str, Any] = {"usage": None} if call.include_usage else {}
        try:
            for index in range(len(states)):
                text = echoes[index // call.n].text if call.echo else ""
                if head.kind == "chat":
                    role = {"role": "assistant", "content": ""}
                    begun = {"index": index, "delta": role, "logprobs": None, "finish_reason": None}
                    yield event(head.object([begun], True, **no_usage))
                elif text:
                    states[index].characters = len(text)
                    yield event(head.object([delta_of(head.kind, index, text, None, (), 0)], True, **no_usage))
            async for each in progress:
                generated += each.generated if each.finish_reason is not None else 0
                if (choice := self._new(head, call, each, states[each.number])) is not None:
                    yield event(head.object([choice], True, **no_usage))
            if call.include_usage:
                yield event(head.object([], True, usage=usage_of(call, generated)))
            yield event("[DONE]")
        except ApiError as error:
            yield event(error.body())

    def _new(self, head: Head, call: Call, answer: Progress, shown: "_Shown") -> dict[str, Any] | None:
        """The choice of a chunk with what is new of an answer; None where there is nothing to show yet."""
        calls, text = None, answer.text
        if call.forced_call or (call.tools and self._call_id in answer.tokens):
            if answer.finish_reason is None:                        # a call is shown when it is whole
                return None
            calls = self._calls(call, answer)
            text = answer.text if calls is None else calls[0]
        new = text[shown.text:]
        scores = shown_scores(answer, self.model.pieces)[shown.scores:] if call.logprobs else None
        if not new and not scores and answer.finish_reason is None:
            return None
        reason = "tool_calls" if calls else answer.finish_reason
        choice = delta_of(head.kind, answer.number, new, scores, self.model.pieces, shown.characters, reason,
                          calls[1] if calls else None)
        shown.text += len(new)
        shown.characters += len(new)
        shown.scores += len(scores or ())
        return choice

    def _calls(self, call: Call, answer: Progress) -> tuple[str, list[dict[str, Any]]] | None:
        """What is said before the tool calls of an answer, and these; None where it has none, or one that is no JSON."""
        if call.forced_call:
            text, texts = "", [answer.text]
        elif call.tools and self._call_id in answer.tokens:
            text, texts = split_calls(answer.tokens, self.model.pieces, self._call_id)
        else:
            return None
        calls = tool_calls(texts)
        return None if calls is None else (text, calls)


@dataclass
class _Shown:
    """How much of an answer a stream has shown."""

    text: int = 0
    characters: int = 0         # with an echoed prompt
    scores: int = 0


async def _listed(kept: list[Progress]) -> AsyncIterator[Progress]:
    for each in kept:
        yield each
