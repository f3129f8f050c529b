"""The words around post-training as a whole: from a trained model to an assistant, and the report of a model's life."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from textmill.base.errors import TextmillError
from textmill.cli.options import CONFIG, DATA, DEVICE, PATH, SET, own_or_shipped, with_options
from textmill.cli.posttraining import KIND, known
from textmill.cli.steps import run_steps

TAUGHT_BADLY = ("sorting", "last word")         # kinds that half of the demonstrations get wrong
TEXTS = ("python-docs", "dialogues")            # sources of the demo that the model goes on with


@click.command("life", short_help="a model's phases beside each other: a table, a picture")
@click.argument("phases", nargs=-1, required=True, metavar="NAME=RUN...")
@click.option("--against", metavar="NAME", help="the phase that others are compared with  [default: the second]")
@click.option("--blocks", type=PATH, metavar="FOLDER", help="pretraining text: what was forgotten of its held-out blocks")
@click.option("--dialogues", type=PATH, metavar="FOLDER", help="blocks of dialogues, of which those held out are looked at")
@click.option("--reward", type=PATH, metavar="FOLDER", help="a reward model: chooses among drawn answers, and judges")
@KIND
@click.option("--count", type=click.IntRange(min=1), default=40, show_default=True, help="held-out tasks of each kind")
@click.option("--draws", type=click.IntRange(min=1), default=8, show_default=True, help="answers to each, at temperature 1")
@click.option("--to", type=click.Path(path_type=Path), required=True, metavar="FOLDER",
              help="where life.json, life.svg and life.html go")
@DEVICE
def life(phases: Sequence[str], against: str | None, blocks: str | None, dialogues: str | None, reward: str | None,
         kinds: tuple[str, ...], count: int, draws: int, to: Path, device: str) -> Iterator[str]:
    """Put the phases of a model to the same tests: pretrained, fine-tuned, preferred, reinforced.

    Bits per byte of held-out text, held-out tasks (greedy, drawn, the best of several by the reward model), distance and wins
    against one phase, length, calibration, and the same prompts answered by each."""
    from textmill.model.data.blocks import PackedMixture
    from textmill.model.device import choose_device
    from textmill.model.judging.life import Exam, life, tasks_of
    from textmill.model.judging.life_page import as_json, lines, page, picture
    from textmill.model.posttraining.reward import open_reward
    from textmill.model.posttraining.start import start_from

    named = _named(phases, against)
    card = choose_device(device)
    starts = {name: start_from(run) for name, run in named.items()}
    judge, begin = (None, None) if reward is None else open_reward(reward, card)
    _same_tokenizer(starts if begin is None else {**starts, "the reward model": begin})
    exam = Exam(tasks_of(known(kinds), count), draws, text=None if blocks is None else PackedMixture(blocks),
                dialogues=None if dialogues is None else PackedMixture(dialogues), reward=judge)
    measured = life(starts, exam, against or list(named)[min(1, len(named) - 1)], card)
    to.mkdir(parents=True, exist_ok=True)
    shown = [next(number for number, task in enumerate(exam.tasks) if task.kind == kind) for kind in measured[0].kinds]
    for name, text in (("life.json", as_json(measured)), ("life.svg", picture(measured)),
                       ("life.html", page(measured, exam.tasks, shown))):
        (to / name).write_text(text, "utf-8")
    yield from lines(measured)
    yield f"life: in {to / 'life.html'}, with figures in life.json and a picture in life.svg"


def _named(phases: Sequence[str], against: str | None) -> dict[str, str]:
    """The runs by name. UsageError where they are not so."""
    named = dict(phase.partition("=")[::2] for phase in phases)
    if wrong := [phase for phase in phases if not all(phase.partition("="))]:
        raise click.UsageError(f"{wrong[0]!r} is not NAME=RUN, such as base=data/checkpoints/demo")
    if len(named) < len(phases):
        raise click.UsageError("two phases have the same name; give each its own")
    if against is not None and against not in named:
        raise click.UsageError(f"--against {against}: there is no such phase; there are {', '.join(named)}")
    return named


def _same_tokenizer(starts: dict[str, Any]) -> None:
    """TextmillError where two runs read different tokenizers."""
    (first, start), *others = starts.items()
    for name, other in others:
        if other.encoder.sha256 != start.encoder.sha256:
            raise TextmillError(f"{name} reads another tokenizer than {first}, so they cannot be compared by tokens")


@click.command("assistant", short_help="a trained model to an assistant, every method beside")
@with_options(DATA, CONFIG, SET)
@click.option("--from", "start", type=PATH, metavar="FOLDER", help="the trained run  [default: DATA/checkpoints/demo]")
@click.option("--to", type=PATH, metavar="FOLDER", help="a data folder of its own  [default: DATA/assistant]")
@DEVICE
def assistant(data: str, config: str, set: tuple[str, ...], start: str | None, to: str | None, device: str) -> Iterator[str]:
    """Take a trained model, such as the demo's, through all of post-training, in a quarter of an hour on two cores.

    Tasks with checkable answers, the shipped dialogues and pretraining text go through the mill. The model is fine-tuned on
    them; taught badly, by demonstrations of which half are wrong; and repaired by DPO, GRPO and PPO. A reward model is trained
    on the same comparisons. The report of its life is DATA/assistant/life/life.html."""
    if "://" in data:
        raise TextmillError(f"the assistant is made in local folders, and {data} is none; give another --data")
    begin, home = Path(start or f"{data}/checkpoints/demo"), Path(to or f"{data}/assistant")
    _copy(Path(data), begin, home)
    given = [f"--config={config}", *(f"--set={change}" for change in set)]
    run_steps(assistant_steps(begin, home, given, f"--device={device}"))
    yield f"assistant: done; look at {home}/life/life.html, and `textmill serve --run {home}/checkpoints/grpo`"


def _copy(data: Path, begin: Path, home: Path) -> None:
    """Texts and tokenizer of the demo, into a data folder of its own. TextmillError where they are not there."""
    needed = [*(data / "raw" / source for source in TEXTS), data / "tokenizers", begin]
    if missing := [path for path in needed if not path.is_dir()]:
        raise TextmillError(f"there is no {missing[0]}; run `textmill demo` first, or name its folder with --data")
    for source in TEXTS:
        shutil.copytree(data / "raw" / source, home / "raw" / source, dirs_exist_ok=True)
    shutil.copytree(data / "tokenizers", home / "tokenizers", dirs_exist_ok=True)


def assistant_steps(begin: Path, home: Path, given: list[str], device: str) -> list[list[str]]:
    """What the word runs, in order, in the folder `home`; `given` are settings, for every step."""
    raw, runs, pairs = home / "raw", home / "checkpoints", home / "comparisons/comparisons.jsonl"
    badly, data = [f"--task={kind}" for kind in TAUGHT_BADLY], f"--data={home}"

    def mixture(name: str) -> str:
        return f"--mixture={own_or_shipped(f'mixtures/{name}.yaml')}"

    def run(word: str, start: Path, name: str, *more: str) -> list[str]:
        return [word, f"--from={start}", f"--run={runs / name}", "--replace", *more, *given, device]

    start = runs / "mixed"
    return [
        ["tasks", f"--to={raw}/tasks/tasks.jsonl", "--count=12000", "--seed=1"],
        ["tasks", f"--to={raw}/mixed/mixed.jsonl", "--count=2000", "--seed=2", "--mistakes=0.5", *badly],
        ["tasks", f"--to={raw}/pairs/pairs.jsonl", "--count=3000", "--seed=3", "--pairs", *badly],
        run("finetune", begin, "sft", data, mixture("assistant"), "--set=finetune.steps=480",
            "--set=finetune.validation_every=60", "--set=finetune.save_every=60"),
        run("finetune", runs / "sft", "mixed", data, mixture("mixed"), "--set=finetune.steps=60", "--set=finetune.lr=0.001"),
        ["comparisons", data, f"--to={pairs.parent}"],
        run("reward", start, "reward", f"--comparisons={pairs}", "--set=reward.lr=0.002"),
        run("prefer", start, "dpo", f"--comparisons={pairs}", "--set=prefer.lr=0.0003", "--set=prefer.steps=100",
            "--set=prefer.epochs=null"),
        run("grpo", start, "grpo", *badly, "--set=grpo.steps=200"),
        run("ppo", start, "ppo", *badly, "--set=ppo.steps=200"),
        ["life", f"base={begin}", *(f"{name}={runs / name}" for name in ("sft", "mixed", "dpo", "grpo", "ppo")),
         "--against=mixed", f"--reward={runs / 'reward'}", f"--blocks={begin.parent.parent}/blocks/{begin.name}",
         f"--dialogues={home}/blocks/assistant", f"--to={home / 'life'}", device],
    ]


LIFE, ASSISTANT = life, assistant
