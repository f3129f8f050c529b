"""A capture: one record of the sample crawl as it is stored, with the label that says what must become of it."""

import codecs
import json
import zlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import brotli
import jinja2
import yaml
from markupsafe import Markup, escape
from outcomes import OUTCOMES
from page import Page, read_page

FIRST_DAY = datetime(2026, 1, 12, 4, 0, 0)    # the crawl lasted two weeks
VISITORS = {"default": ["Bramble77", "old_kettle"], "ru": ["Сверчок", "старый_чайник"], "zh": ["路过的人", "老茶壶"],
            "ja": ["通りすがり", "古いやかん"], "ar": ["عابر سبيل", "إبريق قديم"], "ko": ["지나가던이", "낡은주전자"]}


@dataclass(frozen=True)
class Capture:
    """What is written (kind, url, date, status, headers, body) and what is promised about it (label)."""

    file: str
    kind: str                                  # WARC record type, or "row" and "file" for input that is no WARC
    url: str | None
    date: str
    label: dict[str, Any]
    body: bytes = b""
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()
    warc_headers: tuple[tuple[str, str], ...] = ()
    row: dict[str, Any] = field(default_factory=dict)

    @property
    def record_id(self) -> str:
        return f"<urn:uuid:{uuid5(NAMESPACE_URL, f'{self.kind} {self.url} {self.date} {self.file}')}>"


def label(what: str, **more: Any) -> dict[str, Any]:
    """A label in its fixed order of keys; the outcome follows from `what` up to its first colon."""
    becomes, stage, rules = OUTCOMES[what.split(":")[0]]
    whole = {"what": what, "becomes": becomes, "stage": stage, "rule": rules, "twin": None, "similarity": None,
             "language": None, "charset": None, "tags": [], "must": [], "must_not": [], "edits": {}}
    if unknown := set(more) - set(whole):
        raise KeyError(f"no such keys in a label: {sorted(unknown)}")
    return whole | more


