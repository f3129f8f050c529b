"""Mutators of bytes: blind ones, and ones that know numbers, lines and the words of a format. All chance is the caller's."""

import re
from random import Random

from tests.fuzz.target import Target

LONGEST = 1 << 16       # bytes of an input: what is quadratic takes seconds from here on
NUMBERS = (*(str(value).encode() for value in (0, -1, 1, 127, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64,
                                               -2**63 - 1, 10**400)),
           b"1e308", b"1e-400", b"1e999", b"-0", b"NaN", b"Infinity", b"0x10", b"0o17", b"1_000", b"00", b"0x" + b"f" * 5000,
           "١٢".encode())
MAGIC = (
    b"\0", b"\0" * 64, b"\xff", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe2\x80\xa8",
    b"\\ud800", b"\\u0000", "e\u0301".encode(), ("\u0301" * 64).encode(), "\u202e".encode(), "ß".encode(), "İ".encode(),
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\r" * 100, b"\t", b" " * 100, b"\x1a", b"\x7f", b"%00", b"%ff", b"%", b"&#0;", b"&#55296;",
    b'"', b"'", b"\\", b"`", b"$", b"{", b"}", b"[", b"]", b"[" * 200, b'{"a":' * 200, b"<", b">", b"<!--", b"-->", b"<" * 200,
    b":", b";", b",", b"/", b"//", b"../", b"?", b"#", b"&", b"*", b"!", b"!!python/object:os.system", b"<<: *a", b"---", b"? {a: b}",
    b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\xff" * 8, b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd",
    b"PAR1", b"WARC/1.0\r\n")
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_TOKEN = re.compile(rb"\w+|\s+|[^\w\s]")


def mutated(random: Random, target: Target, seeds: list[bytes]) -> bytes:
    """One input: a seed after one to six changes."""
    data = random.choice(seeds)
    before = target.wrap is not None and random.random() < 0.5
    if target.wrap and not before:
        data = target.wrap(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        data = random.choice(CHANGES)(random, data, seeds, target.words)[:LONGEST]
    return target.wrap(data) if target.wrap and before else data


def _flip(random: Random, data: bytes, seeds: list[bytes], words: tuple[bytes, ...]) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8)) if changed else 0):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _truncate(random: Random, data: bytes, seeds: list[bytes], words: tuple[bytes, ...]) -> bytes:
    place = random.randint(0, len(data))
    return data[:place] if random.random() < 0.7 else data[place:]


def _delete(random: Random, data: bytes, seeds: list[bytes], words: tuple[bytes, ...]) -> bytes:
    start, end = _stretch(random, data)
    return data[:start] + data[end:]


def _duplicate(random: Random, data: bytes, seeds: list[bytes], words: tuple[bytes, ...]) -> bytes:
    """A stretch repeated: once, some times, or until the input is as long as it may be."""
    start, end = _stretch(random, data)
    times = random.choice((1, 1, 3, 40, LONGEST // max(end - start, 1)))
    return data[:end] + data[start:end] * times + data[end:]


def _splice(random: Random, data: bytes, seeds: list[bytes], words: tuple[bytes, ...]) -> bytes:
    other = random.choice(seeds)
    start, end = _stretch(random, other)
    place = random.randint(0, len(data))
    return data[:place] + other[start:end] + data[place + random.choice((0, end - start)):]


def _insert(random: Random, data: bytes, seeds: list[bytes], words: tuple[bytes, ...]) -> bytes:
    value = random.choice(random.choice((MAGIC, NUMBERS, words or MAGIC)))
    start, end = _stretch(random, data)
    times = random.choice((1, 1, 1, 1, 20, LONGEST // len(value)))
    return data[:start] + value * times + data[random.choice((start, end)):]


def _number(random: Random, data: bytes, seeds: list[bytes], words: tuple[bytes, ...]) -> bytes:
    """Another number in the place of one: a length, an offset, a setting."""
    found = list(_NUMBER.finditer(data[:1 << 14]))
    if not found:
        return _insert(random, data, seeds, words)
    number = random.choice(found)
    return data[:number.start()] + random.choice(NUMBERS) + data[number.end():]


def _tokens(random: Random, data: bytes, seeds: list[bytes], words: tuple[bytes, ...]) -> bytes:
    """Words, spaces and marks dropped, repeated, exchanged, or replaced by one of the format."""
    tokens = _TOKEN.findall(data[:1 << 14])
    if not tokens:
        return _insert(random, data, seeds, words)
    one, other = random.randrange(len(tokens)), random.randrange(len(tokens))
    match random.randrange(4):
        case 0:
            del tokens[one]
        case 1:
            tokens.insert(one, tokens[other])
        case 2:
            tokens[one], tokens[other] = tokens[other], tokens[one]
        case _:
            tokens[one] = random.choice(words or MAGIC)
    return b"".join(tokens) + data[1 << 14:]


def _lines(random: Random, data: bytes, seeds: list[bytes], words: tuple[bytes, ...]) -> bytes:
    lines = data.splitlines(keepends=True)
    if len(lines) < 2:
        return _duplicate(random, data, seeds, words)
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(3):
        case 0:
            del lines[one]
        case 1:
            lines.insert(one, lines[other])
        case _:
            lines[one] = b"".join([lines[one].strip(b"\r\n"), random.choice((b"\r", b"\n", b"\r\r\n", b" \n", b""))])
    return b"".join(lines)


CHANGES = (_flip, _flip, _truncate, _delete, _duplicate, _splice, _insert, _insert, _number, _tokens, _tokens, _lines)


def _stretch(random: Random, data: bytes) -> tuple[int, int]:
    """Some bytes, mostly few."""
    start = random.randint(0, len(data))
    return start, min(len(data), start + random.choice((1, 2, 4, 16, 64, 256, 1024)))
