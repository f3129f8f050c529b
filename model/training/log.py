"""Log of a run: `log.jsonl`, a JSON object a line, and the same figures for the trackers that a user asks for.

Lines: of an update {step, loss, norm, lr} (with `norms` by layer, where asked for), of a stretch of updates {step, tokens,
seconds, tokens_per_second, memory, mfu}, of a validation {step, validation, entries, …}, of a spike {step, spike, documents}.
"""

import contextlib
import importlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from textmill.model import ModelError

WINDOW = 100            # updates that a loss is compared with,
FEWEST = 20             # at least,
SPIKE = 6.0             # and standard deviations of theirs above their mean that make it a spike,
LEAST = 1.1             # where it is a tenth above the mean, too


class Tracker(Protocol):
    """Where figures go besides the log."""

    def write(self, figures: Mapping[str, float], step: int) -> None: ...
    def close(self) -> None: ...


class TensorBoard:
    """Event files in the run's folder, for `tensorboard --logdir`."""

    def __init__(self, home: Path, settings: Mapping[str, Any]):
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(home / "tensorboard"))

    def write(self, figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class Logged:
    """A library with `init` and `log` as W&B has them, which trackio has too; set up as it wants by its own login."""

    def __init__(self, library: str, home: Path, settings: Mapping[str, Any]):
        self.library = importlib.import_module(library)
        self.library.init(project="textmill", name=home.name, config=dict(settings))

    def write(self, figures: Mapping[str, float], step: int) -> None:
        self.library.log(dict(figures), step=step)

    def close(self) -> None:
        self.library.finish()


TRACKERS: dict[str, Callable[[Path, Mapping[str, Any]], Tracker]] = {
    "tensorboard": TensorBoard,
    "trackio": lambda home, settings: Logged("trackio", home, settings),
    "wandb": lambda home, settings: Logged("wandb", home, settings)}


def open_trackers(names: Sequence[str], home: Path, settings: Mapping[str, Any]) -> list[Tracker]:
    """The trackers of these names. ModelError where one is not installed."""
    opened = []
    for name in names:
        try:
            opened.append(TRACKERS[name](home, settings))
        except ImportError as error:
            raise ModelError(f"trackers: {name} is not installed ({error}); `pip install {name}`, or leave it out") from None
    return opened


def validations(path: Path, step: int) -> list[float]:
    """The figures of the validations in a log up to this step, in order."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text("utf-8").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            values = json.loads(line)
            if values["step"] <= step:
                found.append(float(values["validation"]))
    return found


class Log:
    """The log in the file `path`, opened to go on after `step`: lines of updates to be redone are dropped."""

    def __init__(self, path: Path, step: int, trackers: Sequence[Tracker] = ()):
        lines = []
        if path.is_file():
            for line in path.read_text("utf-8").splitlines():
                try:
                    lines += [line] if json.loads(line)["step"] <= step else []
                except (ValueError, KeyError, TypeError):       # the last line of a killed run
                    continue
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        self._file, self._trackers = path.open("a", encoding="utf-8"), trackers

    def write(self, values: dict[str, Any]) -> None:
        """A line; `step` has to be in it."""
        self._file.write(json.dumps(values) + "\n")
        self._file.flush()
        figures = {name: value for name, value in flat(values) if name != "step" and isinstance(value, (int, float))}
        for tracker in self._trackers if figures else ():
            tracker.write(figures, values["step"])

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        for tracker in self._trackers:
            tracker.close()


class Silent(Log):
    """The log of a process that writes none."""

    def __init__(self) -> None:
        pass

    def write(self, values: dict[str, Any]) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of a nested mapping, names joined by a slash."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}/")
        else:
            yield f"{before}{name}", value


class Spikes:
    """Losses that stand out from those before them."""

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=WINDOW)

    def is_one(self, loss: float) -> bool:
        """Whether this next loss is a spike; a spike is not compared with later."""
        mean, spread = (float(f(self._losses)) for f in (np.mean, np.std)) if len(self._losses) >= FEWEST else (np.inf, 0.0)
        found = loss > max(mean + SPIKE * spread, LEAST * mean)
        if not found:
            self._losses.append(loss)
        return found
