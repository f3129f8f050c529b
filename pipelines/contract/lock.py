"""Locks on local datasets: of two runs on one folder, one waits for the other.

A run holds the dataset it writes alone, and those it reads together with other readers, so no dataset is replaced while a
stage reads it. Taken in the order of the flow, so two runs never wait for each other. They are flock's, on the folder
itself: nothing is left behind, and they end with the process, however it ends. Object stores and filesystems without flock
have none; there a run that finds its work taken away by another looks whether that one finished it (`contract.run`).
"""

import contextlib
import errno
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from textmill.pipelines.contract.filesystems import full_disk
from textmill.pipelines.contract.storage import Folder

NO_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL)


@contextlib.contextmanager
def locked(dataset: Folder, waiting: str, shared: bool = False) -> Iterator[bool]:
    """Hold a dataset, to write it or (`shared`) to read it; yields whether another run was waited for.

    `waiting` is the name of the stage that says so. To write, the folder is created; to read, one that is not there is not
    locked.
    """
    if not dataset.is_local:
        yield False
        return
    path = Path(dataset.path(""))
    if shared and not path.is_dir():
        yield False
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise full_disk(error, dataset.uri) from error
    try:
        yield _acquire(descriptor, dataset.uri, waiting, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def is_free(dataset: Folder, locks: contextlib.ExitStack) -> bool:
    """Whether no other run works in a dataset that is there; held in `locks` from then on."""
    if dataset.is_local:
        descriptor = os.open(dataset.path(""), os.O_RDONLY)
        locks.callback(os.close, descriptor)
        return try_lock(descriptor)
    return True


def try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open folder, unless another process holds it. True where the filesystem has no locks."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True


def _acquire(descriptor: int, where: str, waiting: str, kind: int) -> bool:
    if try_lock(descriptor, kind):
        return False
    print(f"{waiting}: waiting for another run, which works in {where}{holder(descriptor)}", file=sys.stderr, flush=True)
    fcntl.flock(descriptor, kind)
    return True


def holder(descriptor: int) -> str:
    """` (process 123, since 11:40)` of one that holds an open folder; empty where the system does not tell."""
    stat = os.fstat(descriptor)
    file = f"{os.major(stat.st_dev):02x}:{os.minor(stat.st_dev):02x}:{stat.st_ino}"
    with contextlib.suppress(OSError, IndexError, ValueError):      # another system, or the process has ended since
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()                # 1: FLOCK ADVISORY WRITE 123 fe:00:456 0 EOF; one that waits has -> after 1:
            if words[1] == "FLOCK" and words[5] == file and int(words[4]) > 0:
                return f" (process {words[4]}, since {time.strftime('%H:%M', time.localtime(_began(words[4])))})"
    return ""


def _began(process: str) -> float:
    """When a process began, in seconds since 1970: the 22nd field of its `stat` counts ticks since the system did."""
    ticks = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
    up = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - up + ticks / os.sysconf("SC_CLK_TCK")
