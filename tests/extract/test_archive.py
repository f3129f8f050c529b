"""Framing: every record once, whatever the ranges; damage of each kind gives a row with its place, and the walk goes on."""

import gzip
import io
import itertools
import random
import zlib

import brotli
import pytest
import zstandard

from tests.pages import payload
from textmill.pipelines.extract.files.archive import read_records
from textmill.pipelines.extract.files.framing import Limits
from textmill.pipelines.extract.files.records import Headers, Response, http_response, record_head
from textmill.pipelines.extract.refusal import Refusal

LIMITS = Limits(1 << 20, 500)


def record(number: int, body: bytes = b"", kind: str = "response", length: int | None = None, newline: bytes = b"\r\n") -> bytes:
    body = body or f"page {number}: ".encode() + bytes(random.Random(number).choices(b"abcdefgh \n", k=900))
    head = [b"WARC/1.0", f"WARC-Type: {kind}".encode(), f"WARC-Target-URI: http://site.example/{number}".encode()]
    if length != -1:
        head.append(b"Content-Length: %d" % (len(body) if length is None else length))
    return newline.join([*head, b"", b""]) + body + b"\r\n\r\n"


def walk(data: bytes, cuts: tuple[int, ...] = (), limits: Limits = LIMITS):
    """Rows as (offset, length, last part of the URL, rule), and the Ends of every range."""
    rows, ends = [], []
    edges = [0, *cuts, len(data)]
    for start, end in itertools.pairwise(edges):
        for framed in read_records(io.BytesIO(data), "f", start, end, limits, ends):
            url = record_head(framed.head).url if framed.head else None
            rows.append((framed.offset, framed.length, url and url.rpartition("/")[2], framed.rule))
    return rows, ends


def members(*parts: bytes) -> tuple[bytes, list[int]]:
    offsets, data = [], b""
    for part in parts:
        offsets.append(len(data))
        data += part
    return data, offsets


def sound(count: int = 6) -> tuple[bytes, list[int], list]:
    parts = [gzip.compress(record(n), mtime=0) for n in range(count)]
    data, offsets = members(*parts)
    return data, offsets, [(at, len(part), str(n), None) for n, (at, part) in enumerate(zip(offsets, parts, strict=True))]


def test_every_record_once_for_any_ranges_and_neighbours_meet():
    data, offsets, expected = sound()
    for seed in range(40):
        cuts = tuple(sorted(random.Random(seed).sample(range(1, len(data)), 5)))
        rows, ends = walk(data, cuts)
        assert rows == expected
        assert all(one.stop == two.first for one, two in itertools.pairwise(ends))
    assert walk(data, tuple(offsets[1:]))[0] == expected


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bytes_cost_their_member_and_no_other(seed):
    data, offsets, expected = sound()
    hit = offsets[2] + 40 + random.Random(seed).randrange(300)
    broken = bytearray(data)
    broken[hit] ^= 0x55
    rows, ends = walk(bytes(broken), tuple(sorted(random.Random(seed).sample(range(1, len(data)), 4))))
    assert [row for row in rows if row[3] is None] == expected[:2] + expected[3:]
    assert [(row[0], row[1], row[3]) for row in rows if row[3]] == [(offsets[2], offsets[3] - offsets[2], "damaged")]
    assert all(one.stop == two.first for one, two in itertools.pairwise(ends))


def test_a_wrong_checksum_is_damage_and_the_record_is_named():
    parts = [gzip.compress(record(n), mtime=0) for n in range(3)]
    parts[1] = parts[1][:-8] + b"\0\0\0\0" + parts[1][-4:]
    data, offsets = members(*parts)
    assert walk(data)[0] == [(0, len(parts[0]), "0", None), (offsets[1], len(parts[1]), "1", "damaged"),
                             (offsets[2], len(parts[2]), "2", None)]


