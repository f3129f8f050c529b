"""The words of factual restraint: what a model does not know, as data to fine-tune on, and what that changed."""

import json
from collections.abc import Iterable
from pathlib import Path

import click

from textmill.cli.flow import train_section
from textmill.cli.options import CONFIG, DEVICE, FILE, PATH, SET, with_options
from textmill.cli.posttraining import START

QUESTIONS = click.option("--questions", type=FILE, required=True, metavar="FILE",
                         help="JSONL of prompt and response, as `textmill tasks` writes it, or messages")


@click.command("restrain", short_help="writes dialogues that refuse what a model does not know")
@with_options(START, QUESTIONS)
@click.option("--to", type=FILE, required=True, metavar="FILE", help="JSONL, such as raw/restrained/restrained.jsonl")
@with_options(CONFIG, SET, DEVICE)
def restrain(start: str, questions: Path, to: Path, config: str, set: tuple[str, ...], device: str) -> Iterable[str]:
    """Write questions as dialogues that are answered where the model's own samples know the answer, and else refused.

    Settings: section `restrain`. `extract` reads the file as dialogues."""
    from textmill.base.strict import parse
    from textmill.model.device import choose_device
    from textmill.model.generation.language_model import LanguageModel
    from textmill.model.posttraining.questions import read_questions
    from textmill.model.posttraining.restraint import RestrainSettings, write_restrained
    from textmill.model.posttraining.start import start_from

    section, where = train_section(config, set, "restrain")
    settings, read = parse(RestrainSettings, section, where), read_questions(questions)
    begin = start_from(start)
    return write_restrained(LanguageModel.load(begin.checkpoint, choose_device(device)), begin.encoder, read, to, settings)


@click.command("risk-coverage", short_help="what two runs answer, refuse and get wrong")
@click.option("--before", type=PATH, required=True, metavar="FOLDER", help="a run, or checkpoint")
@click.option("--after", type=PATH, required=True, metavar="FOLDER", help="one that learned restraint")
@with_options(QUESTIONS)
@click.option("--to", type=FILE, metavar="FILE", help="the curves as a picture (.svg)")
@click.option("--json", "as_json", is_flag=True, help="print the figures and curves as JSON")
@with_options(CONFIG, SET, DEVICE)
def risk_coverage(before: str, after: str, questions: Path, to: Path | None, as_json: bool, config: str, set: tuple[str, ...],
                  device: str) -> Iterable[str]:
    """Compare two runs on questions that neither was trained on: shares answered, refused and wrong, by coverage.

    What is a refusal, and how long an answer may be, is in the section `restrain` of the settings."""
    from textmill.base.strict import parse
    from textmill.model.device import choose_device
    from textmill.model.generation.language_model import LanguageModel
    from textmill.model.posttraining import risk_coverage as figures
    from textmill.model.posttraining.questions import read_questions
    from textmill.model.posttraining.restraint import RestrainSettings
    from textmill.model.posttraining.risk_coverage_picture import picture
    from textmill.model.posttraining.start import start_from

    section, where = train_section(config, set, "restrain")
    settings, read = parse(RestrainSettings, section, where), read_questions(questions)
    found = {}
    for side, run in (("before", before), ("after", after)):
        begin = start_from(run)
        model = LanguageModel.load(begin.checkpoint, choose_device(device))
        found[side] = figures.outcomes(model, begin.encoder, read, settings)
    each, both = figures.compare(found["before"], found["after"])
    if to is not None:
        to.write_text(picture({f"{side}: {Path(run).name}": figures.curve(found[side])
                               for side, run in (("before", before), ("after", after))}), "utf-8")
    if as_json:
        yield json.dumps(figures.as_json(each, both, found), indent=1)
        return
    kinds = [question.kind for question in read]
    yield from figures.lines((Path(before).name, Path(after).name), each, both, len(read))
    if any(kind != kinds[0] for kind in kinds):
        yield from figures.lines_by_kind(kinds, found["before"], found["after"])


RESTRAIN, RISK_COVERAGE = restrain, risk_coverage
