"""Keccak-256 as Ethereum and Monero use it: before NIST changed the padding, so `hashlib.sha3_256` is another function."""

from collections.abc import Sequence

import numpy as np

_RATE = 136                   # bytes; messages here are shorter, so there is one block
_ROTATIONS = ((0, 36, 3, 41, 18), (1, 44, 10, 45, 2), (62, 6, 43, 15, 61), (28, 55, 25, 21, 56), (27, 20, 39, 8, 14))


def _round_constants() -> list[np.uint64]:
    """The 24 constants of the Keccak reference, section 1.2, from its shift register."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            if register & 1:
                constant |= 1 << (1 << power) - 1
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
        constants.append(np.uint64(constant))
    return constants


_CONSTANTS = _round_constants()


def keccak_256(messages: Sequence[bytes]) -> list[bytes]:
    """The digest of each message, all of them at once. A message has at most 135 bytes."""
    blocks = b"".join(bytearray(m + b"\1" + bytes(_RATE - 1 - len(m))) for m in messages)
    padded = np.frombuffer(blocks, np.uint8).reshape(len(messages), _RATE).copy()
    padded[:, -1] |= 0x80
    lanes = padded.view("<u8").astype(np.uint64).T
    lanes = np.concatenate((lanes, np.zeros((25 - len(lanes), len(messages)), np.uint64)))
    state = [[lanes[x + 5 * y] for y in range(5)] for x in range(5)]
    for constant in _CONSTANTS:
        state = _round(state, constant)
    digest = np.stack([state[x][0] for x in range(4)], axis=1).astype("<u8")
    return [row.tobytes() for row in digest]


def _round(a: list[list[np.ndarray]], constant: np.uint64) -> list[list[np.ndarray]]:
    parity = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
    mixed = [parity[(x - 1) % 5] ^ _rotated(parity[(x + 1) % 5], 1) for x in range(5)]
    b: list[list[np.ndarray]] = [[a[0][0]] * 5 for _ in range(5)]
    for x in range(5):
        for y in range(5):
            b[y][(2 * x + 3 * y) % 5] = _rotated(a[x][y] ^ mixed[x], _ROTATIONS[x][y])
    out = [[b[x][y] ^ (~b[(x + 1) % 5][y] & b[(x + 2) % 5][y]) for y in range(5)] for x in range(5)]
    out[0][0] = out[0][0] ^ constant
    return out


def _rotated(lane: np.ndarray, by: int) -> np.ndarray:
    return lane if by == 0 else (lane << np.uint64(by)) | (lane >> np.uint64(64 - by))
