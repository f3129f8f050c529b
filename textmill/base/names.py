"""Names that become files: of mixtures, entries, tokenizers, tables and classifiers, and of files that settings refer to."""

import re

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def name_problem(what: str, name: object) -> str | None:
    """A sentence where this name of a `what` cannot be the name of a file in its own folder; None where it can."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return None
    return f"{what} {name!r} cannot be a file name; use letters, digits, '.', '_' and '-', a letter or digit first, 100 at most"
