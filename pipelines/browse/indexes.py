"""The two indexes of a state of the data: facts, made before anything is shown, and words, made while the page is in use.

They lie in DATA/browse, named by the digest of the manifests that they are made from, so that other bounds leave the words as
they are; those of other states are deleted. Nothing in them is needed by any stage: the folder may be deleted at any time, and
`textmill takedown` does so.
"""

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb

from textmill.pipelines.browse import counts, facts, words
from textmill.pipelines.browse.records import Records
from textmill.pipelines.browse.snapshot import Snapshot, digest_of
from textmill.pipelines.contract.filesystems import StageError, full_disk, is_alive

FOLDER = "browse"
MEMORY = "512MB"
NUMERIC = ("DOUBLE", "FLOAT", "INTEGER", "BIGINT")      # types of columns that have bounds


class Indexes:
    """Both indexes of a snapshot."""

    def __init__(self, snapshot: Snapshot, tell: Callable[[int], object] = int):
        """Opens what is there, and makes the facts where they are not; `tell` is given how many documents have been read.

        StageError where the data folder is not on this machine, or cannot be written."""
        if not snapshot.data.is_local:
            raise StageError(f"browse reads folders of this machine, and {snapshot.data.uri} is none; copy the data here")
        self.snapshot = snapshot
        self.folder = Path(snapshot.data.path(FOLDER))
        self.read = 0               # documents of which the words are known
        self.fault: str | None = None       # why there is no word index
        self._ended = threading.Event()
        self._facts = self.folder / f"{snapshot.digest}-{facts.VERSION}-{duckdb.__version__}.facts"
        self._words = self.folder / f"{digest_of(snapshot.data, words.READS)}-{words.VERSION}.words"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._delete_others()
            if not self._facts.exists():
                with self._new(self._facts) as path:
                    facts.build_facts(snapshot, path, tell)
        except OSError as error:
            raise full_disk(error, str(self.folder)) from error
        except duckdb.IOException as error:
            raise StageError(f"{self.folder} cannot be written ({' '.join(str(error).split())}); free some space, or change "
                             "its permissions") from None
        self.connection = duckdb.connect(str(self._facts), read_only=True, config={
            "memory_limit": MEMORY, "enable_external_access": False, "python_enable_replacements": False})
        columns = self.connection.execute("SELECT column_name, column_type FROM (DESCRIBE facts)").fetchall()
        self.numbers = tuple(name for name, kind in columns if kind in NUMERIC and name != "number")
        self.records = Records(snapshot, self.connection)
        with self.connection.cursor() as cursor:
            self.totals, self.scales = counts.totals(cursor), counts.scales(cursor)

    @property
    def words(self) -> Path | None:
        """The word index; None while it is being made."""
        return self._words if any(self._words.glob("*")) else None

    def start(self) -> None:
        """Begin to make the word index in a thread of its own, where there is none."""
        if self.words is None:
            threading.Thread(target=self._make_words, daemon=True).start()

    def end(self) -> None:
        """Stop making the word index; what there is of it is deleted."""
        self._ended.set()

    def make_words(self) -> None:
        """Make the word index now, where there is none."""
        if self.words is None:
            self._make_words()

    def _make_words(self) -> None:
        try:
            with self._new(self._words) as path:
                if not words.build_words(self.snapshot, path, self._tell, self._ended.is_set):
                    _delete(path)
        except Exception as error:      # the page goes on without it, and says why
            self.fault = str(error) or type(error).__name__

    def _tell(self, count: int) -> None:
        self.read = count

    @contextlib.contextmanager
    def _new(self, final: Path) -> Iterator[Path]:
        """A path to write to, which becomes `final` when the block ends well and leaves nothing when it fails."""
        path = final.with_name(f"{final.name}.{os.getpid()}")
        try:
            yield path
            if path.exists():
                path.replace(final)
        finally:
            for left in (path, path.with_name(f"{path.name}.wal")):
                _delete(left)

    def _delete_others(self) -> None:
        """Delete indexes of other states of the data, and what processes left that are no more."""
        for path in self.folder.iterdir():
            owner = path.name.removesuffix(".wal").rpartition(".")[2]
            at_work = owner.isdecimal() and is_alive(int(owner))
            if path not in (self._facts, self._words) and not at_work:
                _delete(path)


def _delete(path: Path) -> None:
    """Delete a file or a folder, where it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
