"""`_run.json`: facts about a run and caches of a stage, in the one file excluded from byte-for-byte reproducibility."""

from typing import Any

from textmill.base.sealed import seal, unseal
from textmill.pipelines.contract.parts import RUN
from textmill.pipelines.contract.storage import Folder


def remember(dataset: Folder, **facts: Any) -> None:
    """Add facts to the notes of a dataset."""
    dataset.write(RUN, seal(recall(dataset) | facts))


def recall(dataset: Folder) -> dict[str, Any]:
    """The notes of a dataset; empty where there are none, or none that can be read."""
    try:
        return unseal(dataset.read(RUN))
    except (FileNotFoundError, ValueError):
        return {}
