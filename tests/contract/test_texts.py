"""Texts that a user names: read by what a file is, not by what it is called, and whole or not at all."""

import gzip
import json

import pytest
import zstandard

from textmill.base.errors import TextmillError
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.texts import parse_texts
from textmill.tokenizer.texts import read_texts

ROWS = [{"text": "one"}, {"text": "", "content": "two"}, {"Text": "three\r\nfour"}]
LINES = b"\xef\xbb\xbf" + "".join(json.dumps(row) + "\n\n" for row in ROWS).encode()


def long_window(data: bytes) -> bytes:
    given = zstandard.ZstdCompressionParameters.from_level(3, window_log=27, write_content_size=False)
    return zstandard.ZstdCompressor(compression_params=given).compress(data)


def texts(where, names=("text", "content", "meta.body")) -> list[str]:
    return [text for batch in parse_texts(str(where), names).read(Folder("nowhere")) for text in batch]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress, long_window,
                                  lambda data: gzip.compress(data[:20]) + gzip.compress(data[20:])])
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_what_packs_a_file_its_first_bytes_say(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(LINES))
    assert texts(tmp_path / name) == ["one", "two", "three\r\nfour"]
    (tmp_path / name).write_bytes(pack(b'{"text": "one"}\n'))
    assert list(read_texts(tmp_path / name, "text")) == [(["one"], [None])]


def test_paths_lead_into_columns(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"meta": {"Body": "below"}}\n{"text": " ", "meta": {"body": "full"}}\n')
    assert texts(tmp_path / "a.jsonl") == ["below", "full"]


@pytest.mark.parametrize(("data", "said"), [
    (b'{"text": "a"}\n{"text"\n', "line 2: JSONDecodeError: Expecting ':' delimiter"), (b'{"text": "a"}\n[1]\n', "line 2 is not an object"),
    (b'{"text": "\xff"}\n', "line 1: UnicodeDecodeError"), (gzip.compress(b'{"text": "a"}\n' * 9)[:-9], "the compressed stream breaks off")])
def test_a_line_that_cannot_be_read_is_named(tmp_path, data, said):
    (tmp_path / "a.jsonl").write_bytes(data)
    with pytest.raises(StageError, match="repair it or leave it out") as error:
        texts(tmp_path / "a.jsonl")
    assert said in str(error.value)
    with pytest.raises(TextmillError, match=r"repair it or leave it out|it is no object"):
        list(read_texts(tmp_path / "a.jsonl", "text"))
