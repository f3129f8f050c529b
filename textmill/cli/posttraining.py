"""The words from a trained model to an assistant."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from textmill.cli.flow import limit_kernels, train_section
from textmill.cli.options import CONFIG, DATA, DEVICE, FILE, PATH, SET, data_folder, with_options

START = click.option("--from", "start", type=PATH, required=True, metavar="FOLDER",
                     help="the run, or checkpoint, to start from")
HOME = click.option("--run", type=PATH, required=True, metavar="FOLDER", help="where checkpoints and the log go")
REPLACE = click.option("--replace", is_flag=True, help="delete a run of another kind found in --run")
COMPARISONS_FILE = click.option("--comparisons", type=FILE, required=True, metavar="FILE",
                                help="JSONL of prompt, chosen, rejected, such as `textmill comparisons` writes")
KIND = click.option("--task", "kinds", multiple=True, metavar="KIND",
                    help="only this kind of task; may be repeated  [default: all]")


@click.command("tasks", short_help="writes tasks with checkable answers, as dialogues")
@click.option("--to", type=FILE, required=True, metavar="FILE",
              help="JSONL of prompt and response, such as raw/tasks/tasks.jsonl")
@click.option("--count", type=click.IntRange(min=1), default=2000, show_default=True, help="how many")
@click.option("--seed", type=int, default=1, show_default=True, help="another seed, other tasks")
@click.option("--held-out", is_flag=True, help="of the fifth that nothing is trained on")
@click.option("--mistakes", type=click.FloatRange(0, 1), default=0.0, show_default=True, metavar="SHARE",
              help="so many answers are wrong: demonstrations of mixed quality")
@click.option("--pairs", is_flag=True, help="compared answers, prompt, chosen and rejected: the right one and a mistake")
@KIND
def tasks(to: Path, count: int, seed: int, held_out: bool, mistakes: float, pairs: bool, kinds: tuple[str, ...]) -> str:
    """Write tasks with computed answers: arithmetic in words, dates, sorting, spelling, units, tables, the last word.

    Each prompt once. `extract` reads the file as dialogues; which tasks are held out follows from a hash of the prompt."""
    from textmill.model.posttraining.jsonl import write_lines
    from textmill.model.posttraining.tasks import Task, demonstration, generate, mistake

    given = {task.prompt: task for task in generate(count, seed, held_out, known(kinds))}

    def line(task: Task) -> dict[str, str]:
        answers = ({"chosen": task.answer, "rejected": mistake(task)} if pairs
                   else {"response": demonstration(task, mistakes)})
        return {"prompt": task.prompt, **answers, "kind": task.kind}

    write_lines(to, map(line, given.values()))
    return f"tasks: {len(given):,} different ones of {count:,} drawn, in {to}"


@click.command("comparisons", short_help="writes the compared answers in curated dialogues")
@DATA
@click.option("--to", type=PATH, required=True, metavar="FOLDER", help="where comparisons.jsonl goes")
def comparisons(data: str, to: str) -> Iterable[str]:
    """Write what curation left of compared pairs, as JSONL of prompt, chosen and rejected with the ids of both documents."""
    from textmill.pipelines.standalone.comparisons import write_comparisons

    return write_comparisons(data_folder(data), Path(to))


@click.command("reward", short_help="trains a reward model on comparisons")
@with_options(START, COMPARISONS_FILE, HOME, CONFIG, SET, REPLACE, DEVICE)
def reward(start: str, comparisons: Path, run: str, config: str, set: tuple[str, ...], replace: bool, device: str) -> str:
    """Train a reward model: the decoder with a scalar head, by the loss of Bradley and Terry. Settings: section `reward`."""
    limit_kernels()
    from textmill.base.strict import parse
    from textmill.model.device import choose_device
    from textmill.model.posttraining.reward import train_reward
    from textmill.model.posttraining.settings import RewardSettings

    section, where = train_section(config, set, "reward")
    return train_reward(start, comparisons, run, parse(RewardSettings, section, where), choose_device(device), replace)


@click.command("prefer", short_help="moves a model towards chosen answers (DPO, IPO)")
@with_options(START, COMPARISONS_FILE, HOME, CONFIG, SET, REPLACE, DEVICE)
def prefer(start: str, comparisons: Path, run: str, config: str, set: tuple[str, ...], replace: bool, device: str) -> str:
    """Move a model towards the chosen answers of comparisons, held by the one it starts from. Settings: section `prefer`."""
    limit_kernels()
    from textmill.base.strict import parse
    from textmill.model.device import choose_device
    from textmill.model.posttraining.prefer import train_prefer
    from textmill.model.posttraining.settings import PreferSettings

    section, where = train_section(config, set, "prefer")
    return train_prefer(start, comparisons, run, parse(PreferSettings, section, where), choose_device(device), replace)


REWARD_MODEL = click.option("--reward", type=PATH, metavar="FOLDER", help="a reward model's run  [default: the tasks' checker]")
BLOCKS = click.option("--blocks", type=PATH, metavar="FOLDER", help="pretraining text, for `pretraining` of the settings")


@click.command("grpo", short_help="reinforces answers above the others to a prompt")
@with_options(START, HOME, KIND, REWARD_MODEL, BLOCKS, CONFIG, SET, REPLACE, DEVICE)
def grpo(**given: Any) -> str:
    """Reinforce a model's own answers to tasks by group-relative policy optimisation. Settings: section `grpo`."""
    return policy("grpo", **given)


@click.command("ppo", short_help="reinforces answers by PPO, with a value head")
@with_options(START, HOME, KIND, REWARD_MODEL, BLOCKS, CONFIG, SET, REPLACE, DEVICE)
def ppo(**given: Any) -> str:
    """Reinforce a model's own answers to tasks by proximal policy optimisation. Settings: section `ppo`."""
    return policy("ppo", **given)


def policy(method: str, start: str, run: str, kinds: tuple[str, ...], reward: str | None, blocks: str | None, config: str,
           set: tuple[str, ...], replace: bool, device: str) -> str:
    """Train by a method, rewarded by the tasks' checker or by a reward model."""
    limit_kernels()
    from textmill.base.strict import parse
    from textmill.model import ModelError
    from textmill.model.device import choose_device
    from textmill.model.posttraining.policy import train_policy
    from textmill.model.posttraining.reward import open_reward
    from textmill.model.posttraining.rollouts import Reward, by_model, checked
    from textmill.model.posttraining.settings import GrpoSettings, PpoSettings
    from textmill.model.posttraining.start import start_from

    section, where = train_section(config, set, method)
    settings = parse(PpoSettings, section, where) if method == "ppo" else parse(GrpoSettings, section, where)
    card, name = choose_device(device), "the tasks' checker"
    rewards: Reward = checked
    if reward is not None:
        model, begin = open_reward(reward, card)
        if begin.encoder.sha256 != start_from(start).encoder.sha256:
            raise ModelError(f"{reward} reads another tokenizer than {start}, so its rewards mean nothing for it; train one "
                             f"from {start}")
        rewards = by_model(model, begin.encoder)
        name = f"{begin.checkpoint} {begin.sha256}"
    return train_policy(start, run, settings, card, known(kinds), rewards, name, blocks, replace)


def known(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Kinds of tasks that there are; all where none is named."""
    from textmill.model.posttraining.tasks import KINDS

    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise click.UsageError(f"there is no task {unknown[0]!r}; there are {', '.join(KINDS)}")
    return kinds or tuple(KINDS)


TASKS, COMPARISONS, REWARD, PREFER, GRPO, PPO = tasks, comparisons, reward, prefer, grpo, ppo
