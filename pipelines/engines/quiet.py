"""Beam without its log: it warns of cloud libraries that are not installed, and logs every worker's start and stop."""

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Beam's workers log every start and stop at INFO to the root logger's handlers; that is not for our users."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)
