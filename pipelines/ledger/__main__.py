"""Ask what became of a page (why), what is in a block (trace), or what holds a page or host (where)."""

import argparse
import sys
from collections.abc import Sequence

from textmill.base.strict import SettingsError
from textmill.base.terminal import show
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder, StageError
from textmill.pipelines.engines.engine import Engine
from textmill.pipelines.ledger.trace import trace, where
from textmill.pipelines.ledger.why import why
from textmill.pipelines.pack.mixture import read_mixture
from textmill.pipelines.pack.stage import SPLITS
from textmill.pipelines.settings import read_config


def main(argv: Sequence[str] | None = None) -> int | str:
    shared = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    shared.add_argument("--data", default="data", help="the data folder, or s3:// or gs:// (default: %(default)s)")
    shared.add_argument("--mixture", default="mixtures/demo.yaml", help="the recipe (default: %(default)s)")
    parser = argparse.ArgumentParser(prog="python -m textmill.pipelines.ledger", description=__doc__, allow_abbrev=False)
    asked = parser.add_subparsers(dest="asked", required=True)
    one = asked.add_parser("why", parents=[shared], help="a page's story, from raw record to block", allow_abbrev=False)
    one.add_argument("page", help="a URL, an id, a record id or a host")
    one.add_argument("--config", default="settings.yaml", help="settings of every stage (default: %(default)s)")
    one.add_argument("--rules", default="rules.yaml", help="bounds and policies (default: %(default)s)")
    one.add_argument("--tokenizer", help="name under data/tokenizers (default: the one the mixture names)")
    one = asked.add_parser("trace", parents=[shared], help="the pages of a block", allow_abbrev=False)
    one.add_argument("block", type=int, help="its number, in training order, from 0")
    one.add_argument("--split", choices=SPLITS, default=SPLITS[0], help="which blocks (default: %(default)s)")
    one = asked.add_parser("where", parents=[shared], help="parts and blocks that hold a page or host", allow_abbrev=False)
    one.add_argument("page", help="a URL, an id, a record id or a host")
    given = parser.parse_args(argv)
    data = Folder(given.data)
    try:
        if given.asked != "trace" and not given.page.strip():
            raise StageError("no page was named; give URL=…, ID=… or HOST=…")
        if given.asked == "why":
            config = read_config(given.config, given.rules, given.mixture, given.tokenizer)
            lines = why(RunContext(data, config, Engine()), given.page.strip())
        elif given.asked == "where":
            lines = where(data, given.page.strip())
        else:
            lines = trace(data, read_mixture(given.mixture).name, given.split, given.block)
    except (StageError, SettingsError) as error:
        return "\n".join(f"{given.asked}: {line}" for line in str(error).splitlines())
    show(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
