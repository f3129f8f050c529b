"""Errors as sentences: the one place where what stops a word becomes what a user reads, and the exit status."""

import contextlib
import difflib
import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

import click

from textmill.base.errors import TextmillError, out_of_memory

MODEL_WORDS = """estimate train sample evaluate worst compare ladder sweep finetune canaries memorised export origins tasks
reward prefer grpo ppo judge revise restrain risk-coverage head life""".split()       # noqa: SIM905   # easier read as a text
EXTRAS = (dict.fromkeys(MODEL_WORDS, "model")
          | {"train-tokenizer": "tokenizer", "serve": "serve", "browse": "browse"})       # all others: pipelines
FULL = (errno.ENOSPC, errno.EDQUOT)
PATHS = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)
STOPPED = "stopped; what is finished is kept, run the same command to go on"
AGAIN = "run the same command again: what is finished is kept"


@contextlib.contextmanager
def sentences(context: click.Context, step: str | None = None) -> Iterator[None]:
    """Around a word, or a step of it: print what stopped it, a sentence a line, and exit. What is not known here is a bug."""
    def stop(message: str, status: int = 1, at_once: bool = False) -> NoReturn:
        fail(_name(context, step), message, status, at_once)

    def interrupted(_: int, frame: FrameType | None) -> None:
        while frame:
            if frame.f_code.co_filename.startswith("<frozen importlib"):    # C modules turn it into errors of their own
                stop(STOPPED, 130, at_once=True)
            frame = frame.f_back
        raise KeyboardInterrupt

    warnings.showwarning = _warning
    in_main = threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGINT, interrupted) if in_main else None
    try:
        yield
    except TextmillError as error:
        stop(str(error), at_once=error.ends_process)
    except ModuleNotFoundError as error:
        package = (error.name or "textmill").partition(".")[0]
        if package == "textmill":
            raise
        extra = EXTRAS.get(_name(context, step), "pipelines")
        stop(f"needs the {extra} extra ({package} is not installed): pip install 'textmill[{extra}]'")
    except OSError as error:
        if not (sentence := os_sentence(error)):
            raise
        stop(sentence)
    except (MemoryError, RuntimeError, ImportError) as error:
        if not out_of_memory(error):
            raise
        stop(f"the system gave no more memory; free some and {AGAIN}", at_once=True)
    except KeyboardInterrupt:
        stop(STOPPED, 130, at_once=True)
    finally:
        if in_main:
            signal.signal(signal.SIGINT, previous)


def _name(context: click.Context, step: str | None) -> str:
    """The name of a step, or of the word that the command's context came to."""
    return step or context.find_root().invoked_subcommand or "textmill"


def _warning(message: Warning | str, category: type[Warning], filename: str, lineno: int, file: object = None,
             line: str | None = None) -> None:
    """A warning as a sentence, without the line of code that it came from."""
    print(message, file=sys.stderr, flush=True)


def fail(name: str, message: str, status: int = 1, at_once: bool = False) -> NoReturn:
    """Print the message, each line after the name, and exit; `at_once` where threads would keep the process alive."""
    for line in message.splitlines():
        print(f"{name}: {line}", file=sys.stderr, flush=True)
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
        close = difflib.get_close_matches(error.option_name, error.possibilities or (), n=1)
        near = f"; did you mean {close[0]}?" if close else ""
        message = f"there is no option {error.option_name}{near}"
    cure = "" if message.endswith("?") else f"; `{where} --help` lists what there is"
    return f"{where.removeprefix('textmill ')}: {message[:1].lower()}{message[1:]}{cure}"
