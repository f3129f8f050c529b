"""Bank accounts (IBAN), by the length that their country has and remainder 1 (ISO 13616)."""

from textmill.pipelines.measure.personal.scan import Marks, Stretch

# Country -> characters of its IBAN: SWIFT IBAN registry, release 99; and Iran, which is not in it.
_LENGTHS = {
    country: length for length, countries in (
        (15, "NO"), (16, "BE"), (18, "DK FK FI FO GL NL SD"), (19, "MK SI"), (20, "AT BA EE KZ LT LU MN XK"),
        (21, "CH HR LI LV"), (22, "BG BH CR DE GB GE IE ME RS VA"), (23, "AE GI IL IQ OM SO TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG DZ"), (25, "LY PT ST"), (26, "IR IS TR"), (27, "BI DJ FR GR IT MC MR SM"),
        (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"), (29, "BR EG PS QA UA"), (30, "JO KW MU YE"), (31, "MT SC"),
        (32, "LC"), (33, "RU"))
    for country in countries.split()}
_SEPARATORS = (" ", "\u00a0", "\u202f", "-", ".")


def find_ibans(text: str, marks: Marks) -> list[Stretch]:
    """IBANs, printed in groups or not, in capitals or small letters."""
    places: list[Stretch] = []
    for digits in marks.behind_letters:
        start = digits - 2
        length = _LENGTHS.get(text[start:digits].upper()) if start >= 0 else None
        if length is None or not text[digits + 1:digits + 2].isdecimal() or (start and _is_letter(text[start - 1])):
            continue
        number, end = "", start
        while end < len(text) and len(number) < length:
            if _is_letter(text[end]):
                number += text[end]
            elif not (text[end] in _SEPARATORS and text[end - 1] not in _SEPARATORS):
                break
            end += 1
        if len(number) == length and not _is_letter(text[end:end + 1]) and _remainder(number) == 1:
            places.append((start, end))
    return places


def _is_letter(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _remainder(number: str) -> int:
    moved = number[4:] + number[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97
