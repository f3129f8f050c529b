"""The configuration of a run, by type: `configuration[DedupSettings]` is the one instance of that class.

So a stage names the settings it reads by their class, and nothing here knows any stage. `pipelines.settings` fills one from
the three kinds of files; a test builds one from the few settings it needs.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

Settings = TypeVar("Settings")


class Configuration:
    """A mapping from a settings class to its instance.

    >>> Configuration("web", 16_000)[int]
    16000
    """

    def __init__(self, *settings: Any):
        self._by_type: dict[type, Any] = {type(instance): instance for instance in settings}

    def __getitem__(self, kind: type[Settings]) -> Settings:
        """The instance of `kind`. KeyError where the configuration has none: no file provides these settings."""
        return self._by_type[kind]

    def __iter__(self) -> Iterator[Any]:
        yield from self._by_type.values()

    def replaced(self, *settings: Any) -> "Configuration":
        """A copy with these instances in place of those of the same types."""
        return Configuration(*self, *settings)
