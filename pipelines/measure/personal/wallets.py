"""Addresses of crypto wallets, each by the checksum that its coin defines.

Base58check (Bitcoin, Litecoin, Dogecoin, Dash, Tron, Zcash), bech32 (BIP 173 and 350: Bitcoin, Litecoin, Cardano),
EIP-55 (Ethereum, written in mixed case) and Monero's own.
"""

import hashlib
import re

from textmill.pipelines.measure.personal.keccak import keccak_256
from textmill.pipelines.measure.personal.scan import Stretch

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {character: value for value, character in enumerate(_BASE58)}
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9_+])(?:(?P<ether>0x[0-9A-Fa-f]{40}+)|(?P<bech32>(?:bc|tb|ltc|addr|BC|TB|LTC)1[02-9A-HJ-NP-Za-hj-np-z]{8,110}+)|"
    r"(?P<monero>[48][1-9A-HJ-NP-Za-km-z]{94}+)|(?P<base58>[13LMDAX9Tt][1-9A-HJ-NP-Za-km-z]{24,34}+))(?![0-9A-Za-z])")
# First bytes of an address: Bitcoin 0 and 5, Litecoin 48 and 50, Dogecoin 30 and 22, Dash 76 and 16, Tron 65; Zcash has two.
_FIRST = (0, 5, 48, 50, 30, 22, 76, 16, 65)
_ZCASH = (b"\x1c\xb8", b"\x1c\xbd")
# An Ethereum address in one case has no checksum; beside these words it is one all the same.
_CALLED = re.compile(r"\beth(?:er|ereum)?\b|wallet|address|donat|send|\bfrom\b|\bto\b|contract|account|адрес|кошел|"
                     "地址|钱包|アドレス", re.IGNORECASE)
_BLOCK = 11                   # characters of Monero's base58, for 8 bytes


def find_wallets(text: str, tokens: list[Stretch]) -> list[Stretch]:
    """Addresses whose checksum holds, within the long tokens of `Marks`."""
    places: list[Stretch] = []
    hashed: list[tuple[Stretch, str, bytes]] = []            # waiting for keccak, which is cheap for many at once
    for start, end in tokens:
        for address in _ADDRESS.finditer(text, max(0, start - 1), end):
            written = address.group()
            match address.lastgroup:
                case "ether":
                    if written[2:] in (written[2:].lower(), written[2:].upper()):
                        if len(set(written)) >= 8 and _CALLED.search(text, max(0, address.start() - 40), address.start()):
                            places.append(address.span())
                    else:
                        hashed.append((address.span(), written, written[2:].lower().encode()))
                case "monero":
                    if raw := _monero_bytes(written):
                        hashed.append((address.span(), written, raw[:-4]))
                case "base58":
                    if _is_base58check(written):
                        places.append(address.span())
                case _:
                    if _is_bech32(written):
                        places.append(address.span())
    if hashed:
        digests = keccak_256([message for _, _, message in hashed])
        places += [stretch for (stretch, written, _), digest in zip(hashed, digests, strict=True)
                   if (_is_eip55(written, digest) if written[1] == "x" else (_monero_bytes(written) or b"")[-4:] == digest[:4])]
    return places


def _is_base58check(address: str) -> bool:
    number = 0
    for character in address:
        number = number * 58 + _VALUES[character]
    if number >= 1 << 208:
        return False
    raw = number.to_bytes(26, "big")
    raw = raw if raw[:2] in _ZCASH else raw[1:] if raw[0] == 0 and raw[1] in _FIRST else b""
    return bool(raw) and hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


def _is_bech32(address: str) -> bool:
    if address not in (address.lower(), address.upper()):
        return False
    prefix, _, data = address.lower().rpartition("1")
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + [_BECH32.find(c) for c in data]
    if -1 in values:
        return False
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= term if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)


def _is_eip55(address: str, digest: bytes) -> bool:
    """EIP-55: a letter is a capital where the hex digit of the hash of the small letters is 8 or more."""
    return all(not c.isalpha() or c.isupper() == (half >= "8") for c, half in zip(address[2:], digest.hex(), strict=False))


def _monero_bytes(address: str) -> bytes | None:
    """The 69 bytes of a Monero address (network, two keys, checksum), or None where the letters make no bytes."""
    raw = b""
    for at in range(0, len(address), _BLOCK):
        block, number = address[at:at + _BLOCK], 0
        for character in block:
            number = number * 58 + _VALUES[character]
        size = 8 if len(block) == _BLOCK else 5            # 95 characters: eight whole blocks and one of seven
        if number >= 1 << 8 * size:
            return None
        raw += number.to_bytes(size, "big")
    return raw if raw[0] in (18, 19, 42) else None
