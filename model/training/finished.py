"""Record of a finished run: what it was trained by and on, and its last checkpoint. Read without torch, which takes seconds.

Guarantee: `finished_line` gives the summary only where the same version, settings and blocks would train nothing more, and
where the checkpoint has the bytes it was written with. In any other case it gives None, and training looks for itself.
"""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from textmill.base.blocks_format import MANIFEST, SPLITS, TOKENIZER_FILES
from textmill.base.sealed import canonical, seal, unseal

FILE = "finished.json"
SUMS = "SHA256SUMS"         # of a checkpoint


def write_finished(home: Path, blocks: Path, section: Mapping[str, Any], line: str) -> None:
    """Record the run in the folder `home`, whose summary is `line`."""
    checkpoint = max(home.glob(f"step-*/{SUMS}"), default=None)
    if checkpoint is not None and (made_from := _made_from(blocks, section)):
        (home / FILE).write_bytes(seal({"made_from": made_from, "checkpoint": checkpoint.parent.name,
                                        "sums": _sha256(checkpoint), "line": line}))


def finished_line(home: Path, blocks: Path, section: Mapping[str, Any]) -> str | None:
    """The summary of a run that was finished with these settings on these blocks, and whose checkpoint is whole."""
    try:
        record = unseal((home / FILE).read_bytes(), required=True)
        sums = home / record["checkpoint"] / SUMS
        newest = max(home.glob(f"step-*/{SUMS}"))
        if record["made_from"] != _made_from(blocks, section) or newest != sums or record["sums"] != _sha256(sums):
            return None
        for line in sums.read_text("ascii").splitlines():
            digest, _, name = line.partition("  ")
            if _sha256(sums.parent / name) != digest:
                return None
        return str(record["line"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _made_from(blocks: Path, section: Mapping[str, Any]) -> str | None:
    """The hash of version, settings, manifests of blocks and tokenizer; None where a file is not there."""
    names = [*(f"{split}/{MANIFEST}" for split in SPLITS), *TOKENIZER_FILES]
    try:
        files = [_sha256(blocks / name) for name in names]
    except OSError:
        return None
    return hashlib.sha256(canonical([version("textmill"), dict(section), files])).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
