"""Number plans of countries, by `phonenumbers`: whether a number exists there, and is written as the plan prints it."""

import re

import phonenumbers

# Where people write a mobile number in one block, and the digit that it begins with.
_ONE_BLOCK = {"CN": "1", "RU": "8"} | dict.fromkeys(
    ("KR", "ID", "IR", "SA", "EG", "PK", "TR", "VN", "IQ", "JO", "AE", "BD", "NG"), "0")


def is_international(written: str, strictly: bool = False) -> bool:
    """A number with "+": a valid one, or where that is not asked for and it has separators, one of a possible length."""
    number = _parsed(written, None)
    if number is None or phonenumbers.is_valid_number(number):
        return number is not None
    return not strictly and not written[1:].isdecimal() and phonenumbers.is_possible_number(number)


def is_possible(written: str, region: str | None) -> bool:
    """As long as numbers of the region are."""
    number = _parsed(written, region)
    return number is not None and phonenumbers.is_possible_number(number)


def is_valid(written: str, regions: tuple[str, ...]) -> bool:
    """One that a plan of these regions has."""
    return any((number := _parsed(written, region)) is not None and phonenumbers.is_valid_number(number) for region in regions)


def is_mobile(written: str, region: str) -> bool:
    """A mobile number in one block, where that is usual, with its trunk prefix."""
    if written[0] != _ONE_BLOCK.get(region):
        return False
    number = _parsed(written, region)
    return number is not None and phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE and (
        phonenumbers.is_valid_number_for_region(number, region))


def is_printed(written: str, region: str) -> bool:
    """In three blocks or more, as the region's own plan prints the number; blocks of three throughout may be a sum.

    A trunk 0 may stand apart from its block: "0 532 123 45 67"."""
    written = re.sub(r"^0[ -](?=\d)", "0", written)
    sizes = [len(block) for block in re.findall(r"\d+", written)]
    if len(sizes) < 3 or set(sizes[1:]) == {3} or len(set(re.findall(r"\D+", written))) > 1:
        return False
    number = _parsed(written, region)
    return number is not None and sizes == [len(block) for block in re.findall(r"\d+", _national(number))] and (
        phonenumbers.is_valid_number_for_region(number, region))


def is_printed_exactly(written: str, region: str) -> bool:
    """As the region's plan prints it, brackets and all; hyphens, dots and spaces are the same."""
    if "(" not in written:
        return False
    number = _parsed(written, region)
    return number is not None and phonenumbers.is_valid_number_for_region(number, region) and (
        re.sub(r"[-. ]+", " ", written) == re.sub(r"[-. ]+", " ", _national(number)))


def has_groups(written: str, region: str) -> bool:
    """Valid there, in groups of three or as the plan prints it, and without a sign between the blocks but the one."""
    number = _parsed(written, region)
    if len(set(re.findall(r"\D+", written))) > 1 or number is None:
        return False
    if not phonenumbers.is_valid_number_for_region(number, region):
        return False
    sizes = [len(block) for block in re.findall(r"\d+", written)]
    return set(sizes) == {3} or sizes == [len(block) for block in re.findall(r"\d+", _national(number))]


def _parsed(written: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None


def _national(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
