"""Files that are not data: those whose names match the patterns of `extract.ignore`."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple

SOURCE_SETTINGS = "source.yaml"     # directly in a source's folder; read as its settings, never as data


class Pattern(NamedTuple):
    """A pattern: of the names of files, or with a slash at its end of folders, or with one inside of whole paths."""

    spelled: str
    matches: Callable[[str], object]
    of: str             # name | folder | path


@lru_cache(64)
def patterns(spelled: Sequence[str]) -> tuple[Pattern, ...]:
    """The patterns, as shells spell them, in any case."""
    def read(one: str) -> Pattern:
        of = "folder" if one.endswith("/") and "/" not in one[:-1] else "path" if "/" in one else "name"
        return Pattern(one, re.compile(translate(one.rstrip("/") if of == "folder" else one), re.I).match, of)

    return tuple(map(read, spelled))


def ignored_by(path: str, spelled: Sequence[str]) -> str | None:
    """The first pattern that a path, below raw/ or in an archive, matches.

    >>> ignored_by("mine/README.md", ("*.md5", "README*")), ignored_by("mine/.git/x", (".*/",)), ignored_by("a/b", ("b*/",))
    ('README*', '.*/', None)
    """
    *folders, name = path.split("/")
    for pattern in patterns(tuple(spelled)):
        names = (name,) if pattern.of == "name" else (path,) if pattern.of == "path" else folders
        if any(map(pattern.matches, names)):
            return pattern.spelled
    return None


def is_source_settings(path: str) -> bool:
    """Whether a path below raw/ is that of a source's settings."""
    return path.count("/") == 1 and path.endswith(f"/{SOURCE_SETTINGS}")


def ignored_line(paths: Iterable[str], spelled: Sequence[str]) -> list[str]:
    """A line that counts the files below raw/ that patterns take out, hidden ones aside, by pattern; or none."""
    found = [(by, path) for path in sorted(paths) if (by := ignored_by(path, spelled)) and by not in HIDDEN]
    if not found:
        return []
    counts = Counter(by for by, _ in found).most_common(4)
    shown = ", ".join(f"{by} {count:,}" for by, count in counts)
    files = f"{len(found):,} files are" if len(found) > 1 else "1 file is"
    return [f"{files} not read, because extract.ignore has their names ({shown}; the first is raw/{found[0][1]})"]


HIDDEN = (".*", "_*", ".*/", "_*/")
