"""Text of real PDFs against gold that is not ours: manuals of Debian packages that ship a PDF, and its text as HTML or text.

`pdf_real.yaml` names the pairs, and says what `made/` holds. Gather them into a folder, and give it here:

    apt-get download bash-doc debian-edu-doc-it debian-edu-doc-ja debian-faq-fr debian-faq-ru debian-policy debmake-doc \\
        developers-reference developers-reference-ja ecasound-doc gap-doc gnuplot-doc installation-guide-amd64 ledger \\
        maint-guide octave-doc r-doc-html r-doc-pdf scheme48-doc valgrind
    for file in *.deb; do dpkg -x "$file" FOLDER; done

The pairs were halved by the hash of their names before anybody looked at one: the reader was mended on one half, and the
figures are of the other. Words are runs of letters and digits (a Han or kana character is one), so that a difference is one of
words. A twin is not the same book: it has an index that we leave out, and other words for a cross-reference; so no system
reaches 1, and recall, order and lines are told apart. `in order` is the longest common subsequence over the gold's words;
`lines` is the share of lines of three words or more of which four fifths of the runs of three words stand in the gold: running
heads, torn columns and glued words are lines that do not. Lists of contents are taken out of the gold. The figures of the
second half were seen once before these; then its gold was mended (contents, the order of its pages, joiners that no page
shows), and the reader only by what tests and the first half asked for. Two pairs of it were dropped
then (gri, asymptote: the order of their pages is not told), as three others were that say nothing (live-manual has no letters,
docbook-xsl no spaces).

Run from the repository: python -m benchmarks.pdf_real FOLDER
"""

import argparse
import gzip
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from hashlib import sha256
from importlib.metadata import version
from itertools import dropwhile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import lxml.html
import pypdfium2
import yaml
from lxml import etree

from benchmarks.pdf_text import SYSTEMS, common

PAIRS = Path(__file__).with_name("pdf_real.yaml")
RESULTS = Path(__file__).parent / "results/pdf-real.md"
_WORD = re.compile(r"[\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_NAVIGATION = re.compile(r"\b(nav\w*|header|footer|toc\w*|related|sphinxsidebar\w*|contents"
                         r"|shortcontents|summary-letter|printindex\w*|chlink\w*|headerlink|copiable-link)\b", re.I)
_INVISIBLE = dict.fromkeys(map(ord, "\xad\u200b\u200c\u200d\u200e\u200f"))       # no page shows them
_BLOCKS = frozenset({"p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "li", "td", "th", "tr", "dt", "dd", "pre", "br", "table",
                     "ul", "ol", "dl", "blockquote", "section"})


class Scores(NamedTuple):
    precision: float
    recall: float
    f1: float
    in_order: float
    lines: float


def words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).translate(_INVISIBLE).lower())


def scores(text: str, gold: str) -> Scores:
    found, wanted = words(text), words(gold)
    shared = (Counter(found) & Counter(wanted)).total()
    precision, recall = shared / max(len(found), 1), shared / len(wanted)
    runs = set(zip(wanted, wanted[1:], wanted[2:], strict=False))
    lines = [line for line in map(words, text.splitlines()) if len(line) >= 3]
    good = sum(_is_in(line, runs) for line in lines)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return Scores(precision, recall, f1, common(found, wanted) / len(wanted), good / max(len(lines), 1))


def _is_in(line: list[str], runs: set[tuple[str, ...]]) -> bool:
    own = list(zip(line, line[1:], line[2:], strict=False))
    return sum(run in runs for run in own) >= 0.8 * len(own)


def gold_text(path: Path) -> str:
    """The text of a page, of pages in the order of their names or of the links to them, or of a file of text."""
    if path.is_dir():
        return "\n".join(map(html_text, linked(path)))
    if "*" in path.name:
        return "\n".join(map(html_text, sorted(path.parent.glob(path.name), key=lambda page: [len(page.name), page.name])))
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return html_text(path) if path.suffix == ".html" else without_contents(data.decode("utf-8", "replace"))


def without_contents(text: str) -> str:
    """A text without its list of contents: the lines of its first sixth that come again, as headings, after it."""
    lines = text.splitlines()
    first = len(lines) // 6
    again = {bare(words(line)[start:]) for line in lines[first:] for start in (0, 1)}        # "Chapter 1. The Mill" too
    return "\n".join([line for line in lines[:first] if bare(words(line)) not in again] + lines[first:])


def bare(line: list[str]) -> tuple[str, ...]:
    """The words of a line without the numbers before them."""
    return tuple(dropwhile(str.isdecimal, line))


