"""From plan.yaml and the page sources to captures: pages as they are served, and the copies among them."""

import dataclasses
import re
from datetime import datetime, timedelta
from typing import Any

from capture import Capture, Library, label
from page import Page

NEAR, SIMILAR = 0.85, (0.5, 0.7)     # Jaccard of word 5-grams: near copies lie above, pairs that both stay between
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def pages_as_served(library: Library, plan: dict[str, Any]) -> list[Capture]:
    """One capture for every page source but those that lie only in the damaged file, in the order of their names."""
    captures = []
    elsewhere = {slug for slug, what in plan["damaged"].items() if what == "good"}
    if unknown := set(plan["serve"]) - set(library.pages):
        raise ValueError(f"plan.yaml: no page sources called {sorted(unknown)}; add them or take these lines out")
    for slug, page in sorted(library.pages.items()):
        if slug in elsewhere:
            continue
        spec = dict(plan["serve"].get(slug, {}))
        served, tags = spec.pop("served", {}), spec.pop("tags", [])
        what = spec.pop("what", page.headers.get("what", "good"))
        if page.headers["site"] in ("letters", "table", "loose"):
            captures.append(stored_page(library, page, what))
        else:
            captures.append(library.response(page, served, what=what, tags=tags, **spec))
    return captures


def stored_page(library: Library, page: Page, what: str) -> Capture:
    """A page that comes as a row of JSONL or Parquet, or as a file of its own."""
    site, url, date = library.sites[page.headers["site"]], library.url(page), library.date(page)
    loose = page.headers["site"] == "loose"
    html = library.html(page, url, {}) if loose and page.headers.get("form") != "text" else ""
    promised = label(what, language=page.language, charset="utf-8", **library.promises(page, html, what))
    if loose:
        name = f"loose/{page.slug}.{'html' if html else 'txt'}"
        return Capture(name, "file", None, date, promised, body=(html or page.text + "\n").encode())
    row = {"url": url, "date": date, "title": page.title, "text": page.text.partition("\n")[2],
           "shelf": page.headers["shelf"]}
    return Capture(site["file"], "row", url, date, promised, row=row)


def copies(library: Library, plan: dict[str, Any]) -> list[Capture]:
    """The planted copies. A copy must lose against its original in the declared order, else the plan is refused."""
    found = []
    for spec in plan["copies"]:
        page = library.pages[spec["of"]]
        copy, what = changed(page, spec), spec["what"]
        original = library.response(page, plan["serve"].get(spec["of"], {}).get("served", {}), what="good")
        moment = datetime.strptime(original.date, STAMP) + timedelta(days=spec.get("days", 0))
        alike = jaccard(page.text, copy.text)
        twin = original.record_id
        if what == "record_copy":
            promised = label(what, twin=twin, similarity=1.0, language=page.language, charset=original.label["charset"])
            found.append(dataclasses.replace(original, label=promised))
            continue
        loses = {"url_copy": spec.get("days", 0) < 0,
                 "exact_copy": alike == 1.0 and spec.get("days", 0) > 0,
                 "near_copy": NEAR <= alike < 1.0 and len(copy.text) + 20 < len(page.text),
                 "similar_pair": SIMILAR[0] <= alike <= SIMILAR[1]}
        if not loses[what]:
            raise ValueError(f"plan.yaml: the {what} of {spec['of']} is not one: Jaccard {alike:.3f}, "
                             f"{len(copy.text)} against {len(page.text)} characters, {spec.get('days', 0)} days later")
        url = library.url(copy) if what != "url_copy" else original.url
        found.append(library.response(copy, {}, what=what, url=url, date=moment.strftime(STAMP),
                                      similarity=round(alike, 3), twin=None if what == "similar_pair" else twin))
    return found


def changed(page: Page, spec: dict[str, Any]) -> Page:
    """The page under another path, with words swapped (`swap`: old, new) or whole blocks replaced (`replace`)."""
    blocks = list(page.blocks)
    for at, text in spec.get("replace", {}).items():
        blocks[at] = (text.strip(),)
    for old, new in spec.get("swap", []):
        if sum(old in line for block in blocks for line in block) != 1:
            raise ValueError(f"plan.yaml: {old!r} is not exactly once in {page.slug}")
        blocks = [tuple(line.replace(old, new) for line in block) for block in blocks]
    headers = page.headers | {key: spec[key] for key in ("path", "title") if key in spec}
    return dataclasses.replace(page, slug=f"{page.slug}-copy", headers=headers, blocks=tuple(blocks))


def jaccard(one: str, other: str) -> float:
    """Jaccard similarity of the sets of word 5-grams."""
    first, second = (grams(re.findall(r"\w+", text.lower())) for text in (one, other))
    return len(first & second) / len(first | second)


def grams(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + 5]) for at in range(max(1, len(words) - 4))}