class Library:
    """All page sources, sites and wordings, and the way a page becomes the bytes of a response."""

    def __init__(self, here: Path):
        self.sites = yaml.safe_load((here / "sites.yaml").read_text(encoding="utf-8"))
        self.wording = yaml.safe_load((here / "wording.yaml").read_text(encoding="utf-8"))
        sources = sorted((here / "pages").glob("*.txt")) + sorted((here / "planted").glob("*.txt"))
        self.pages = {path.stem: read_page(path) for path in sources}
        self.good = {path.stem for path in sources if path.parent.name == "pages"}
        self.designs = jinja2.Environment(loader=jinja2.FileSystemLoader(here / "designs"), autoescape=True,
                                          undefined=jinja2.StrictUndefined, keep_trailing_newline=True)

    def url(self, page: Page) -> str:
        return f"https://{page.language}.{self.sites[page.headers['site']]['host']}{page.headers['path']}"

    def date(self, page: Page) -> str:
        """When the page was captured: spread over the two weeks by its name, so that a new page moves no other."""
        seconds = zlib.crc32(page.slug.encode()) % (14 * 86_400)
        return (FIRST_DAY + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def related(self, page: Page) -> list[tuple[str, str]]:
        """Title and address of the next three good pages in the same language."""
        same = sorted(slug for slug in self.good if self.pages[slug].language == page.language)
        later = [slug for slug in same if slug > page.slug] + [slug for slug in same if slug < page.slug]
        return [(self.pages[slug].title, self.url(self.pages[slug])) for slug in later[:3]]

    def html(self, page: Page, url: str, served: dict[str, Any]) -> str:
        site = self.sites[page.headers["site"]]
        meta_charset = served.get("meta_charset", served.get("charset", "utf-8"))
        metas = [f'<meta name="{name}" content="{escape(value)}">' for name, value in served.get("meta", {}).items()]
        metas += [f'<link rel="license" href="{escape(served["license"])}">'] if "license" in served else []
        json_ld = {"@context": "https://schema.org", "@type": "Article", "headline": page.title,
                   "datePublished": page.headers["published"] or None, "inLanguage": page.language}
        return self.designs.get_template(f"{site['design']}.html").render(
            page=page, site=site, url=url, say=self.wording[page.language], meta_charset=meta_charset,
            metas=Markup("".join(meta + "\n" for meta in metas)), related=self.related(page),
            body=Markup(page.html), body_with_breaks=Markup(page.html_with_breaks),
            number=zlib.crc32(page.slug.encode()) % 9000 + 100, visitors=VISITORS.get(page.language, VISITORS["default"]),
            json_ld=Markup(json.dumps(json_ld, ensure_ascii=False)))

    def response(self, page: Page, served: dict[str, Any], *, what: str, url: str | None = None,
                 date: str | None = None, file: str | None = None, **more: Any) -> Capture:
        """The page as its site serves it. `served` says what is unusual: charset, declared charsets, coding, headers."""
        url, site = url or self.url(page), self.sites[page.headers["site"]]
        charset = served.get("charset", "utf-8")
        html = self.html(page, url, served)
        body = html.encode(charset, errors="xmlcharrefreplace")
        declared = served.get("http_charset", charset)
        headers = [("Server", site["server"]),
                   ("Content-Type", f"text/html; charset={declared}" if declared else "text/html")]
        headers += list(served.get("headers", {}).items())
        if served.get("coding") == "gzip":
            body = gzipped(body)
        elif served.get("coding") == "br":
            body = brotli.compress(body)
        if "coding" in served:
            headers.append(("Content-Encoding", served["coding"]))
        if served.get("chunked"):
            chunks = [body[at : at + 1000] for at in range(0, len(body), 1000)] + [b""]
            body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
            headers.append(("Transfer-Encoding", "chunked"))
        else:
            headers.append(("Content-Length", str(len(body))))
        promised = {"language": page.language, "charset": codecs.lookup(charset).name} | self.promises(page, html, what) | more
        return Capture(file or site["file"], "response", url, date or self.date(page), label(what, **promised),
                       body=body, headers=tuple(headers))

    def promises(self, page: Page, html: str, what: str) -> dict[str, Any]:
        """What a kept page must show, must not show, and how many finds of personal data it holds by kind."""
        if OUTCOMES[what.split(":")[0]][0] != "curated":
            return {}
        private = personal(page)
        secrets = [find for finds in private.values() for find in finds]
        return {"must": snippets(page, secrets),
                "must_not": secrets + [line for line in self.boilerplate(page) if str(escape(line)) in html],
                "edits": {kind.upper(): len(finds) for kind, finds in private.items()}}

    def boilerplate(self, page: Page) -> list[str]:
        say = self.wording[page.language]
        return [*(say[key] for key in ("cookies", "share", "popular", "related", "newsletter", "about", "rights")),
                *say["comment"]]


def gzipped(body: bytes) -> bytes:
    """One gzip member that says neither when nor on which system it was made."""
    member = bytearray(zlib.compress(body, 9, wbits=zlib.MAX_WBITS | 16))
    member[9] = 255
    return bytes(member)


def personal(page: Page) -> dict[str, list[str]]:
    """The page's invented personal data by kind, from headers like `phone: +49 30 … | 030 …`."""
    finds = {}
    for kind in ("credit_card", "email", "iban", "ip", "phone"):
        if kind in page.headers:
            finds[kind] = [find.strip() for find in page.headers[kind].split("|")]
            if absent := [find for find in finds[kind] if find not in page.text]:
                raise ValueError(f"{page.slug}: {absent[0]!r} is in the header, but not in the text")
    return finds


def snippets(page: Page, secrets: list[str]) -> list[str]:
    """Beginnings of the first, a middle and the last paragraph, and what the header names under `keep`."""
    whole = [text for text in page.paragraphs if not any(secret in text[:60] for secret in secrets)]
    chosen = [whole[0], whole[len(whole) // 2], whole[-1]]
    spaced = [text[:48].rsplit(" ", 1)[0] if " " in text[:24] else text[:14] for text in chosen]
    kept = [find.strip() for find in page.headers.get("keep", "").split("|") if find.strip()]
    if absent := [find for find in kept if find not in page.text]:
        raise ValueError(f"{page.slug}: {absent[0]!r} is to be kept, but not in the text")
    return list(dict.fromkeys(spaced + kept))
