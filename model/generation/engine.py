"""Engine: answers to many requests at once, each token of all of them in one step.

A waiting request joins at the next step and leaves when it is finished, so that rows never wait for the longest (continuous
batching, Yu et al. 2022). Guarantees: an answer is the same, to the bit on a CPU, alone or beside others, and whether the
beginning of its prompt was read before or not; it draws from a generator of its own.
"""

from collections import deque
from collections.abc import Sequence

import torch

from textmill.model import ModelError
from textmill.model.generation.answer import Answer
from textmill.model.generation.constraints import Matcher
from textmill.model.generation.distribution import Batch, check_finite
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.passes import Passes
from textmill.model.generation.prefixes import Prefixes, stretches
from textmill.model.generation.request import Request
from textmill.model.generation.scoring import scores_of

READ = 512              # tokens of waiting prompts that are read in a step at most, after the first prompt
ROOM = 256 << 20        # bytes for beginnings of prompts


class Row:
    """An answer on its way: where it stands, and what is counted of it."""

    def __init__(self, answer: Answer, model: LanguageModel):
        request = answer.request
        self.answer = answer
        self.stop_ids = model.special if request.stop_ids is None else request.stop_ids
        self.limit = min(request.max_tokens, model.decoder.context_length - len(request.prompt))
        self.matcher = None if request.constraint is None else Matcher(request.constraint, model, self.stop_ids, self.limit)
        self.ends = torch.zeros(model.decoder.vocab_size, dtype=torch.bool)
        self.ends[list(self.stop_ids)] = True
        self.ends = self.ends.to(model.decoder.device)
        self.in_prompt = self.counts = None
        if request.settings.penalises:
            self.in_prompt = torch.zeros(model.decoder.vocab_size, dtype=torch.bool, device=model.decoder.device)
            self.in_prompt[list(request.prompt)] = True
            self.counts = torch.zeros(model.decoder.vocab_size, device=model.decoder.device)

    def forbidden(self) -> torch.Tensor | None:
        """Of each id, whether it must not come next; None where any may."""
        early = len(self.answer.tokens) < self.answer.request.min_tokens
        if self.matcher is None:
            return self.ends if early else None
        forbidden = self.matcher.forbidden()
        return forbidden | self.ends if early else forbidden

    @property
    def position(self) -> int:
        """Where its last token stands."""
        return len(self.answer.request.prompt) + len(self.answer.tokens) - 1


