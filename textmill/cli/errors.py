"""Errors as sentences: the one place where what stops a word becomes what a user reads, and the exit status."""

import contextlib
import errno
import os
import sys
import warnings
from collections.abc import Iterator
from typing import NoReturn

import click

from textmill.base.errors import TextmillError, out_of_memory

EXTRAS = {"train": "model", "sample": "model", "export": "model", "train-tokenizer": "tokenizer"}   # all others: pipelines
FULL = (errno.ENOSPC, errno.EDQUOT)
PATHS = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)
AGAIN = "run the same command again: what is finished is kept"


@contextlib.contextmanager
def sentences(context: click.Context) -> Iterator[None]:
    """Around a word: print what stopped it, a sentence a line, and exit. What is not known here passes: it is a bug."""
    warnings.showwarning = _warning
    try:
        yield
    except TextmillError as error:
        fail(context, str(error), at_once=error.ends_process)
    except ModuleNotFoundError as error:
        package = (error.name or "textmill").partition(".")[0]
        if package == "textmill":
            raise
        extra = EXTRAS.get(context.invoked_subcommand or "", "pipelines")
        fail(context, f"needs the {extra} extra ({package} is not installed): pip install 'textmill[{extra}]'")
    except OSError as error:
        if not (sentence := os_sentence(error)):
            raise
        fail(context, sentence)
    except (MemoryError, RuntimeError, ImportError) as error:
        if not out_of_memory(error):
            raise
        fail(context, f"the system gave no more memory; free some and {AGAIN}", at_once=True)
    except KeyboardInterrupt:
        fail(context, "stopped; what is finished is kept, run the same command to go on", 130, at_once=True)


def _warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, file: object = None,
             line: str | None = None) -> None:
    """A warning as a sentence, without the line of code that it came from."""
    print(message, file=sys.stderr, flush=True)


def fail(context: click.Context, message: str, status: int = 1, at_once: bool = False) -> NoReturn:
    """Print the message, each line after the word's name, and exit; `at_once` where threads would keep the process alive."""
    for line in message.splitlines():
        print(f"{context.invoked_subcommand}: {line}", file=sys.stderr, flush=True)
    if at_once:
        os._exit(status)
    raise click.exceptions.Exit(status)


def os_sentence(error: OSError) -> str | None:
    """A full disk, a path that cannot be used, a store that does not answer; None for anything else."""
    if error.errno == errno.ENOMEM:
        return f"the system gave no more memory; free some and {AGAIN}"
    if error.errno in FULL:
        return f"no space left on the disk{f' of {error.filename}' if error.filename else ''}; free some and {AGAIN}"
    if "pyarrow" in sys.modules:
        from textmill.pipelines.engines.engine import store_sentence

        if sentence := store_sentence(error):
            return sentence
    if error.errno in PATHS:
        what = f"{error.filename} cannot be written or read ({error.strerror})" if error.filename else str(error)
        return f"{what}; check the path, and who may write there"
    return None


def usage_sentence(error: click.UsageError) -> str:
    """A wrong option or argument as one sentence, with where to look."""
    where = error.ctx.command_path if error.ctx else "textmill"
    message = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error, click.NoSuchOption):
        near = f"; did you mean {' or '.join(sorted(error.possibilities))}?" if error.possibilities else ""
        message = f"there is no option {error.option_name}{near}"
    cure = "" if message.endswith("?") else f"; `{where} --help` lists what there is"
    return f"{where.removeprefix('textmill ')}: {message[:1].lower()}{message[1:]}{cure}"
