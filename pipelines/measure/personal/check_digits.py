"""Check digits that `stdnum` has not, or that it decides by today's date: the same text must give the same findings.

`stdnum` reads the clock for Belgium, Denmark, Korea, Norway, South Africa and Sweden, to refuse births in the future.
Each function takes the number as written and says whether its own digits agree.
"""

import re


def luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B, over decimal digits only."""
    digits = [int(c) for c in reversed(number)]
    return (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0


def us_ssn(written: str) -> bool:
    """Areas, groups and serials that are never given out (SSA, POMS RM 10201.035); there is no check digit."""
    digits = _digits(written)
    return digits[:3] not in ("000", "666") and digits[:3] < "900" and digits[3:5] != "00" and digits[5:] != "0000"


def gb_nino(written: str) -> bool:
    """Letters that HMRC gives out (NIM39110); there is no check digit."""
    return bool(re.fullmatch(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ \dA-D]+", written))


def be_national_number(written: str) -> bool:
    """97 less the remainder of the first nine digits, with a 2 before them for births from 2000 on."""
    digits = _digits(written)
    return _is_day(digits[4:6]) and any(97 - int(century + digits[:9]) % 97 == int(digits[9:]) for century in ("", "2"))


def dk_cpr(written: str) -> bool:
    """A date; the check digit was given up in 2007."""
    digits = _digits(written)
    return _is_day(digits[:2]) and _is_month(digits[2:4])


def kr_rrn(written: str) -> bool:
    """A date and a weighted sum modulo 11."""
    digits = _digits(written)
    total = sum(int(d) * w for d, w in zip(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), strict=False))
    return _is_month(digits[2:4]) and _is_day(digits[4:6]) and (11 - total % 11) % 10 == int(digits[12])


def no_fodselsnummer(written: str) -> bool:
    """A date (40 more in the day or the month for D and H numbers) and two weighted sums modulo 11."""
    digits = [int(d) for d in _digits(written)]
    first = sum(d * w for d, w in zip(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1), strict=False)) % 11
    second = sum(d * w for d, w in zip(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1), strict=False)) % 11
    day, month = digits[0] * 10 + digits[1], digits[2] * 10 + digits[3]
    return first == second == 0 and 1 <= day % 40 <= 31 and 1 <= month % 40 <= 12


def ru_snils(written: str) -> bool:
    """The weighted sum of nine digits, modulo 101 and then 100."""
    digits = _digits(written)
    return sum(int(d) * w for d, w in zip(digits, range(9, 0, -1), strict=False)) % 101 % 100 == int(digits[9:])


def se_personnummer(written: str) -> bool:
    """A date (60 more in the day for a coordination number) and Luhn over the last ten digits."""
    digits = _digits(written)[-10:]
    return _is_month(digits[2:4]) and 1 <= int(digits[4:6]) % 60 <= 31 and luhn(digits)


def za_idnr(written: str) -> bool:
    """A date and Luhn."""
    digits = _digits(written)
    return _is_month(digits[2:4]) and _is_day(digits[4:6]) and luhn(digits)


def kz_iin(written: str) -> bool:
    """A date and a weighted sum modulo 11; where that is 10, another."""
    digits = [int(d) for d in _digits(written)]
    check = sum(d * w for d, w in zip(digits, range(1, 12), strict=False)) % 11
    if check == 10:
        check = sum(d * w for d, w in zip(digits, (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2), strict=False)) % 11
    return _is_month(written[2:4]) and _is_day(written[4:6]) and check == digits[11]


def ir_melli(written: str) -> bool:
    """Ten digits, not all the same, and a weighted sum modulo 11."""
    digits = [int(d) for d in _digits(written)]
    rest = sum(d * w for d, w in zip(digits, range(10, 1, -1), strict=False)) % 11
    return len(set(digits)) > 1 and digits[9] == (rest if rest < 2 else 11 - rest)


def luhn_holds(written: str) -> bool:
    """Luhn over the digits, whatever stands between them (Saudi Arabia, United Arab Emirates)."""
    return luhn(_digits(written))


def eg_id(written: str) -> bool:
    """Century, date, and a governorate from 01 to 35 or 88; the last digit's rule is not published."""
    digits = _digits(written)
    return _is_month(digits[3:5]) and _is_day(digits[5:7]) and (1 <= int(digits[7:9]) <= 35 or digits[7:9] == "88")


def sg_nric(written: str) -> bool:
    """Seven weighted digits and the letter that their sum modulo 11 gives, by the first letter."""
    total = sum(int(d) * w for d, w in zip(written[1:8], (2, 7, 6, 5, 4, 3, 2), strict=True)) + (4 if written[0] in "TG" else 0)
    return written[8] == ("JZIHGFEDCBA" if written[0] in "ST" else "XWUTRQPNMLK")[total % 11]


def tw_id(written: str) -> bool:
    """The letter as a number of two digits, then the digits, weighted, a multiple of 10."""
    letter = 10 + "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(written[0])
    weighted = sum(int(d) * w for d, w in zip(written[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True))
    return (letter // 10 + letter % 10 * 9 + weighted) % 10 == 0


def _digits(written: str) -> str:
    return "".join(str(int(c)) for c in written if c.isdecimal())


def _is_month(two: str) -> bool:
    return 1 <= int(two) <= 12


def _is_day(two: str) -> bool:
    return 1 <= int(two) <= 31
