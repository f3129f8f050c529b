"""Optional libraries: a missing one is a sentence that says what to install."""

import contextlib
from collections.abc import Iterator

from textmill.base.errors import TextmillError


class MissingLibrary(TextmillError):  # noqa: N818  (TextmillError is the root, and says what it is)
    """A library that is not installed and that this function needs."""


@contextlib.contextmanager
def needing(function: str, install: str) -> Iterator[None]:
    """Around the imports of `function`: MissingLibrary where one is not there, with `pip install` of `install`."""
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library in ("", "textmill"):
            raise
        raise MissingLibrary(f"{function} needs {library}; pip install '{install}'") from None
