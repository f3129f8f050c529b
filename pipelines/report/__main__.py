"""Write DATA/report/index.html: what came in, what was kept and why, and what a model learned from it."""

import argparse
import sys
from collections.abc import Sequence

from textmill.base.strict import SettingsError
from textmill.pipelines.contract.storage import Folder, StageError
from textmill.pipelines.pack.mixture import read_mixture
from textmill.pipelines.report.page import build


def main(argv: Sequence[str] | None = None) -> int | str:
    parser = argparse.ArgumentParser(prog="python -m textmill.pipelines.report", description=__doc__, allow_abbrev=False)
    parser.add_argument("--data", default="data", help="the data folder, or s3:// or gs:// (default: %(default)s)")
    parser.add_argument("--mixture", default="mixtures/demo.yaml",
                        help="the recipe whose tokenizer, blocks and run are shown (default: %(default)s)")
    given = parser.parse_args(argv)
    folder = Folder(given.data) / "report"
    try:
        page, said = build(Folder(given.data), read_mixture(given.mixture))
        folder.write("index.html", page.encode())
        folder.delete_empty_folders()
    except (StageError, SettingsError) as error:
        return "\n".join(f"report: {line}" for line in str(error).splitlines())
    print(f"report: {said}; {folder.uri}/index.html", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
