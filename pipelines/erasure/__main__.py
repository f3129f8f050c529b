"""List what takedown.txt in the data folder takes, and with --carry-out take it out of every dataset and block."""

import argparse
import sys
from collections.abc import Sequence

from textmill.base.terminal import show
from textmill.pipelines.__main__ import add_run_options, run_context, told
from textmill.pipelines.contract.stage import RunContext, manifest_of
from textmill.pipelines.contract.storage import StageError
from textmill.pipelines.erasure.carry_out import carry_out
from textmill.pipelines.erasure.listing import listing
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.takedown.entries import LIST
from textmill.pipelines.takedown.matching import resolve


def main(argv: Sequence[str] | None = None) -> int | str:
    parser = argparse.ArgumentParser(prog="python -m textmill.pipelines.takedown", description=__doc__, allow_abbrev=False)
    parser.add_argument("--carry-out", action="store_true", help="do it; without this, say what would be done")
    add_run_options(parser)
    given = parser.parse_args(argv)
    return told("takedown", lambda: run(run_context(given), given.carry_out))


def run(context: RunContext, do: bool) -> str:
    """The list of what is taken, and where `do` is set the takedown itself, told line by line. StageError where there is
    no list or no dataset, or something is left."""
    if not context.data.exists(LIST):
        raise StageError(f"there is no {context.data.uri}/{LIST}; put an entry a line there: url:https://…, host:example.com, "
                         "id:… or text:…")
    manifest_of(EXTRACT, context)
    resolution = resolve(context.data)
    lines = list(listing(context.data, resolution))
    if not do:
        return "\n".join([*lines, "nothing was changed; carry it out with `textmill takedown --carry-out`"])
    show(lines)
    for line in carry_out(context, resolution):
        print(f"takedown: {line}", flush=True)
    return "takedown: done"


if __name__ == "__main__":
    sys.exit(main())
