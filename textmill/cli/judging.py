"""The words for learning from a judge's opinion: pairs of answers judged, and answers revised by a principle."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textmill.cli.flow import train_section
from textmill.cli.options import CONFIG, DEVICE, FILE, PATH, SET, with_options

if TYPE_CHECKING:
    from textmill.model.judging.endpoint import Endpoint
    from textmill.model.judging.journal import Journal
    from textmill.model.judging.speakers import Voice
    from textmill.model.judging.verdicts import Judge
    from textmill.model.posttraining.settings import JudgeSettings

PROMPTS = click.option("--prompts", type=FILE, metavar="FILE",
                       help="JSONL of prompts, such as `textmill tasks` writes, to answer first")
START = click.option("--from", "start", type=PATH, metavar="FOLDER", help="the run, or checkpoint, that answers --prompts")
ENDPOINT = click.option("--endpoint", metavar="URL", help="an OpenAI-compatible server, such as http://127.0.0.1:8000/v1")
MODEL = click.option("--model", metavar="NAME", help="the model to ask there")
KEY = click.option("--api-key-file", type=FILE, metavar="FILE", help="a file with the endpoint's key")
PRINCIPLE = click.option("--principle", type=FILE, metavar="FILE", help="the principle as a text  [default: judge.principle]")
TO = click.option("--to", type=FILE, required=True, metavar="FOLDER", help="where comparisons and the rest go")


@click.command("judge", short_help="compares answers by a judge: RLAIF")
@click.option("--pairs", type=FILE, metavar="FILE",
              help="JSONL of prompt and two `answers`, or of prompt, chosen and rejected, by which the judge is judged")
@with_options(PROMPTS, START)
@click.option("--against", type=PATH, metavar="FOLDER", help="the win rate over the answers of this run, one to a prompt")
@with_options(ENDPOINT, MODEL, KEY)
@click.option("--judge", "by", type=PATH, metavar="FOLDER",
              help="a run that judges by its log-probabilities  [default: --from]")
@click.option("--reward", type=PATH, metavar="FOLDER", help="a reward model's run that judges")
@with_options(PRINCIPLE, TO, CONFIG, SET, DEVICE)
def judge(pairs: Path | None, prompts: Path | None, start: str | None, against: str | None, endpoint: str | None,
          model: str | None, api_key_file: Path | None, by: str | None, reward: str | None, principle: Path | None, to: Path,
          config: str, set: tuple[str, ...], device: str) -> Iterable[str]:
    """Compare answers by a judge, and write what it prefers as comparisons for `reward` and `prefer`.

    The judge is an endpoint that says its verdict, a run of ours by the chance of its saying A or B, or a reward model. Each
    pair is asked in both orders: a judge that contradicts itself makes a tie, kept apart. Settings: section `judge`."""
    from collections import Counter

    from textmill.model.device import choose_device
    from textmill.model.judging.journal import Journal
    from textmill.model.judging.judgements import (
        COMPARISONS,
        EQUAL,
        JOURNAL,
        Drawn,
        drawn_pairs,
        judge_pairs,
        matched_pairs,
        read_pairs,
        read_prompts,
        write_figures,
    )
    from textmill.model.judging.speakers import Voice, run_speaker
    from textmill.model.judging.verdicts import figures, rate

    if (pairs is None) == (prompts is None) or (prompts is None) != (start is None):
        raise click.UsageError("give --pairs, or --prompts with --from, the run that answers them")
    if against and not prompts:
        raise click.UsageError("--against needs --prompts, which both runs answer")
    if sum(map(bool, (endpoint, by, reward))) > 1 or not (endpoint or by or reward or start):
        raise click.UsageError("give one judge: --endpoint, --judge or --reward")
    settings, card = judge_settings(config, set, principle), choose_device(device)
    drawn = Drawn(read_pairs(pairs), 0, Counter()) if pairs else None
    asked = read_prompts(prompts) if prompts else []
    journal = Journal(to / JOURNAL)
    speaking = Voice(start, card) if start else None
    if endpoint:
        name, chooses = speaking_judge(endpoint_of(endpoint, model, api_key_file, settings, journal), settings)
    elif reward:
        name, chooses = reward_judge(reward, card)
    else:
        name, chooses = reading_judge(speaking if by is None else Voice(by, card), settings, journal)
    if asked and speaking:
        ours = run_speaker(speaking, journal)
        drawn = (matched_pairs(asked, ours, run_speaker(Voice(against, card), journal), settings) if against
                 else drawn_pairs(asked, ours, settings))
    assert drawn
    verdicts = judge_pairs(drawn.pairs, chooses, name, to, not pairs and not against and settings.pairs == "best-worst")
    found: dict[str, Any] = {"judge": name, "principle": settings.principle} | figures(verdicts)
    if drawn.answers:
        found["answers"] = {"drawn": drawn.answers, "left out": dict(sorted(drawn.left_out.items()))}
    if against:
        found["win rate"] = rate(verdicts, drawn.left_out[EQUAL])._asdict()
    yield f"judge: {name}"
    yield from (f"judge: {line}" for line in write_figures(to, found))
    yield f"judge: comparisons in {to / COMPARISONS}"


@click.command("revise", short_help="answers criticised and revised by a principle")
@with_options(PROMPTS, START, ENDPOINT, MODEL, KEY, PRINCIPLE, TO, CONFIG, SET, DEVICE)
def revise(prompts: Path | None, start: str | None, endpoint: str | None, model: str | None, api_key_file: Path | None,
           principle: Path | None, to: Path, config: str, set: tuple[str, ...], device: str) -> Iterable[str]:
    """Answer prompts, criticise each answer by a principle and revise it (constitutional AI).

    The run given by --from drafts; the endpoint criticises and revises, and drafts where there is no run; without an endpoint
    the run does all three. Written are comparisons of revision and draft, and the revised as dialogues. Settings: section
    `judge`."""
    from textmill.model.device import choose_device
    from textmill.model.judging.journal import Journal
    from textmill.model.judging.judgements import JOURNAL, read_prompts
    from textmill.model.judging.revising import revisions, write_revisions
    from textmill.model.judging.speakers import Speaker, Voice, run_speaker

    if prompts is None or not (start or endpoint):
        raise click.UsageError("give --prompts, and --from, a run, or --endpoint, or both")
    settings, asked, journal = judge_settings(config, set, principle), read_prompts(prompts), Journal(to / JOURNAL)
    name, drafts, critic = "", None, None
    if start:
        voice = Voice(start, choose_device(device))
        name, drafts = voice.name, run_speaker(voice, journal)
    if endpoint:
        there = endpoint_of(endpoint, model, api_key_file, settings, journal)
        name, critic = there.name, there
    speaker: Speaker | None = drafts or critic
    assert speaker
    return write_revisions(revisions(asked, speaker, critic or speaker, settings), name, to)


def judge_settings(config: str, set: tuple[str, ...], principle: Path | None) -> "JudgeSettings":
    """Section `judge`, with the principle of a file where one is given."""
    from dataclasses import replace

    from textmill.base.strict import parse
    from textmill.model import ModelError
    from textmill.model.posttraining.settings import JudgeSettings

    section, where = train_section(config, set, "judge")
    settings = parse(JudgeSettings, section, where)
    if principle is None:
        return settings
    try:
        text = principle.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{principle} cannot be read ({error}); write the principle there") from None
    if not text:
        raise ModelError(f"{principle} is empty; say there what makes an answer the better one")
    return replace(settings, principle=text)


def endpoint_of(address: str, model: str | None, key: Path | None, settings: "JudgeSettings", journal: "Journal") -> "Endpoint":
    """The model behind an address."""
    from textmill.model.judging.endpoint import Endpoint, read_key

    if not model:
        raise click.UsageError("--endpoint needs --model, the name of the model there")
    return Endpoint(address, model, journal, read_key(key) if key else None, settings.timeout, settings.tries,
                    settings.parallel, settings.request)


def speaking_judge(endpoint: "Endpoint", settings: "JudgeSettings") -> "tuple[str, Judge]":
    """An endpoint that says its verdict, and its name."""
    from textmill.model.judging.judges import by_speaker

    return endpoint.name, by_speaker(endpoint, settings.principle, settings.max_tokens)


def reading_judge(voice: "Voice | None", settings: "JudgeSettings", journal: "Journal") -> "tuple[str, Judge]":
    """A run that is read by its log-probabilities, and its name."""
    from textmill.model.judging.judges import by_log_probability

    assert voice
    return f"log-probabilities of {voice.name}", by_log_probability(voice, settings.principle, journal)


def reward_judge(run: str, device: Any) -> "tuple[str, Judge]":
    """A reward model, and its name."""
    from textmill.model.judging.judges import by_reward
    from textmill.model.posttraining.reward import open_reward

    model, begin = open_reward(run, device)
    return f"reward model {begin.home.name}/{begin.checkpoint.name} {begin.sha256[:16]}", by_reward(model, begin.encoder)


JUDGE, REVISE = judge, revise
