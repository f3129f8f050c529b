"""Personal data in texts: which kind, and where.

Every kind is a cheap pattern and a validator: check digits, number plans, address registries or, where a number has
no proof of its own, a word beside it that says what it is. Patterns are linear: each starts at a character that is
found at C speed, looks at a bounded stretch around it, and no two of its parts can match the same character in two
ways. A text without candidates costs a few scans. Names and street addresses need a model and are not found here.
"""

from bisect import bisect_left
from collections.abc import Sequence

from pipelines.measure.personal_email import find_emails
from pipelines.measure.personal_iban import find_ibans
from pipelines.measure.personal_ids import find_lettered_ids, find_numbered_ids
from pipelines.measure.personal_marks import read_marks
from pipelines.measure.personal_network import find_ips, find_macs
from pipelines.measure.personal_numbers import Chain, find_cards, find_chains
from pipelines.measure.personal_phone import find_phones, regions_of
from pipelines.measure.personal_secrets import find_secrets
from pipelines.measure.personal_wallets import find_wallets
from pipelines.measure.personal_written import find_written_emails

# Where two findings of the same length overlap, the kind named first stays.
KINDS = ("SECRET", "IBAN", "CREDIT_CARD", "CRYPTO", "EMAIL", "NATIONAL_ID", "IP", "MAC", "PHONE")

Finding = tuple[str, int, int]


def find_personal_data(texts: Sequence[str], languages: Sequence[str],
                       hosts: Sequence[str | None]) -> list[list[Finding]]:
    """Per text its findings (kind, from, to), sorted, none overlapping; offsets count characters (Python str indices).

    `languages` are codes such as "de" ("und" where unsure), `hosts` the names of the pages' hosts; both say whose
    phone numbers and national ids to expect. The three sequences are aligned.
    """
    return [_find(text, language, host) for text, language, host in zip(texts, languages, hosts, strict=True)]


def without_overlaps(findings: Sequence[Finding]) -> list[Finding]:
    """The longest finding stays, of equally long ones the kind that comes first in KINDS, then the one further left."""
    kept: list[tuple[int, int, str]] = []
    for kind, start, end in sorted(findings, key=lambda f: (f[1] - f[2], KINDS.index(f[0]), f[1])):
        at = bisect_left(kept, (start, end))
        if (at == 0 or kept[at - 1][1] <= start) and (at == len(kept) or end <= kept[at][0]):
            kept.insert(at, (start, end, kind))
    return [(kind, start, end) for start, end, kind in kept]


def _find(text: str, language: str, host: str | None) -> list[Finding]:
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
    return without_overlaps(findings) if findings else findings
