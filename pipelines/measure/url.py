"""URL spam signals: machine-generated hosts and names made of keywords. [D] float64, NaN without a URL.

Host names of spam are long, with many dots, hyphens and digits, because they are generated (Fetterly et al. 2004, "Spam,
damn spam, and statistics": hosts of at least 45 characters, 6 dots, 5 hyphens or 10 digits are mostly spam).
Internationalised labels are counted as they are read, not in Punycode.
"""

from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa

from textmill.pipelines.measure.phrases import Phrases
from textmill.pipelines.text.words import read_words, sums


def host_length(documents: pa.RecordBatch) -> np.ndarray:
    """Characters of the host. Fetterly: at most 44."""
    return _of_hosts(documents, len)


def host_dots(documents: pa.RecordBatch) -> np.ndarray:
    """Dots in the host. Fetterly: at most 5."""
    return _of_hosts(documents, lambda host: host.count("."))


def host_hyphens(documents: pa.RecordBatch) -> np.ndarray:
    """Hyphens in the host. Fetterly: at most 4."""
    return _of_hosts(documents, lambda host: host.count("-"))


def host_digits(documents: pa.RecordBatch) -> np.ndarray:
    """Digits in the host, of an IP address none. Fetterly: at most 9."""
    return _of_hosts(documents, lambda host: 0 if host.replace(".", "").isdigit() or ":" in host
                     else sum(character.isdigit() for character in host))


def url_spam_phrases(documents: pa.RecordBatch, phrases: Phrases) -> np.ndarray:
    """Words of host and path that are part of a phrase of spam: `/cheap-viagra-online` has three."""
    urls = documents["url"].to_pylist()
    words = read_words([_spoken(url) for url in urls])
    found = sums(phrases.covered(words)["spam"], words.word_offsets)
    return np.where([url is None for url in urls], np.nan, found.astype(np.float64))


def _spoken(url: str | None) -> str:
    """Host and path with their escapes undone. Bytes that are no text become U+FFFD, as Arrow strings hold no surrogates."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return ""
    return f"{parts.netloc.rpartition('@')[2]} {unquote(parts.path, errors='replace').replace('_', ' ')}"


def _of_hosts(documents: pa.RecordBatch, number: Callable[[str], int]) -> np.ndarray:
    """`number` of each host, computed once for each that is there."""
    hosts = documents["host"].dictionary_encode()
    numbers = np.array([number(_as_read(host)) for host in hosts.dictionary.to_pylist()] or [0], np.float64)
    indices = hosts.indices.fill_null(0).to_numpy()
    return np.where(hosts.indices.is_null().to_numpy(zero_copy_only=False), np.nan, numbers[indices])


def _as_read(host: str) -> str:
    """A host with its Punycode labels in their own script."""
    def label(given: str) -> str:
        try:
            return given[4:].encode().decode("punycode") if given.startswith("xn--") else given
        except UnicodeError:
            return given

    return ".".join(map(label, host.split(".")))
