"""The words to look with: they read datasets and change none."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from textmill.cli.options import (
    CONFIG,
    DATA,
    FILE,
    MIXTURE,
    RULES,
    RUNNER,
    SET,
    TOKENIZER,
    WORKERS,
    data_folder,
    with_options,
)


class Page(click.ParamType):
    """A page as a user names it."""

    name = "page"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not str(value).strip():
            raise click.UsageError("no page was named; give a URL, an id or a host (with make: URL=…, ID=… or HOST=…)", ctx)
        return str(value).strip()


PAGE = click.argument("page", type=Page())


@click.command("report", short_help="data/report/index.html: funnel, languages, duplicates")
@with_options(DATA, MIXTURE)
def report(data: str, mixture: str) -> str:
    """Write DATA/report/index.html: what came in, what was kept and why, and what a model learned from it.

    Beside it the same figures as report.json, report.md and a CSV file for each table."""
    from textmill.pipelines.pack.mixture import read_mixture
    from textmill.pipelines.report.page import publish

    return publish(data_folder(data), read_mixture(mixture))


@click.command("tokenizer-report", short_help="tokenizers side by side: languages, sizes, what they hold")
@click.argument("tokenizers", nargs=-1, metavar="[TOKENIZER]...")
@with_options(DATA, MIXTURE)
@click.option("--texts", type=FILE, multiple=True, metavar="FILE",
              help="measure on these instead of the curated text; repeatable")
@click.option("--text-column", default="text", show_default=True, help="where the text is in rows of --texts")
@click.option("--parallel", type=FILE, metavar="FILE",
              help="rows with `language` and `text`: the same sentences in several languages")
@click.option("--reference", default="en", show_default=True, help="the language that others are compared with")
@click.option("--sample-bytes", type=int, default=20_000_000, show_default=True, help="of text to measure on")
def tokenizer_report(tokenizers: tuple[str, ...], data: str, mixture: str, texts: tuple[Path, ...], text_column: str,
                     parallel: Path | None, reference: str, sample_bytes: int) -> Iterable[str]:
    """Write DATA/report/tokenizers.html and .json on each TOKENIZER.

    A TOKENIZER is a name under DATA/tokenizers, a tokenizer.json, a folder with one, or a folder with GPT-2's two files
    [default: the one the mixture names]."""
    from textmill.model.architecture.shapes import SHAPES
    from textmill.pipelines.pack.mixture import read_mixture
    from textmill.pipelines.report.tokenizers import ModelSize, curated_sample, file_sample, publish

    folder = data_folder(data)
    sample = file_sample(texts, text_column, sample_bytes) if texts else curated_sample(folder, sample_bytes)
    sizes = {name: ModelSize(shape.width, shape.tied, shape.layers * shape.width * (
        shape.head_width * 2 * (shape.heads + shape.kv_heads) + 3 * shape.mlp)) for name, shape in SHAPES.items()}
    return publish(folder, tokenizers or (read_mixture(mixture).tokenizer,), sample, parallel, reference, sizes)


@click.command("why", short_help="a page's history, from raw record to block")
@with_options(PAGE, DATA, CONFIG, RULES, MIXTURE, TOKENIZER, SET)
def why(page: str, data: str, config: str, rules: str, mixture: str, tokenizer: str | None,
        set: tuple[str, ...]) -> Iterable[str]:
    """Show the history of PAGE (a URL, an id, a record id or a host), from the record in a raw file to the blocks it is in."""
    from textmill.base.strict import parse_changes
    from textmill.pipelines.contract.stage import RunContext
    from textmill.pipelines.engines.engine import BeamEngine
    from textmill.pipelines.ledger import why as ledger
    from textmill.pipelines.settings import read_config

    configuration = read_config(config, rules, mixture, tokenizer, parse_changes(set))
    return ledger.why(RunContext(data_folder(data), configuration, BeamEngine()), page)


@click.command("rejected", short_help="records that gave no document, and why")
@DATA
@click.option("--rule", metavar="NAME", help="only those of one rule, such as bad_json")
@click.option("--most", type=click.IntRange(min=1), default=20, show_default=True, help="how many to list")
def rejected(data: str, rule: str | None, most: int) -> Iterable[str]:
    """Print ledger/documents/rejected: how many records each rule took, and of each record its file, its line and the reason.

    Those that could not be read come first."""
    from textmill.pipelines.ledger import rejected as ledger

    return ledger.rejected(data_folder(data), rule, most)


@click.command("trace", short_help="the pages in a block")
@click.argument("block", type=int)
@with_options(DATA, MIXTURE)
@click.option("--split", type=click.Choice(["train", "validation"]), default="train", show_default=True, help="which blocks")
def trace(block: int, data: str, mixture: str, split: str) -> Iterable[str]:
    """List the pages in BLOCK, a number in training order, from 0."""
    from textmill.pipelines.ledger import trace as ledger
    from textmill.pipelines.pack.mixture import read_mixture

    return ledger.trace(data_folder(data), read_mixture(mixture).name, split, block)


@click.command("where", short_help="the parts and blocks that contain a page or a host")
@with_options(PAGE, DATA, MIXTURE)
def where(page: str, data: str, mixture: str) -> Iterable[str]:
    """List the parts and blocks that contain PAGE, a URL, an id, a record id or a host."""
    from textmill.pipelines.ledger import trace as ledger

    return ledger.where(data_folder(data), page)


@click.command("duplicates", short_help="what dedup found: clusters, and shares of copies")
@DATA
def duplicates(data: str) -> Iterable[str]:
    """Print what dedup found: totals, clusters by size, the largest, and shares of copies by source, language and host."""
    from textmill.pipelines.report import duplicates_text

    return duplicates_text.lines(data_folder(data))


@click.command("twins", short_help="a page and its copies side by side")
@with_options(PAGE, DATA)
def twins(page: str, data: str) -> Iterable[str]:
    """Show PAGE, a URL or an id, beside its copies: what was kept, what was removed, and every word in which they differ."""
    from textmill.pipelines.ledger.twins import pairs

    return pairs.twins(data_folder(data), page, sys.stdout.isatty() and "NO_COLOR" not in os.environ)


@click.command("what-if", short_help="effect of another rule table")
@click.option("--rules", type=click.Path(), required=True, help="the rule table to try")
@DATA
def what_if(rules: str, data: str) -> Iterable[str]:
    """Compare a rule table with the one that `verdicts` was made by, without reading a text.

    Documents and words by language, source and rule. Dedup comes later: a document that is gained may still be a copy."""
    from textmill.pipelines.ledger.what_if.lines import what_if as lines

    return lines(data_folder(data), rules)


@click.command("plan", short_help="cost estimate of a run")
@with_options(DATA, CONFIG, RULES, MIXTURE, SET, RUNNER, WORKERS)
@click.option("--stored", metavar="SIZE", help="input size to plan for instead of the size of raw/, such as 100TB")
@click.option("--memory-gb", type=float, metavar="GB",
              help="of this machine, or of one worker of a cluster  [default: what this machine has, or 4]")
def plan(data: str, config: str, rules: str, mixture: str, set: tuple[str, ...], runner: str, workers: int | None,
         stored: str | None, memory_gb: float | None) -> Iterable[str]:
    """Estimate the cost of a run: documents, CPU hours, storage, shuffled bytes, and memory of one worker."""
    from textmill.base.strict import parse_changes
    from textmill.pipelines.engines.engine import BeamEngine, processors
    from textmill.pipelines.ledger import cost
    from textmill.pipelines.settings import read_config

    engine = BeamEngine(runner, processors() if workers is None else workers)
    size = cost.stored_bytes(data_folder(data), stored)
    return cost.plan(size, read_config(config, rules, mixture, None, parse_changes(set)), engine, memory_gb).lines()


@click.command("mixture-plan", short_help="what a recipe packs and costs, told before it runs")
@with_options(DATA, CONFIG, RULES, MIXTURE, SET)
@click.option("--shape", metavar="NAME", help="the model to train, such as 124m  [default: the one of the settings]")
def mixture_plan(data: str, config: str, rules: str, mixture: str, set: tuple[str, ...], shape: str | None) -> Iterable[str]:
    """Tell what a mixture packs before it runs: each entry's tokens, passes and blocks, and what training on them takes.

    Read from stored counts; what is told is what `textmill pack` does. Where a recipe cannot be met, the nearest that can is
    printed, to paste, and the exit status is 1."""
    from textmill.base.strict import parse, parse_changes
    from textmill.cli.flow import train_section
    from textmill.pipelines.contract.stage import RunContext
    from textmill.pipelines.engines.engine import BeamEngine
    from textmill.pipelines.ledger import mixture_plan as ledger
    from textmill.pipelines.settings import read_config

    configuration = read_config(config, rules, mixture, None, parse_changes(set))
    context = RunContext(data_folder(data), configuration, BeamEngine())
    section, where = train_section(config, set)
    shape = shape or str(section.get("shape", "ci"))
    try:
        plan = ledger.mixture_plan(context)
    except ledger.UnmetMixtureError as refused:
        yield from refused.lines()
        raise
    yield from plan.lines()
    from textmill.model.training.estimate import Estimate, EstimateSettings

    sizes = {"shape": shape, "architecture": section.get("architecture", "qwen3"), "block": plan.mixture.block,
             "vocabulary": plan.counts["vocabulary"]}
    size = parse(EstimateSettings, sizes, where)
    yield from ledger.model_lines(shape, Estimate(size).size.parameters.total, plan.counts["train"]["tokens"])


REPORT, TOKENIZER_REPORT, WHY, REJECTED, TRACE, WHERE = report, tokenizer_report, why, rejected, trace, where
DUPLICATES, TWINS, WHAT_IF, PLAN, MIXTURE_PLAN = duplicates, twins, what_if, plan, mixture_plan
