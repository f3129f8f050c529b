"""Rendering of a page: one HTML file with its style and its script inside, in which no text of a dataset can act."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from textmill.pipelines.display import numbers
from textmill.pipelines.display.masking import visible
from textmill.pipelines.report import figures, training

HERE = Path(__file__).parent
MOST_ROWS = 200         # of a table on the page; its CSV file has all
MOST_REASONS = 12       # of a stage that are not folded
MOST_GROUPS = 12        # sources or languages with a funnel of their own
MOST_WITHIN = 25        # rows of a table within one of these
LONGEST = 400           # characters of a text, such as an address; the files beside the page have them whole


def render(template: str, context: dict[str, Any]) -> str:
    """A template of this folder with styles and page.js inside, which its policy names by hash, so that no other applies."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, finalize=_shown,
                                     undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {name: getattr(numbers, name) for name in ("count", "percent", "number", "short", "size", "many")}
    environment.filters["breakable"] = lambda name: Markup(escape(_shown(name)).replace("_", Markup("_<wbr>")))
    environment.filters["coded"] = lambda text: Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(_shown(text)))))
    environment.globals |= {"bar": figures.bar, "histogram": figures.histogram, "lines": figures.lines,
                            "bin_titles": figures.bin_titles,
                            "named_points": training.named_points, "most_rows": MOST_ROWS, "most_reasons": MOST_REASONS,
                            "most_groups": MOST_GROUPS, "most_within": MOST_WITHIN}
    inside: dict[str, Markup] = {}
    for name, files in (("style", (figures.STYLE, HERE / "style.css")), ("script", (HERE / "page.js",))):
        text = "".join(file.read_text("utf-8") for file in files)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        inside |= {name: Markup(text), f"{name}_hash": Markup(f"sha256-{digest}")}
    return environment.get_template(template).render(context, **inside)


def _shown(value: object) -> object:
    """A text without control characters, cut where it is longer than anyone reads; anything else as it is."""
    text = visible(value)
    return f"{text[:LONGEST - 1]}…" if type(text) is str and len(text) > LONGEST else text
