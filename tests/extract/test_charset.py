"""Charsets: who decides, what wins when the label is wrong, and how many characters were lost."""

import codecs
import os
import struct

import pytest

from tests.paths import SHARED
from textmill.pipelines.extract.pages.charset import CODECS, Decoded, decode, http_charset, meta_charset, wide_charset
from textmill.pipelines.extract.pages.kind import no_page

RUSSIAN = "Осенью на реке стоит туман, и лодки выходят позже обычного. Рыбаки пьют чай и ждут, пока взойдёт солнце. " * 3
UKRAINIAN = "Восени на річці стоїть туман, і човни виходять пізніше, ніж звичайно. Рибалки п'ють чай і чекають на схід сонця. " * 3
JAPANESE = "秋の朝、川には霧が立ちこめ、舟はいつもより遅く出る。漁師たちはお茶を飲みながら日の出を待っている。" * 3
KOREAN = "가을 아침이면 강에 안개가 끼고 배는 평소보다 늦게 떠난다. 어부들은 차를 마시며 해를 기다린다. " * 3
CHINESE = "秋天的早晨，河上有雾，船比平时晚些出发。渔夫们喝着茶，等待太阳升起，谈论昨天的收获和今天的天气。" * 3
FRENCH = "À l’automne, la rivière est couverte de brume et les bateaux partent plus tard qu’à l’été. " * 3
POLISH = "Jesienią nad rzeką wisi mgła, łodzie wypływają później niż zwykle, a rybacy piją herbatę i czekają na słońce. " * 3


def page(text: str, codec: str, meta: str = "") -> bytes:
    declared = f'<meta charset="{meta}">' if meta else ""
    return f"<html><head>{declared}<title>x</title></head><body><p>{text}</p></body></html>".encode(codec)


def decided(payload: bytes, http: str | None = None) -> tuple[str, str, int]:
    return decode(payload, http_charset(http) if http else None)[1:]


@pytest.mark.parametrize(("text", "codec"), [
    (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (UKRAINIAN, "koi8-u"), (JAPANESE, "cp932"), (JAPANESE, "euc-jp"), (KOREAN, "cp949"), (CHINESE, "gb18030"),
    (FRENCH, "cp1252"), (RUSSIAN, "utf-8")])
def test_undeclared_charsets_are_detected(text, codec):
    found = decode(page(text, codec), None)
    assert (text in found.text, found.charset, found.charset_from, found.replaced) == (True, codec, "detected", 0)


@pytest.mark.parametrize(("payload", "http", "expected"), [
    (codecs.BOM_UTF8 + page(RUSSIAN, "utf-8", "iso-8859-1"), "text/html; charset=koi8-r", ("utf-8", "bom", 0)),
    (codecs.BOM_UTF16_LE + page(RUSSIAN, "utf-16-le", "utf-8"), None, ("utf-16-le", "bom", 0)),
    (page(RUSSIAN, "utf-16-be"), "text/html; charset=utf-16be", ("utf-16-be", "http", 0)),
    (page(RUSSIAN, "koi8-r", "utf-8"), "text/html; charset=KOI8-R", ("koi8-r", "http", 0)),
    (page(RUSSIAN, "cp1251", "windows-1251"), "text/html; charset=utf-8", ("cp1251", "meta", 0)),
    (page(JAPANESE, "utf-8"), "text/html; charset=Shift_JIS", ("utf-8", "detected", 0)),
    (page(JAPANESE, "iso2022-jp"), "text/html; charset=ISO-2022-JP", ("iso2022-jp", "http", 0)),
    (page(CHINESE, "gb18030", "gb2312"), None, ("gb18030", "meta", 0)),
    (page(FRENCH, "cp1252"), "text/html; charset=ISO-8859-1", ("cp1252", "http", 0)),
    (page(FRENCH, "cp1252"), "text/html; charset=utf-8", ("cp1252", "detected", 0)),
    (page(RUSSIAN, "utf-8", "utf8mb4"), "text/html; charset=x-unknown", ("utf-8", "meta", 0)),
    (page(POLISH, "iso8859-2", "iso-8859-2"), None, ("iso8859-2", "meta", 0)),
    (page("plain words", "ascii"), None, ("utf-8", "detected", 0)),
    (page("plain words", "ascii", "euc-kr"), None, ("cp949", "meta", 0)),
])
def test_order_of_decision(payload, http, expected):
    assert decided(payload, http) == expected


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [RUSSIAN, JAPANESE, CHINESE, FRENCH])
def test_wide_characters_without_a_mark(codec, text):
    payload = page(text, codec)
    assert no_page(payload) is None
    found = decode(payload, None)
    assert (text in found.text, found.charset, found.charset_from, found.replaced) == (True, codec, "detected", 0)


