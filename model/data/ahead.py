"""Batches made ahead: those of the next step are read, pinned and sent to the device while this step is computed."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch


class Ahead:
    """`batches`, a pure function of the step, one step ahead in a thread of its own; what goes wrong there is raised here."""

    def __init__(self, batches: Callable[[int], Sequence[Any]], device: torch.device, stop: int):
        self._batches, self._device, self._stop = batches, device, stop
        self._thread = ThreadPoolExecutor(1, "batches")
        self._next: tuple[int, Future[list[Any]]] | None = None

    def __call__(self, step: int) -> Sequence[Any]:
        """The batches of a step, on the device; those of the next are begun, unless it is `stop`."""
        asked, self._next = self._next, None
        result = asked[1].result() if asked and asked[0] == step else self._made(step)
        if step + 1 < self._stop:
            self._next = step + 1, self._thread.submit(self._made, step + 1)
        return result

    def _made(self, step: int) -> list[Any]:
        return [batch.to(self._device) for batch in self._batches(step)]

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)
