"""A run of the fuzzer on one parser: in a process of its own, so that a hang, a crash or hunger for memory is a finding.

Input `n` of a parser under a seed is the same everywhere and needs no input before it.
"""

import mmap
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.fuzz.mutate import mutated
from tests.fuzz.target import Target

MEMORY = 1 << 30        # bytes that an input of 64 KiB may add to the process


class HangError(BaseException):
    """Raised in a parser that has used up its seconds; no Exception, which parsers may catch."""


class Finding(NamedTuple):
    """An input that a parser did not survive."""

    parser: str
    number: int
    fault: str          # the exception and where it was raised, or how the process ended
    data: bytes


def input_of(name: str, target: Target, seeds: list[bytes], seed: int, number: int) -> bytes:
    """Input `number` of a parser."""
    return mutated(Random(f"{seed} {name} {number}"), target, seeds)


def fault_of(target: Target, data: bytes) -> str | None:
    """What went wrong with an input; None where nothing did. Runs in the main thread."""
    def hang(*_: object) -> None:
        raise HangError(f"more than {target.seconds:g} seconds of CPU")

    before = signal.signal(signal.SIGVTALRM, hang)
    signal.setitimer(signal.ITIMER_VIRTUAL, target.seconds)
    try:
        target.parse(data)
    except target.allowed:
        return None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else "?"
        return f"{type(error).__name__} at {where}: {' '.join(str(error).split())[:200]}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return None


def campaign(name: str, target: Target, seed: int, numbers: range, until: float, report: Callable[[Finding], None]) -> int:
    """The inputs of these numbers, until a time of `time.monotonic`; how many were tried."""
    seeds, shown = target.seeds(), mmap.mmap(-1, 8)
    number = numbers.start
    while number < numbers.stop and time.monotonic() < until:
        child = os.fork()
        if not child:
            _child(name, target, seeds, seed, range(number, numbers.stop), until, shown)
        _, status = os.waitpid(child, 0)
        reached = int.from_bytes(shown[:8], "little")
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return reached - numbers.start
        data = input_of(name, target, seeds, seed, reached)
        ended = f"ended by {signal.Signals(-code).name}" if code < 0 else _said(target, data)
        report(Finding(name, reached, ended, data))
        number = reached + 1
    return number - numbers.start


def _child(name: str, target: Target, seeds: list[bytes], seed: int, numbers: range, until: float, shown: mmap.mmap) -> None:
    """Try inputs and leave: status 0 at the end, 1 at a finding. `shown` has the number of the input that is tried."""
    _bound_memory()
    code = 0
    for number in _in_time(numbers, until):
        shown[:8] = number.to_bytes(8, "little")
        signal.setitimer(signal.ITIMER_PROF, 3 * target.seconds)        # its default action ends C code too
        if fault_of(target, input_of(name, target, seeds, seed, number)):
            code = 1
            break
        shown[:8] = (number + 1).to_bytes(8, "little")
    os._exit(code)


def _in_time(numbers: range, until: float) -> Iterator[int]:
    for number in numbers:
        if time.monotonic() >= until:
            return
        yield number


def _said(target: Target, data: bytes) -> str:
    """The fault again, in a child that can hand it over."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _bound_memory()
        os.write(writing, (fault_of(target, data) or "not again: it depends on the inputs before it").encode("utf-8", "replace"))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        fault = said.read().decode("utf-8", "replace")
    os.waitpid(child, 0)
    return fault


def _bound_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, resource.RLIM_INFINITY))
