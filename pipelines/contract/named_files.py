"""User files that settings refer to by name: blocklists, evaluation sets. All problems are reported at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from textmill.pipelines.contract.filesystems import StageError, sha256
from textmill.pipelines.contract.storage import Folder

Read = TypeVar("Read")


class ContentError(ValueError):
    """A problem inside such a file, and its cure, as the rest of a sentence that begins with the path."""


@dataclass(frozen=True)
class Named:
    """Files of a kind (`what`) that lie in `folder` of the data folder; `setting` is the key that names them."""

    what: str
    folder: str
    setting: str

    def digests(self, names: Sequence[str], data: Folder) -> dict[str, str]:
        """The sha256 of each file by its path in the data folder. StageError names all that cannot be read."""
        return dict(self._each(names, data, lambda name, file: (f"{self.folder}/{name}", sha256(file))))

    def read(self, names: Sequence[str], data: Folder, read: Callable[[str, Any], Read]) -> list[Read]:
        """The results of `read(name, open file)` for each name, in this order.

        `read` raises ContentError where a file is wrong; StageError then lists the problems of all files."""
        return self._each(names, data, read)

    def _each(self, names: Sequence[str], data: Folder, read: Callable[[str, Any], Read]) -> list[Read]:
        made, problems = [], []
        for name in names:
            try:
                with (data / self.folder).open(name) as file:
                    made.append(read(name, file))
            except FileNotFoundError:
                problems.append(f"there is no {self.what} {name!r} in {data.uri}/{self.folder}; put it there, or take it out "
                                f"of {self.setting}")
            except OSError as error:
                problems.append(f"{data.uri}/{self.folder}/{name} cannot be read ({' '.join(str(error).split())}); "
                                "make it readable")
            except ContentError as error:
                problems.append(f"{data.uri}/{self.folder}/{name} {error}")
        if problems:
            raise StageError("\n".join(problems))
        return made