def linked(folder: Path) -> list[Path]:
    """The pages of a folder in reading order: as the first page lists them, or each before those that it links to."""
    index = next(path for path in (folder / "index.html", *sorted(folder.glob("*.html"))) if path.exists())
    listed = list(dict.fromkeys([index, *links(index)]))
    if len(listed) > 0.8 * len(list(folder.glob("*.html"))):
        return listed
    order, waiting = [], [index]
    while waiting:
        page = waiting.pop(0)
        if page not in order:
            order.append(page)
            waiting[:0] = links(page)
    return order


def links(page: Path) -> list[Path]:
    """The pages of its folder that a page links to; where it names the page after it, that alone."""
    root = lxml.html.fromstring(page.read_bytes())
    hrefs = root.xpath("//link[@rel='next']/@href | //a[@accesskey='n']/@href") or root.xpath("//body//a/@href")
    names = [unquote(href.split("#")[0]) for href in hrefs]
    pages = [page.parent / name for name in names if name.endswith(".html") and "/" not in name]
    return [page for page in pages if page.exists()]


def html_text(path: Path) -> str:
    """The text of a page without its navigation and its lists of contents."""
    root = lxml.html.fromstring(path.read_bytes(), parser=lxml.html.HTMLParser(encoding=_charset(path.read_bytes())))
    for element in list(root.iter()):
        if not isinstance(element.tag, str):
            continue
        marks = f"{element.get('class', '')} {element.get('role', '')}"
        if element.tag in ("script", "style", "nav", "head") or (element.tag != "body" and _NAVIGATION.search(marks)):
            element.drop_tree() if element.getparent() is not None else None
    pieces: list[str] = []
    for event, element in etree.iterwalk(root, events=("start", "end")):
        pieces += ["\n" * (element.tag in _BLOCKS), (element.text if event == "start" else element.tail) or ""]
    return "".join(pieces)


def _charset(page: bytes) -> str:
    found = re.search(rb"charset=[\"']?([\w-]+)", page[:2000])
    return found[1].decode() if found else "utf-8"


def half(name: str) -> int:
    """0 for what the reader was mended on, 1 for what is reported."""
    return sha256(name.encode()).digest()[0] % 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the packages are unpacked")
    parser.add_argument("--mended", action="store_true", help="textmill alone, on the half it was mended on; writes nothing")
    given = parser.parse_args()
    pairs = {name: pair for name, pair in yaml.safe_load(PAIRS.read_text("utf-8")).items() if half(name) != given.mended}
    systems = {"textmill": SYSTEMS["textmill"]} if given.mended else SYSTEMS
    figures = "precision | recall | F1 | in order | lines | ms a page |"
    lines = [f"| document | made with | pages | {figures}", f"|---|---|---:{'|---:' * 6}|"]
    found: dict[str, list[tuple[float, ...]]] = {system: [] for system in systems}
    for name, (pdf, twin) in pairs.items():
        data = (given.folder / pdf).read_bytes()
        data = gzip.decompress(data) if pdf.endswith(".gz") else data
        gold = gold_text(given.folder / twin)
        with pypdfium2.PdfDocument(data) as opened:
            pages, maker = len(opened), producer(opened)
        for system, read in systems.items():
            found[system].append(measured(read, data, gold, pages))
        lines.append(f"| {name} | {maker} | {pages} | {_cells(found['textmill'][-1])} |")
        print(lines[-1], flush=True)
    means = [f"| mean of {len(pairs)} | {figures}", f"|---{'|---:' * 6}|"]
    for system, rows in found.items():
        means.append(f"| {system} | {_cells([sum(column) / len(pairs) for column in zip(*rows, strict=True)])} |")
    print("\n".join(means))
    if not given.mended:
        libraries = ", ".join(f"{name} {version(name)}" for name in ("pypdfium2", "pypdf", "pdfplumber"))
        lines = [*means, "", *lines, "", f"CPU time; {libraries}; {date.today().isoformat()}."]
        RESULTS.write_text("\n".join(lines) + "\n", "utf-8")


def measured(read: Callable[[bytes], str], pdf: bytes, gold: str, pages: int) -> tuple[float, ...]:
    start = time.process_time()
    text = read(pdf)
    spent = 1000 * (time.process_time() - start) / pages
    return (*scores(text, gold), spent)


def _cells(values: Sequence[float]) -> str:
    return " | ".join([*(f"{value:.3f}" for value in values[:-1]), f"{values[-1]:.1f}"])


def producer(opened: pypdfium2.PdfDocument) -> str:
    """The program that wrote a PDF, without its version."""
    named = opened.get_metadata_value("Producer") or opened.get_metadata_value("Creator") or ""
    found = re.match(r"[^\d(/,]*[^\d(/,\s-]", re.sub(r" Version.*| PDF Library.*", "", named))
    return found[0].strip() if found else ""


if __name__ == "__main__":
    main()
