"""Answers kept on disk, by model, prompt, settings and seed.

An answer is a file of sealed JSON under the sha256 of all that it depends on. Guarantees: what is read is what was written for
exactly this request, or nothing; a process that is ended at any moment leaves no answer that is half; the files together are at
most `limit` bytes, those that were not used for longest go first. The files hold what models said: whoever may read the folder
may read that.
"""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from textmill.base.sealed import canonical, seal, unseal
from textmill.model.generation.answer import Answer, TokenScore
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.training.checkpoint_files import SUMS, sha256_of

FORMAT = 1          # raised where the same request gets another answer than before
ROOM = 256 << 20


def model_digest(model: LanguageModel) -> str:
    """sha256 over the checkpoint, its tokenizer and where it computes: equal means equal answers."""
    parts = [FORMAT, sha256_of(model.checkpoint / SUMS), hashlib.sha256(model.tokenizer.to_str().encode()).hexdigest(),
             model.decoder.device.type]
    return hashlib.sha256(canonical(parts)).hexdigest()


class AnswerCache:
    """A folder of answers by one model."""

    def __init__(self, folder: Path, model: str, limit: int = ROOM):
        self.folder, self.model, self.limit = folder, model, limit
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._size = sum(size for _, size, _ in self._files())

    def find(self, request: Request) -> dict[str, Any] | None:
        """What `keep` was given for this request; None where it is not there, or damaged."""
        path = self._path(request)
        try:
            kept = unseal(path.read_bytes(), required=True)
            os.utime(path)
            kept["scores"] = tuple(map(_score, kept["scores"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            path.unlink(missing_ok=True)
            return None
        return kept

    def keep(self, request: Request, text: str, tokens: tuple[int, ...], scores: tuple[TokenScore, ...], finish_reason: str,
             generated: int) -> None:
        """Store a finished answer. A full or unwritable disk is no error: the answer is not kept."""
        path = self._path(request)
        data = seal({"text": text, "tokens": tokens, "scores": scores, "finish_reason": finish_reason, "generated": generated})
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(exist_ok=True)
            temporary.write_bytes(data)
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            return
        self._size += len(data)
        if self._size > self.limit:
            self._shrink()

    def answer(self, request: Request, pieces: Sequence[bytes]) -> Answer | None:
        """The finished answer to this request, as an engine gives it; None where none is kept."""
        kept = self.find(request)
        if kept is None:
            return None
        answer = Answer(request, pieces)
        for token in kept["tokens"]:
            answer.append(token)
        answer.finish(kept["finish_reason"])
        answer.scores, answer.generated = list(kept["scores"]), kept["generated"]
        return answer

    def keep_answer(self, answer: Answer) -> None:
        """Store what an engine gave, where it has the form that was asked for."""
        if answer.problem is None and answer.finish_reason in ("stop", "length"):
            self.keep(answer.request, answer.text, tuple(answer.tokens), tuple(answer.scores), answer.finish_reason,
                      answer.generated)

    def _path(self, request: Request) -> Path:
        key = hashlib.sha256(canonical([self.model, _plain(asdict(request))])).hexdigest()
        return self.folder / key[:2] / key

    def _files(self) -> list[tuple[float, int, Path]]:
        """When each file was used last, its size and path; what an ended process left half is removed."""
        found = []
        for path in self.folder.glob("??/*"):
            try:
                status = path.stat()
            except FileNotFoundError:           # another process removed it
                continue
            if path.name.startswith("."):
                if time.time() - status.st_mtime > 60:
                    path.unlink(missing_ok=True)
            else:
                found.append((status.st_mtime, status.st_size, path))
        return found

    def _shrink(self) -> None:
        """Remove what was not used for longest, down to nine tenths of the limit."""
        files = sorted(self._files())
        self._size = sum(size for _, size, _ in files)
        for _, size, path in files:
            if self._size <= 0.9 * self.limit:
                break
            path.unlink(missing_ok=True)
            self._size -= size


def _score(values: list[Any]) -> TokenScore:
    token, logprob, drawn, entropy, top = values
    return TokenScore(token, logprob, drawn, entropy, tuple((other, value) for other, value in top))


def _plain(value: Any) -> Any:
    """A request as JSON can hold it, with tables in their order: that of a schema's properties is the answer's."""
    if isinstance(value, Mapping):
        return [[str(key), _plain(each)] for key, each in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
