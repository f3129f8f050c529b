"""Show a page and its copies side by side: what was kept, what was removed, and every word in which they differ."""

import argparse
import os
import sys
from collections.abc import Sequence

from textmill.base.terminal import show
from textmill.pipelines.contract.storage import Folder, StageError
from textmill.pipelines.ledger.twins.pairs import twins


def main(argv: Sequence[str] | None = None) -> int | str:
    parser = argparse.ArgumentParser(prog="python -m textmill.pipelines.ledger.twins", description=__doc__, allow_abbrev=False)
    parser.add_argument("page", help="a URL or an id")
    parser.add_argument("--data", default="data", help="the data folder, or s3:// or gs:// (default: %(default)s)")
    given = parser.parse_args(argv)
    try:
        if not given.page.strip():
            raise StageError("no page was named; give URL=…")
        lines = twins(Folder(given.data), given.page.strip(), sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    except StageError as error:
        return "\n".join(f"twins: {line}" for line in str(error).splitlines())
    show(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
