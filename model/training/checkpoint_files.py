"""The files of checkpoints in a run's folder: their names, their checksums, which are whole. Needs no torch to be read."""

import hashlib
import re
from pathlib import Path

CONFIG, WEIGHTS, OPTIMIZER, STATE = FILES = ("decoder.json", "model.safetensors", "optimizer.safetensors", "state.json")
SUMS = "SHA256SUMS"
_NAME = re.compile(r"step-\d{8}")


def checkpoints(run: Path) -> list[Path]:
    """All checkpoints in a run's folder, oldest first; a folder with none of their files is something else."""
    return sorted(path for path in run.glob("step-*")
                  if _NAME.fullmatch(path.name) and any((path / name).is_file() for name in FILES))


def damage(checkpoint: Path) -> str | None:
    """What of a checkpoint is not as it was written; None where all is."""
    try:
        lines = sums(checkpoint)
        stored = (checkpoint / SUMS).read_text("ascii")
    except OSError as error:
        return f"{Path(error.filename or SUMS).name} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return f"{SUMS} is not what was written"
    wrong = [name for name, line in zip(FILES, lines, strict=True) if line not in stored]
    return None if stored == "".join(lines) else f"{(wrong or [SUMS])[0]} is not what was written"


def remove(checkpoint: Path) -> None:
    """Remove the files of a checkpoint, SHA256SUMS first (half removed it is a damaged one), and the folder if then empty."""
    for name in (SUMS, *FILES):
        (checkpoint / name).unlink(missing_ok=True)
    if not any(checkpoint.iterdir()):
        checkpoint.rmdir()


def sums(checkpoint: Path) -> list[str]:
    """The lines of SHA256SUMS, by the bytes of FILES as they are now."""
    return [f"{sha256_of(checkpoint / name)}  {name}\n" for name in FILES]


def sha256_of(path: Path) -> str:
    """The sha256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
