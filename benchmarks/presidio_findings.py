"""Presidio's pattern recognisers on texts, for benchmarks/personal_data.py: run by a Python that has presidio-analyzer.

Reads {"texts": [{"text": …, "language": …, "country": …}]} on standard input and prints [[kind, from, to], …] of each text, and
the CPU seconds it took. Every recogniser that needs no model runs, those of all countries; scores below 0.4 count as not found,
which is its score of a phone number, unless `--score` says another. Its e-mail recogniser refuses hosts under .example, the end
that invented hosts have; here it takes them.
"""

import argparse
import json
import sys
import time

from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    CryptoRecognizer,
    EmailRecognizer,
    EsNifRecognizer,
    FiPersonalIdentityCodeRecognizer,
    IbanRecognizer,
    InAadhaarRecognizer,
    IpRecognizer,
    ItFiscalCodeRecognizer,
    PhoneRecognizer,
    PlPeselRecognizer,
    UkNinoRecognizer,
    UsSsnRecognizer,
)

KINDS = {
    "CREDIT_CARD": "CREDIT_CARD",
    "CRYPTO": "CRYPTO",
    "EMAIL_ADDRESS": "EMAIL",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "PHONE_NUMBER": "PHONE",
    "MAC_ADDRESS": "MAC",
}
IDS = (
    UsSsnRecognizer,
    UkNinoRecognizer,
    EsNifRecognizer,
    ItFiscalCodeRecognizer,
    PlPeselRecognizer,
    FiPersonalIdentityCodeRecognizer,
    InAadhaarRecognizer,
)
REGIONS = (
    "US",
    "GB",
    "DE",
    "FR",
    "ES",
    "IT",
    "PT",
    "BR",
    "NL",
    "PL",
    "SE",
    "FI",
    "TR",
    "RU",
    "GR",
    "SA",
    "IL",
    "IN",
    "TH",
    "CN",
    "JP",
    "KR",
    "UA",
    "CZ",
    "RO",
    "HU",
    "VN",
    "ID",
    "DK",
    "BG",
    "BD",
    "AU",
    "MX",
    "AR",
    "CH",
    "AT",
    "BE",
    "TW",
)


class AnyHost(EmailRecognizer):
    """E-mail without the look at the list of public suffixes."""

    def validate_result(self, pattern_text: str) -> bool | None:
        return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--score", type=float, default=0.4)
    least = parser.parse_args().score
    recognisers = [
        CreditCardRecognizer(),
        CryptoRecognizer(),
        AnyHost(),
        IbanRecognizer(),
        IpRecognizer(),
        PhoneRecognizer(supported_regions=REGIONS),
        *(each() for each in IDS),
    ]
    if mac := _mac():
        recognisers.append(mac)
    found, start = [], time.process_time()
    for row in json.load(sys.stdin)["texts"]:
        results = [
            result
            for recogniser in recognisers
            for result in recogniser.analyze(row["text"], recogniser.supported_entities, None) or ()
        ]
        found.append(sorted({(KINDS.get(r.entity_type, "NATIONAL_ID"), r.start, r.end) for r in results if r.score >= least}))
    json.dump({"findings": found, "seconds": time.process_time() - start}, sys.stdout)
    return 0


def _mac() -> object | None:
    try:
        from presidio_analyzer.predefined_recognizers import MacAddressRecognizer
    except ImportError:
        return None
    return MacAddressRecognizer()


if __name__ == "__main__":
    sys.exit(main())
