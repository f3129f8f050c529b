"""Journal of answers: what a model said to whom, a line of JSON each, so that nothing is asked twice.

Guarantee: a line is whole before its answer is used, and half a line, which a stop may leave, is taken off. For one process.
"""

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

from textmill.base.sealed import canonical
from textmill.model import ModelError


class Journal:
    """Answers in a file by the digest of what was asked; any thread may add one."""

    def __init__(self, path: Path):
        self.path, self._lock = path, threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)                              # what people asked
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        try:
            self._answers = {line["key"]: line["answer"] for line in map(json.loads, data[:whole].splitlines())}
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ModelError(f"{path} is no journal of answers; give another folder, or delete it") from None
        self._file = path.open("r+b")
        self._file.truncate(whole)
        self._file.seek(whole)

    def find(self, key: str) -> Any:
        """What was answered; None where nothing was."""
        return self._answers.get(key)

    def keep(self, key: str, answer: Any) -> None:
        """Add an answer, plain JSON."""
        line = json.dumps({"key": key, "answer": answer}, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            self._answers[key] = answer


def digest(*asked: Any) -> str:
    """The key of what is asked of whom: equal keys have equal answers."""
    return hashlib.sha256(canonical(asked)).hexdigest()