def test_marked_utf32_is_not_utf16_with_zeros():
    payload = codecs.BOM_UTF32_LE + page(RUSSIAN, "utf-32-le")
    assert no_page(payload) is None and decided(payload) == ("utf-32-le", "bom", 0)


def test_numbers_of_two_and_four_bytes_are_no_text():
    for width in "<h", "<i":
        samples = b"".join(struct.pack(width, step * step % 230) for step in range(3000))
        assert wide_charset(samples) is None and no_page(samples) == "binary"


def test_damaged_utf8_stays_utf8_and_is_counted():
    payload = page(FRENCH, "utf-8").replace(b"mer", b"m\xffr").replace(b"plus", b"pl\xffs")
    found = decode(payload, "utf-8")
    assert found[1:] == ("utf-8", "http", 3) and found.text.count("\ufffd") == 3


def test_a_replacement_character_in_the_page_itself_is_no_loss():
    assert decided(page("a \ufffd b é", "utf-8")) == ("utf-8", "detected", 0)


def test_a_short_word_that_is_valid_in_two_charsets_keeps_its_label():
    assert decode("联通".encode("gb18030"), "gb18030") == Decoded("联通", "gb18030", "http", 0)


def test_meta_is_found_where_it_declares_and_not_in_a_comment():
    assert meta_charset(b"<meta http-equiv=Content-Type content='text/html; charset=windows-1251'>") == "cp1251"
    assert meta_charset(b"<?xml version='1.0' encoding='euc-jp'?>") == "euc-jp"
    assert meta_charset(b"<!-- <meta charset=koi8-r> --><meta charset='utf-16'>") == "utf-8"
    assert meta_charset(b"<p>charset=koi8-r</p>") is None


def test_every_label_has_a_codec():
    assert all(codecs.lookup(codec) for codec in CODECS.values())
    assert http_charset('text/html; charset="Latin1"') == "cp1252" and http_charset("text/html; charset=none") is None


def test_manuals_in_legacy_charsets_lose_nothing():
    crawl = SHARED / "crawl"
    if not crawl.is_dir():
        pytest.skip("the development data (a folder shared beside the checkout) is not here")
    import pyarrow.parquet as pq

    from tests.pages import payload
    from textmill.pipelines.extract.files.archive import read_records
    from textmill.pipelines.extract.files.framing import Limits
    from textmill.pipelines.extract.files.records import http_response, record_head
    true = dict(zip(*pq.read_table(crawl / "gold.parquet", columns=["record_id", "charset"]).to_pydict().values(), strict=True))
    path = crawl / "manuals-httpd.warc.gz"
    pages = lost = right = 0
    with path.open("rb") as file:
        for framed in read_records(file, "f", 0, os.path.getsize(path), Limits(64 << 20, 500), []):
            head = record_head(framed.head)
            if head.type == "response":
                response = http_response(framed.block)
                body = payload(response, 64 << 20)
                try:
                    expected = body.decode(true[head.record_id])
                except UnicodeDecodeError:
                    continue
                found = decode(body, http_charset(response.headers.first("content-type")))
                pages, lost, right = pages + 1, lost + bool(found.replaced), right + (found.text == expected)
    assert pages > 1400 and lost == 0 and right == pages