def test_noise_a_plain_record_padding_and_empty_members_between_members():
    noise = bytes(random.Random(5).choices(range(1, 256), k=500)).replace(b"\x1f", b"x")
    plain, empty = record(1), gzip.compress(b"", mtime=0)
    first, last = gzip.compress(record(0), mtime=0), gzip.compress(record(2), mtime=0)
    data, at = members(first, noise, empty, plain, last, bytes(30), empty)
    rows, _ = walk(data)
    assert rows == [(0, len(first), "0", None), (at[1], at[3] - at[1], None, "damaged"), (at[3], len(plain) - 4, "1", None),
                    (at[4], len(last), "2", None)]


def test_a_truncated_last_member_is_a_row():
    data, offsets, expected = sound(3)
    assert walk(data[:-50])[0] == [*expected[:2], (offsets[2], len(data) - 50 - offsets[2], "2", "truncated")]


@pytest.mark.parametrize("wrong", [700, 1500, -1])
def test_a_wrong_or_missing_length_is_mended_by_the_member(wrong):
    body = b"<p>" + b"words of a page " * 60
    data = gzip.compress(record(0), mtime=0) + gzip.compress(record(1, body, length=wrong), mtime=0) + gzip.compress(record(2), mtime=0)
    framed = list(read_records(io.BytesIO(data), "f", 0, len(data), LIMITS, []))
    assert [one.rule for one in framed] == [None] * 3
    assert framed[1].block == body


@pytest.mark.parametrize("store", ["plain", "one member", "zstd", "zstd frames"])
def test_streams_of_many_records(store):
    records = [record(n) for n in range(5)]
    whole = b"".join(records)
    starts = [sum(map(len, records[:n])) for n in range(5)]
    data = {"plain": whole, "one member": gzip.compress(whole, mtime=0), "zstd": zstandard.compress(whole),
            "zstd frames": b"".join(map(zstandard.compress, records))}[store]
    rows, _ = walk(data)
    assert rows == [(starts[n], len(records[n]) - 4 if store == "plain" else None, str(n), None) for n in range(5)]
    cut, _ = walk(data[:-60])
    if store == "one member":                   # zlib gave the last record whole, but nothing proves it
        assert cut[-1][2:] == ("4", "truncated")
    else:
        assert cut[-1][3] == "truncated"
    if store != "zstd":                         # a single frame is one block here and gives nothing before its end
        assert [row[2] for row in cut if row[3] is None] == ["0", "1", "2", "3"]


def test_a_plain_file_with_a_wrong_length_goes_on_at_the_next_record():
    data = record(0) + record(1, b"short " * 50, length=100) + record(2, b"long " * 50, length=9000) + record(3)
    rows, _ = walk(data)
    assert [row[2:] for row in rows] == [("0", None), ("1", None), ("2", None), ("3", None)]


def test_large_records_and_bombs_are_passed_over():
    big = gzip.compress(record(1, random.Random(1).randbytes(3 << 20)), mtime=0)
    bomb = gzip.compress(record(2, bytes(64 << 20)), mtime=0)
    data, at = members(gzip.compress(record(0), mtime=0), big, bomb, gzip.compress(record(3), mtime=0))
    rows, _ = walk(data)
    assert [row[2:] for row in rows] == [("0", None), ("1", "too_large"), ("2", "bomb"), ("3", None)]
    assert rows[2][:2] == (at[2], len(bomb))


