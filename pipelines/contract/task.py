"""A task: one element of a stage's work, with the fingerprint of its inputs."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textmill.pipelines.contract.parts import Part

RECEIPTS = "_receipts"


@dataclass(frozen=True)
class Task:
    """A key (the same through aligned datasets), the inputs, and their hash."""

    key: str
    fingerprint: str
    inputs: tuple[tuple[str, Part], ...] = ()       # dataset, part
    payload: Any = None
    bytes: int = 0                                  # approximate input bytes, so that workers get equal shares
    folder: str = ""                                # subfolder of the dataset for its parts

    @property
    def receipt(self) -> str:
        """The path of its receipt in the dataset."""
        return f"{RECEIPTS}/{self.key}.{self.fingerprint}.json"

    def file_name(self, suffix: str, number: int | None = None) -> str:
        """The path of a part in the dataset; `number` where the task has several."""
        key = self.key if number is None else f"{self.key}-{number:03d}"
        return f"{self.folder and self.folder + '/'}{key}.{self.fingerprint}.{suffix}"


def fingerprint(*values: Any) -> str:
    """16 hex digits of BLAKE2b over canonical JSON."""
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).hexdigest()


def to_plain(settings: Any) -> Any:
    """Dataclasses, however nested in tuples and lists, as plain values for JSON."""
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        return {field.name: to_plain(getattr(settings, field.name)) for field in dataclasses.fields(settings)}
    if isinstance(settings, Mapping):
        return {key: to_plain(value) for key, value in settings.items()}
    return [to_plain(value) for value in settings] if isinstance(settings, (list, tuple)) else settings
