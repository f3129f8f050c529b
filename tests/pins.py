"""Writes what tests hold output to, from a run on the sample crawl as the code is now: `make pins`, then look at the diff.

tests/versions.json (the bytes of every stage) and tests/told/ (what the ledger says of some pages).
"""

import json
import tempfile
from pathlib import Path

from tests.command_line import DATASETS, manifest, put_sample, run_all
from tests.house.test_versions import PINS, digest
from tests.ledger.test_ledger import TOLD, questions

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        data = put_sample(Path(folder))
        run_all(data)
        pins = {stage: {"version": manifest(data, dataset)["version"], "sha256": digest(data, dataset)}
                for stage, dataset in DATASETS.items()}
        PINS.write_text(json.dumps(pins, indent=1) + "\n")
        for name, lines in questions(data).items():
            (TOLD / f"{name}.txt").write_text("\n".join(lines) + "\n", "utf-8")
