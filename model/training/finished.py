"""Record of a finished run: what it was trained by and on, and its last checkpoint. Read without torch, which takes seconds.

Guarantee: `finished_line` gives the summary only where the same version, settings and blocks would train nothing more, and
where the checkpoint has the bytes it was written with. In any other case it gives None, and training looks for itself.
"""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from textmill.base.blocks_format import CHAT_FILES, MANIFEST, SPLITS, TOKENIZER_FILES
from textmill.base.sealed import canonical, seal, unseal
from textmill.model.training.checkpoint_files import SUMS, checkpoints, damage, sha256_of

FILE = "finished.json"
AGAIN = "up to date; "      # in the summary of a run that was finished before


def write_finished(home: Path, blocks: Path, section: Mapping[str, Any], line: str) -> None:
    """Record the run in the folder `home`, whose summary is `line`."""
    if (there := checkpoints(home)) and (made_from := _made_from(blocks, section)):
        (home / FILE).write_bytes(seal({"made_from": made_from, "checkpoint": there[-1].name,
                                        "sums": sha256_of(there[-1] / SUMS), "line": line.replace(AGAIN, "", 1)}))


def finished_line(home: Path, blocks: Path, section: Mapping[str, Any]) -> str | None:
    """The summary of a run that was finished with these settings on these blocks, and whose checkpoint is whole; else None."""
    try:
        record = unseal((home / FILE).read_bytes(), required=True)
        newest = checkpoints(home)[-1]
        if (record["made_from"], record["checkpoint"], record["sums"]) != (
                _made_from(blocks, section), newest.name, sha256_of(newest / SUMS)) or damage(newest):
            return None
        return str(record["line"]).replace("train: ", f"train: {AGAIN}", 1)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _made_from(blocks: Path, section: Mapping[str, Any]) -> str | None:
    """The hash of version, settings, manifests of blocks and tokenizer; None where a file is not there."""
    names = [*(f"{split}/{MANIFEST}" for split in SPLITS), *TOKENIZER_FILES,
             *(name for name in CHAT_FILES if (blocks / name).is_file())]
    try:
        files = [sha256_of(blocks / name) for name in names]
    except OSError:
        return None
    return hashlib.sha256(canonical([version("textmill"), dict(section), files])).hexdigest()
