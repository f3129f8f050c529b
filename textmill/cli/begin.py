"""The words to begin with: the files to edit, everything on a sample, and texts to work on."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from textmill.base.errors import TextmillError
from textmill.cli.options import DATA, PATH, RUN, SHIPPED, flags, with_options
from textmill.cli.steps import run_steps

SAMPLES = ("sample", "dialogues")       # what the demo copies, each a source


@click.command("init", short_help="writes settings.yaml, rules.yaml and mixtures/ to edit")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
def init(folder: Path) -> Iterator[str]:
    """Write the files to edit into FOLDER (default: this one): settings.yaml, rules.yaml and mixtures/*.yaml.

    With them come schemas/*.json, by which an editor completes and checks them. Nothing that is there is overwritten. A run
    without such files uses the shipped ones, which these are copies of.
    """
    inside = [path.relative_to(SHIPPED) for pattern in ("mixtures/*.yaml", "schemas/*.json") for path in SHIPPED.glob(pattern)]
    files = ["settings.yaml", "rules.yaml", *sorted(map(str, inside))]
    if found := [name for name in files if (folder / name).exists()]:
        raise TextmillError(f"{folder} has {', '.join(found)} already; move them away, or name another folder")
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SHIPPED / name, folder / name)
    yield f"init: {', '.join(files)} written to {folder}"
    yield "next: put pages under data/raw/NAME/ (or `textmill fetch`), name NAME in a mixture, and run `textmill all`"


@click.command("demo", short_help="everything on a sample crawl, with a model at the end")
@with_options(*RUN)
@click.option("--prompt", default="The river", show_default=True, help="how the sampled text begins")
def demo(prompt: str, **given: Any) -> Iterator[str]:
    """Run everything on a sample crawl, a few dialogues and Python's own documentation, in minutes.

    Every stage, a model, the report, a classifier on the sample's labels, and a text sampled from the model."""
    if "://" in given["data"]:
        raise TextmillError(f"the demo copies its pages into a local folder, and {given['data']} is none; give another --data")
    raw = Path(given["data"], "raw")
    for source in SAMPLES:
        shutil.copytree(SHIPPED / source, raw / source, dirs_exist_ok=True)
    yield f"demo: the sample crawl is in {raw / 'sample'}, dialogues are in {raw / 'dialogues'}"
    run_steps(demo_steps(prompt, given))
    yield f"demo: done; look at {given['data']}/report/index.html, and go on with `textmill --help`"


def demo_steps(prompt: str, given: Mapping[str, Any]) -> list[list[str]]:
    """What the demo runs, in order, on what it copied into the data folder."""
    return [
        ["python-docs", f"--to={given['data']}/raw/python-docs"],
        ["all", "--replace", *flags(given)],
        ["classifier", "--name=sample", "--held-out=0.5", f"--labels={SHIPPED / 'labels.jsonl'}",
         "--good=documents:becomes=curated", "--bad=documents:what=spam*|thin*", *flags(given, "data", "config")],
        ["sample", f"--prompt={prompt}", *flags(given, "data", "mixture")],
    ]


@click.command("python-docs", short_help="this Python's documentation as raw text")
@DATA
@click.option("--to", type=PATH, metavar="FOLDER", help="the folder of this source  [default: DATA/raw/python-docs]")
def python_docs(data: str, to: str | None) -> str:
    """Write the documentation inside this Python as raw text: real prose that every machine has."""
    import sysconfig

    from textmill.pipelines.demo.python_docs import import_docs

    return import_docs(Path(sysconfig.get_paths()["stdlib"]), Path(to or f"{data}/raw/python-docs"))


@click.command("fetch", short_help="files of Common Crawl into raw/")
@click.option("--crawl", default="", metavar="ID", help="such as CC-MAIN-2026-42; all are named at index.commoncrawl.org")
@click.option("--files", default="", metavar="N", help="how many files")
@click.option("--bytes", "size", default="", metavar="SIZE", help="instead of --files: as many as this holds, such as 2GB")
@click.option("--kind", default="warc", show_default=True, help="warc (pages) or wet (Common Crawl's own text of them)")
@DATA
@click.option("--to", type=PATH, metavar="FOLDER",
              help="the folder of this source  [default: DATA/raw/ID, ID-wet for wet]")
@click.option("--from", "base", default="https://data.commoncrawl.org", show_default=True, metavar="ADDRESS",
              help="a server with the layout of Common Crawl's")
def fetch(crawl: str, files: str, size: str, kind: str, data: str, to: str | None, base: str) -> str:
    """Fetch files of Common Crawl into a folder under raw/, where extract finds them.

    A larger number fetches what a smaller one did and more; what is there and whole is not fetched again."""
    from textmill.pipelines.web import common_crawl

    source = crawl.replace("/", "-") + ("-wet" if kind == "wet" else "")
    return common_crawl.fetch(common_crawl.wanted(crawl, kind, files, size, to or f"{data}/raw/{source}", base))


INIT, DEMO, PYTHON_DOCS, FETCH = init, demo, python_docs, fetch
