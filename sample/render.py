"""Render the sample crawl: page sources become raw files as a crawler leaves them, and a label for every record.

Run as `python sample/render.py`. The same sources give the same bytes: record ids come from the URL and the date,
dates from the sources, and gzip members carry no time. `--out FOLDER` writes somewhere else than here.
`made_with.json` names the libraries whose compression the bytes depend on.
"""

import argparse
import json
import shutil
import zlib
from collections import defaultdict
from pathlib import Path

import brotli
import pyarrow as pa
import yaml
from capture import Capture, Library
from plan import copies, pages_as_served
from unusual import DAMAGED, ODDMENTS, damaged_file, odd_rows, oddments
from write import write_file

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder for raw/ and labels.jsonl (default: %(default)s)")
    out = parser.parse_args().out
    library = Library(HERE)
    plan = yaml.safe_load((HERE / "plan.yaml").read_text(encoding="utf-8"))
    files: dict[str, list[Capture]] = defaultdict(list)
    for capture in pages_as_served(library, plan) + copies(library, plan):
        files[capture.file].append(capture)
    files[ODDMENTS] = oddments(library, plan)
    files[DAMAGED] = damaged_file(library, plan)
    letters = library.sites["letters"]["file"]
    files[letters] += odd_rows(letters)
    if (out / "raw").exists():
        shutil.rmtree(out / "raw")
    labels = []
    for file in sorted(files):
        labels += write_file(out / "raw", file, files[file])
    lines = (json.dumps(label, ensure_ascii=False) for label in labels)
    (out / "labels.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    made_with = {"zlib": zlib.ZLIB_RUNTIME_VERSION, "brotli": brotli.__version__, "pyarrow": pa.__version__}
    (out / "made_with.json").write_text(json.dumps(made_with) + "\n", encoding="utf-8", newline="\n")
    print(f"{len(labels)} records in {len({label['file'] for label in labels})} files under {out / 'raw'}")


if __name__ == "__main__":
    main()
