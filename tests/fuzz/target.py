"""A parser under fuzzing: its seeds, how it is called, and the errors it may answer with."""

from collections.abc import Callable
from typing import NamedTuple

from textmill.base.errors import TextmillError


class Target(NamedTuple):
    """`parse` takes any bytes; an exception other than those of `allowed`, a hang or a crash is a finding.

    `wrap` is how the seeds are stored (compression): half of the inputs are changed before it, half after it.
    `words` are what the format is made of, put in and exchanged beside the values that are bad for any parser.
    """

    seeds: Callable[[], list[bytes]]
    parse: Callable[[bytes], object]
    allowed: tuple[type[BaseException], ...] = (TextmillError,)
    words: tuple[bytes, ...] = ()
    wrap: Callable[[bytes], bytes] | None = None
    seconds: float = 2.0        # of CPU for one input