@pytest.mark.parametrize("pack", [bytes, zstandard.compress])
def test_a_zstd_file_may_begin_with_its_dictionary(pack):
    dictionary = zstandard.train_dictionary(4000, [record(n) for n in range(200)])
    compressor = zstandard.ZstdCompressor(dict_data=dictionary)
    frames = [compressor.compress(record(n)) for n in range(3)]
    stored = pack(dictionary.as_bytes())
    head = b"\x5d\x2a\x4d\x18" + len(stored).to_bytes(4, "little") + stored
    assert [row[2:] for row in walk(head + b"".join(frames))[0]] == [("0", None), ("1", None), ("2", None)]
    details = [read.detail for data in (b"".join(frames), head[:300], head[:8] + b"junk" * (len(stored) // 4 + 1))
               for read in read_records(io.BytesIO(data), "f", 0, len(data), LIMITS, []) if read.rule == "damaged"]
    assert [detail.partition(";")[0] for detail in details[:2]] == [
        "zstd: zstd decompressor error: Dictionary mismatch", "zstd: the file ends inside its dictionary"]
    assert details[0].endswith(f"; {len(b''.join(frames))} stored bytes from 0 on were skipped") and len(details) == 3


def test_a_zstd_frame_that_swells_is_a_bomb_and_the_record_before_it_is_not():
    data = zstandard.compress(record(0)) + zstandard.compress(record(1, bytes(100 << 20)))
    assert [row[2:] for row in walk(data)[0]] == [("0", None), ("1", "bomb")]


def test_random_bytes_and_an_empty_file():
    assert walk(b"")[0] == []
    assert walk(b"no archive at all")[0] == [(0, 17, None, "damaged")]


def body(headers: list[tuple[str, str]], stored: bytes, most: int = 1 << 20):
    return payload(Response(200, Headers(tuple(headers)), stored), most)


PAGE = b"<html>" + b"a page with some words in it. " * 200


def raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


PACK = {"gzip": gzip.compress, "deflate": zlib.compress, "raw deflate": raw_deflate, "br": brotli.compress,
        "zstd": zstandard.compress, "gzip, br": lambda data: brotli.compress(gzip.compress(data)), "identity": bytes}


@pytest.mark.parametrize("coding", PACK)
def test_content_codings_are_undone(coding):
    assert body([("Content-Encoding", coding.removeprefix("raw "))], PACK[coding](PAGE)) == PAGE


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate"])
def test_a_false_label_of_a_coding_is_ignored(coding):
    assert body([("Content-Encoding", coding)], PAGE) == PAGE


@pytest.mark.parametrize(("coding", "lost"), [("gzip", 20), ("br", 4), ("deflate", 20), ("zstd", 4)])
def test_a_coding_that_breaks_off_is_refused(coding, lost):
    assert body([("Content-Encoding", coding)], PACK[coding](PAGE)[:-lost]).rule == "truncated"


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd"])
def test_a_body_that_inflates_beyond_the_limit_is_a_bomb(coding):
    assert body([("Content-Encoding", coding)], PACK[coding](bytes(1 << 21))).rule == "bomb"


def test_chunks():
    chunked = [("Transfer-Encoding", "chunked")]
    assert body(chunked, b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n") == b"hello world"
    assert body(chunked, b"5\r\nhello\r\n6\r\n world\r\n") == b"hello world"        # only the closing chunk is missing
    assert body(chunked, b"<html>plain") == b"<html>plain"
    assert body(chunked, b"5\r\nhello\r\nxx\r\nmore\r\n0\r\n\r\n") == Refusal("damaged", detail="a chunk size is not a number")
    assert body(chunked, b"3\r\nhello\r\n0\r\n\r\n") == Refusal("damaged", detail="a chunk is not as long as it says")
    assert body(chunked, b"ff\r\nhello") == Refusal("truncated", detail="the body ends inside a chunk")


@pytest.mark.parametrize(("block", "status", "rest"), [
    (b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nbody", 404, b"body"), (b"HTTP/1.1 200\nA: b\n\nbody", 200, b"body"),
    (b"HTTP/2 200\r\na: b\r\n\r\nbody", 200, b"body"), (b"HTTP/1.1 200\r\nA: b\n\r\nbody", 200, b"body"),
    (b"HTTP/1.1 200\nA: b\r\n\nbody", 200, b"body"), (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nA: b\r\n\r\nbody", 200, b"body"),
    (b"HTTP/1.1 103 Early Hints\nLink: x\n\nHTTP/1.1 404\nA: b\n\nbody", 404, b"body"), (b"A: b\r\nC: d\r\n\r\nbody", None, b"body"), (b"<html>body", None, b"<html>body")])
def test_http_heads(block, status, rest):
    response = http_response(block)
    assert (response.status, response.body) == (status, rest)
    assert response.headers.first("a") == (None if rest.startswith(b"<html>") else "b")


def test_repeated_headers_add_up():
    headers = http_response(b"HTTP/1.1 200 OK\r\nX-Robots-Tag: one\r\nx-robots-tag: two\r\n\r\n").headers
    assert headers.all("x-robots-tag") == ["one", "two"]
