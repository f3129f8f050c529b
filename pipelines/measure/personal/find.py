"""Personal data in texts: which kind, and where.

Every kind is a cheap pattern and a validator: check digits, number plans, address registries or, where a number has
no proof of its own, a word beside it that says what it is. Patterns are linear: each starts at a character that is
found at C speed, looks at a bounded stretch around it, and no two of its parts can match the same character in two
ways. A text without candidates costs a few scans. Names and places need a model: see
`personal_model`, which is off unless settings name one.
"""

from collections.abc import Sequence

from textmill.pipelines.measure.personal.email import find_emails
from textmill.pipelines.measure.personal.iban import find_ibans
from textmill.pipelines.measure.personal.national_ids import find_lettered_ids, find_numbered_ids
from textmill.pipelines.measure.personal.network import find_ips, find_macs
from textmill.pipelines.measure.personal.numbers import Chain, find_cards, find_chains
from textmill.pipelines.measure.personal.obfuscated_email import find_written_emails
from textmill.pipelines.measure.personal.phone import find_phones, regions_of
from textmill.pipelines.measure.personal.presidio import NameFinder
from textmill.pipelines.measure.personal.scan import read_marks
from textmill.pipelines.measure.personal.secrets import find_secrets
from textmill.pipelines.measure.personal.wallets import find_wallets

# Where findings of the same length overlap, the kind named first gives its name to both.
KINDS = ("SECRET", "IBAN", "CREDIT_CARD", "CRYPTO", "EMAIL", "NATIONAL_ID", "IP", "MAC", "PHONE")

_ORDER = {kind: number for number, kind in enumerate(KINDS)}

Finding = tuple[str, int, int]


def find_personal_data(texts: Sequence[str], languages: Sequence[str], hosts: Sequence[str | None],
                       names: NameFinder | None = None) -> list[list[Finding]]:
    """Per text its findings (kind, from, to), sorted, none overlapping; offsets count characters (Python str indices).

    `languages` are codes such as "de" ("und" where unsure), `hosts` the names of the pages' hosts; both say whose
    phone numbers and national ids to expect. The three sequences are aligned. `names` adds what a model finds.
    """
    return [_find(text, language, host, names) for text, language, host in zip(texts, languages, hosts, strict=True)]


def without_overlaps(findings: Sequence[Finding]) -> list[Finding]:
    """Findings that overlap become one over all their characters, so that nothing found stays visible.

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
    regions = regions_of(language, host)
    marks = read_marks(text)
    chains: list[Chain] = find_chains(text, marks.numbers)
    found = {
        "SECRET": find_secrets(text, marks.tokens), "IBAN": find_ibans(text, marks), "CREDIT_CARD": find_cards(text, chains),
        "CRYPTO": find_wallets(text, marks.tokens),
        "EMAIL": find_emails(text) + find_written_emails(text, marks.brackets, language),
        "NATIONAL_ID": find_numbered_ids(text, chains, regions) + find_lettered_ids(text, marks, regions),
        "IP": find_ips(text), "MAC": find_macs(text), "PHONE": find_phones(text, chains, regions)}
    findings = [(kind, start, end) for kind, places in found.items() for start, end in places]
    findings += names.find(text, language) if names else []
    return without_overlaps(findings) if findings else findings