class Engine:
    """Answers by one model, up to `rows` at a time. One thread uses it."""

    def __init__(self, model: LanguageModel, rows: int = 16, room: int = ROOM):
        self.model, self.rows = model, rows
        self.passes = Passes(model.decoder, rows)
        self.prefixes = Prefixes(room)
        self.waiting: deque[Row] = deque()
        self.running: list[Row] = []                # in the rows of the cache, in this order
        self._batch: tuple[list[Row], Batch] = [], Batch([], model.decoder.vocab_size, model.decoder.device)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.waiting and not self.running

    def add(self, request: Request) -> Answer:
        """Queue a request. ModelError with everything of it that cannot be answered."""
        decoder = self.model.decoder
        if problems := list(request.problems(decoder.vocab_size, decoder.context_length)):
            raise ModelError("; ".join(problems))
        answer = Answer(request, self.model.pieces)
        self.waiting.append(Row(answer, self.model))
        return answer

    def cancel(self, answer: Answer) -> None:
        """End an answer as it stands; its row is free at the next step."""
        if answer.finish_reason is None:
            answer.finish("cancelled")

    def run(self, requests: Sequence[Request]) -> list[Answer]:
        """The finished answers to requests, in their order."""
        answers = [self.add(request) for request in requests]
        while any(answer.finish_reason is None for answer in answers):
            self.step()
        return answers

    @torch.inference_mode()
    def step(self) -> list[Answer]:
        """Read waiting prompts where rows are free, then one token more of each row; the answers that got something new."""
        self.waiting = deque(row for row in self.waiting if row.answer.finish_reason is None)
        self._free_rows()
        changed: dict[int, Answer] = {}
        if admitted := self._admit():
            rows, logits = zip(*admitted, strict=True)
            changed |= self._draw(rows, torch.stack(logits))
            self._free_rows()
        if self.running:
            ids = [row.answer.tokens[-1] for row in self.running]
            positions = [row.position for row in self.running]
            self.passes.cache.reserve(len(positions), max(positions) + 1)
            changed |= self._draw(self.running, self.passes.step(ids, positions))
            self._free_rows()
        return list(changed.values())

    def _admit(self) -> list[tuple[Row, torch.Tensor]]:
        """Take waiting requests into free rows; each with the logits after its prompt."""
        admitted: list[tuple[Row, torch.Tensor]] = []
        read = 0
        while self.waiting and len(self.running) < self.rows and read < READ:
            row = self.waiting.popleft()
            self.running.append(row)
            logits, row.answer.cached = self.read_prompt(row.answer.request.prompt, len(self.running) - 1)
            admitted.append((row, logits))
            read += len(row.answer.request.prompt) - row.answer.cached
        return admitted

    @torch.inference_mode()
    def read_prompt(self, prompt: tuple[int, ...], row: int) -> tuple[torch.Tensor, int]:
        """Fill a row of the cache with a prompt; the logits after it, and how many of its tokens had been read before."""
        cache, logits, cached = self.passes.cache, None, 0
        cache.reserve(row + 1, len(prompt) + 1)
        for start, stop, key in stretches(prompt):
            last = stop == len(prompt)
            kept = self.prefixes.find(key)
            if kept is not None and (kept[1] is not None or not last):
                cache.put(row, start, kept[0])
                logits = kept[1]
                cached += stop - start
            else:
                logits = self.passes.read(row, prompt[start:stop], start, last)
                self.prefixes.keep(key, cache.part(row, start, stop), logits)
        if logits is None:
            raise AssertionError("a prompt has a last stretch")
        return logits, cached

    def _draw(self, rows: Sequence[Row], logits: torch.Tensor) -> dict[int, Answer]:
        """Give each row its next token by its logits (rows, vocabulary)."""
        check_finite(logits)
        if self._batch[0] != list(rows):
            settings = [row.answer.request.settings for row in rows]
            self._batch = list(rows), Batch(settings, logits.shape[1], logits.device)
        batch = self._batch[1]
        in_prompt = counts = None
        if batch.penalises:
            none = torch.zeros(logits.shape[1], device=logits.device)
            in_prompt = torch.stack([none.bool() if row.in_prompt is None else row.in_prompt for row in rows])
            counts = torch.stack([none if row.counts is None else row.counts for row in rows])
        adjusted = batch.adjusted(logits, in_prompt, counts, self._forbidden(rows))
        ids, narrowed = batch.draw(adjusted, [row.answer.uniform.random() for row in rows])
        drawn = [token if row.matcher is None else row.matcher.choose(token, row.limit - len(row.answer.tokens))
                 for row, token in zip(rows, ids.tolist(), strict=True)]
        if any(row.answer.request.top_logprobs is not None for row in rows):
            note_scores([row.answer for row in rows], logits, narrowed, drawn)
        for row, token in zip(rows, drawn, strict=True):
            self._take(row, token)
        return {id(row.answer): row.answer for row in rows}

    def _forbidden(self, rows: Sequence[Row]) -> torch.Tensor | None:
        """What rows must not say now (rows, vocabulary); None where they may say anything."""
        masks = [row.forbidden() for row in rows]
        if all(mask is None for mask in masks):
            return None
        nothing = torch.zeros(self.model.decoder.vocab_size, dtype=torch.bool, device=self.model.decoder.device)
        return torch.stack([nothing if mask is None else mask for mask in masks])

    def _take(self, row: Row, token: int) -> None:
        """A drawn token into its answer, which it may end."""
        answer = row.answer
        answer.generated += 1
        if token in row.stop_ids:
            answer.finish("stop")
            del answer.scores[len(answer.tokens):]
        else:
            answer.append(token)
            if row.counts is not None:
                row.counts[token] += 1
            if row.matcher is not None:
                row.matcher.take(token)
        if answer.finish_reason is not None:
            answer.finish(answer.finish_reason)
        elif row.matcher is not None and row.matcher.finished:
            answer.finish("stop")
        elif len(answer.tokens) == row.limit:
            answer.finish("length")
        if answer.finish_reason and row.matcher is not None and (problem := row.matcher.problem):
            answer.problem = (f"the answer does not have the form asked for, it ends after {len(answer.tokens)} tokens; "
                              f"{problem}")

    def _free_rows(self) -> None:
        """Let the last rows take the places of finished ones."""
        for number in range(len(self.running) - 1, -1, -1):
            if self.running[number].answer.finish_reason is not None:
                last = self.running.pop()
                if number < len(self.running):
                    self.passes.cache.move(len(self.running), number, last.position)
                    self.running[number] = last


def note_scores(answers: Sequence[Answer], logits: torch.Tensor, narrowed: torch.Tensor, drawn: list[int]) -> None:
    """Add the score of each drawn id to the answers that ask for scores."""
    ids = torch.tensor(drawn, device=logits.device)
    scores = scores_of(logits.log_softmax(-1), ids, max(answer.request.top_logprobs or 0 for answer in answers))
    of_drawn = narrowed.log_softmax(-1).gather(-1, ids[:, None])[:, 0].tolist()
    for answer, score, logprob in zip(answers, scores, of_drawn, strict=True):
        if answer.request.top_logprobs is not None:
            answer.scores.append(score._replace(drawn=logprob, top=score.top[:answer.request.top_logprobs]))
