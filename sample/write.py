"""Captures into files: WARC with fixed dates and ids, JSONL, Parquet, loose files; and the label of every record."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from capture import FIRST_DAY, Capture, label
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

ROW = pa.schema([(name, pa.string()) for name in ("url", "date", "title", "text", "shelf")])


def write_file(raw: Path, file: str, captures: list[Capture]) -> list[dict[str, Any]]:
    """Write one file below `raw` and give its labels, one a record, in the order of the file."""
    path = raw / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if ".warc" in file:
        data, places = warc(file, captures)
        captures = [warcinfo(file), *captures]
    elif file.endswith(".jsonl"):
        data, places = jsonl(captures)
    elif file.endswith(".parquet"):
        data, places = parquet(captures)
    else:
        data, places = captures[0].body, [(0, len(captures[0].body))]
    path.write_bytes(data)
    return [{"file": file, "n": n, "offset": offset, "length": length, "url": capture.url,
             "record_id": capture.record_id if ".warc" in file else None, "date": capture.date} | capture.label
            for n, (capture, (offset, length)) in enumerate(zip(captures, places, strict=True))]


def warcinfo(file: str) -> Capture:
    body = f"software: sample/render.py\r\nformat: WARC File Format 1.1\r\ndescription: {file}, invented pages\r\n"
    return Capture(file, "warcinfo", None, FIRST_DAY.strftime("%Y-%m-%dT%H:%M:%SZ"), label("warcinfo"), body=body.encode())


def warc(file: str, captures: list[Capture]) -> tuple[bytes, list[tuple[int, int]]]:
    """The file's bytes and where each record lies in them; bytes are flipped and cut off where a label says so."""
    out, places = io.BytesIO(), []
    writer = WARCWriter(out, gzip=file.endswith(".gz"), warc_version="1.1")
    for capture in [warcinfo(file), *captures]:
        begin = out.tell()
        writer.write_record(record(writer, capture))
        places.append((begin, out.tell() - begin))
    data = bytearray(out.getvalue())
    if file.endswith(".gz"):
        for begin, _ in places:
            data[begin + 9] = 255       # zlib names the operating system here, which would differ from host to host
    for (begin, length), capture in zip(places[1:], captures, strict=True):
        if capture.label["what"] == "broken_member":
            middle = begin + length // 2
            data[middle : middle + 64] = bytes(byte ^ 0x5A for byte in data[middle : middle + 64])
    if captures and captures[-1].label["what"] == "truncated":
        begin, length = places[-1]
        places[-1] = (begin, length // 2)
        del data[begin + length // 2 :]
    return bytes(data), places


def record(writer: WARCWriter, capture: Capture) -> Any:
    headers = {"WARC-Record-ID": capture.record_id, "WARC-Date": capture.date} | dict(capture.warc_headers)
    if capture.kind == "warcinfo":
        headers["WARC-Filename"] = Path(capture.file).name
        return writer.create_warc_record("", "warcinfo", payload=io.BytesIO(capture.body), warc_headers_dict=headers,
                                         warc_content_type="application/warc-fields")
    if capture.kind in ("response", "revisit"):
        http = StatusAndHeaders(capture.status, list(capture.headers), protocol="HTTP/1.1")
        return writer.create_warc_record(capture.url, capture.kind, payload=io.BytesIO(capture.body), http_headers=http,
                                         warc_headers_dict=headers)
    kind = "application/http; msgtype=request" if capture.kind == "request" else "application/warc-fields"
    return writer.create_warc_record(capture.url, capture.kind, payload=io.BytesIO(capture.body),
                                     warc_headers_dict=headers, warc_content_type=kind)


def jsonl(captures: list[Capture]) -> tuple[bytes, list[tuple[int, int]]]:
    """One row a line; a capture with a body instead of a row is written as the line it is."""
    data, places = b"", []
    for capture in captures:
        line = (json.dumps(capture.row, ensure_ascii=False).encode() if capture.row else capture.body) + b"\n"
        places.append((len(data), len(line)))
        data += line
    return data, places


def parquet(captures: list[Capture]) -> tuple[bytes, list[tuple[int | None, int | None]]]:
    """One row group; a record's offset is its row."""
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([capture.row for capture in captures], schema=ROW), out, compression="zstd")
    return out.getvalue(), [(row, None) for row in range(len(captures))]
