"""Detection of personal data in texts: kinds and positions.

Every kind is a cheap pattern and a validator: check digits, number plans, address registries or, where a number has
no proof of its own, a word beside it that says what it is. Patterns are linear: each starts at a character that is
found at C speed, looks at a bounded stretch around it, and no two of its parts can match the same character in two
ways. A text without candidates costs a few scans. Names and places need a model: see
`presidio`, which is off unless settings name one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from textmill.pipelines.measure.personal.email import find_emails
from textmill.pipelines.measure.personal.folding import folded
from textmill.pipelines.measure.personal.iban import find_ibans
from textmill.pipelines.measure.personal.national_ids import find_lettered_ids, find_numbered_ids
from textmill.pipelines.measure.personal.network import find_ips, find_macs
from textmill.pipelines.measure.personal.numbers import Chain, find_cards, find_chains
from textmill.pipelines.measure.personal.obfuscated_email import find_written_emails
from textmill.pipelines.measure.personal.phone import find_phones
from textmill.pipelines.measure.personal.presidio import NameFinder
from textmill.pipelines.measure.personal.regions import regions_of
from textmill.pipelines.measure.personal.scan import Marks, read_marks
from textmill.pipelines.measure.personal.secrets import find_secrets
from textmill.pipelines.measure.personal.wallets import find_wallets

Finding = tuple[str, int, int]


class Scanned(NamedTuple):
    """A text prepared for detectors: its marks and chains of digits, scanned once, and the regions whose numbers to expect."""

    text: str
    language: str
    regions: tuple[str, ...]
    marks: Marks
    chains: list[Chain]


def scanned(text: str, language: str, host: str | None) -> Scanned:
    """The scans that all detectors share."""
    marks = read_marks(text)
    return Scanned(text, language, regions_of(language, host, text), marks, find_chains(text, marks.numbers))


# Kind → detector of its spans (from, to). A new kind is a module here and a line in this table.
# Where findings of the same length overlap, the kind named first gives its name to both.
DETECTORS: dict[str, Callable[[Scanned], list[tuple[int, int]]]] = {
    "SECRET": lambda seen: find_secrets(seen.text, seen.marks.tokens),
    "IBAN": lambda seen: find_ibans(seen.text, seen.marks),
    "CREDIT_CARD": lambda seen: find_cards(seen.text, seen.chains),
    "CRYPTO": lambda seen: find_wallets(seen.text, seen.marks.tokens),
    "EMAIL": lambda seen: find_emails(seen.text) + find_written_emails(seen.text, seen.marks.brackets, seen.language),
    "NATIONAL_ID": lambda seen: (find_numbered_ids(seen.text, seen.chains, seen.regions)
                                 + find_lettered_ids(seen.text, seen.marks, seen.regions)),
    "IP": lambda seen: find_ips(seen.text),
    "MAC": lambda seen: find_macs(seen.text),
    "PHONE": lambda seen: find_phones(seen.text, seen.chains, seen.regions),
}
KINDS = tuple(DETECTORS)

_ORDER = {kind: number for number, kind in enumerate(KINDS)}


def find_personal_data(texts: Sequence[str], languages: Sequence[str], hosts: Sequence[str | None],
                       names: NameFinder | None = None) -> list[list[Finding]]:
    """Per text its findings (kind, from, to), sorted, none overlapping; offsets count characters (Python str indices).

    `languages` are codes such as "de" ("und" where unsure), `hosts` the names of the pages' hosts; both say whose
    phone numbers and national ids to expect. The three sequences are aligned. `names` adds what a model finds.
    """
    return [_find(text, language, host, names) for text, language, host in zip(texts, languages, hosts, strict=True)]


def without_overlaps(findings: Sequence[Finding]) -> list[Finding]:
    """Findings that overlap become one over all their characters, so that nothing found remains visible.

    It has the kind of the longest, of equally long ones the kind that comes first in KINDS (a model's last), then of the one
    further left. Findings that only touch stay apart.
    """
    merged: list[Finding] = []
    best: tuple[int, int, int] = (0, 0, 0)
    for kind, start, end in sorted(findings, key=lambda f: (f[1], f[2], f[0])):
        rank = (start - end, _ORDER.get(kind, len(KINDS)), start)
        if merged and start < merged[-1][2]:
            known, first, last = merged[-1]
            merged[-1] = (kind if rank < best else known, first, max(last, end))
            best = min(best, rank)
        else:
            merged.append((kind, start, end))
            best = rank
    return merged


def _find(text: str, language: str, host: str | None, names: NameFinder | None) -> list[Finding]:
    findings = _detected(text, language, host)
    if plain := folded(text):
        findings += [(kind, plain.places[start], plain.places[end - 1] + 1)
                     for kind, start, end in _detected(plain.text, language, host)]
    findings += names.find(text, language) if names else []
    return without_overlaps(findings) if findings else findings


def _detected(text: str, language: str, host: str | None) -> list[Finding]:
    seen = scanned(text, language, host)
    return [(kind, start, end) for kind, detect in DETECTORS.items() for start, end in detect(seen)]
