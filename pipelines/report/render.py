"""Rendering of a page: one HTML file without scripts or outside files, in which no text of a dataset can act."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from textmill.pipelines.display import numbers
from textmill.pipelines.display.masking import visible
from textmill.pipelines.report import figures

HERE = Path(__file__).parent


def render(template: str, context: dict[str, Any]) -> str:
    """A template of this folder with style.css inside. Its policy names the style by its hash, so that no other can apply."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, finalize=visible,
                                     undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {name: getattr(numbers, name) for name in ("count", "percent", "number", "short", "size", "many")}
    environment.globals |= {"bar": figures.bar, "histogram": figures.histogram, "lines": figures.lines}
    style = (HERE / "style.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(template).render(context, style=Markup(style), style_hash=Markup(f"sha256-{digest}"))
