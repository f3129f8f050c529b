"""What each method of post-training does to a model that was taught badly, with three seeds, and what it costs.

    python -m benchmarks.posttraining_seeds --data DATA

DATA is the data folder of a finished `textmill assistant`, such as data. From its fine-tuned model each seed goes through a
spoiling by demonstrations of which half are wrong (the seed orders the blocks), a reward model, DPO, GRPO and PPO, and the
report of its life on held-out tasks of the two kinds. Processor seconds are a whole command's, start and validation included.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import mean

RESULT = Path(__file__).parent / "results/posttraining-seeds.md"
KINDS = ("sorting", "last word")
TASKS = [f"--task={kind}" for kind in KINDS]
SEEDS = (1, 2, 3)
SHORT = 140             # updates of fine-tuning: about 60 processor seconds
COUNT = 100             # held-out tasks of each kind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    home, base = given.data / "assistant", given.data / "checkpoints/demo"
    pairs, begin = home / "comparisons/comparisons.jsonl", time.time()
    short = home / "seeds/short"
    seconds = run("finetune", f"--from={base}", f"--blocks={home}/blocks/assistant", f"--run={short}", "--replace",
                  f"--set=finetune.steps={SHORT}")
    run("life", f"base={base}", f"short={short}", f"--to={short}-life", f"--count={COUNT}")
    form = {kind: found["form"] for kind, found in figures(Path(f"{short}-life"), "short")["kinds"].items()}
    rows = [of_seed(seed, home, pairs) for seed in SEEDS]
    RESULT.write_text(table(rows, form, seconds, time.time() - begin), "utf-8")
    print(RESULT.read_text("utf-8"))


def of_seed(seed: int, home: Path, pairs: Path) -> dict[str, dict[str, object]]:
    """Figures and processor seconds of each phase."""
    runs, spent = home / f"seeds/{seed}", {}
    mixture = Path(__file__).parents[1] / "mixtures/mixed.yaml"
    copy = runs / "mixed.yaml"
    runs.mkdir(parents=True, exist_ok=True)
    text = mixture.read_text("utf-8")
    copy.write_text(text.replace("name: mixed", f"name: mixed-{seed}").replace("seed: 11", f"seed: {seed}"), "utf-8")
    start = runs / "mixed"
    spent["mixed"] = run("finetune", f"--from={home}/checkpoints/sft", f"--data={home}", f"--mixture={copy}", f"--run={start}",
                         "--replace", "--set=finetune.steps=60", "--set=finetune.lr=0.001")
    for word, name, *more in (
            ("reward", "reward", f"--comparisons={pairs}", "--set=reward.lr=0.002"),
            ("prefer", "dpo", f"--comparisons={pairs}", "--set=prefer.lr=0.0003", "--set=prefer.steps=100",
             "--set=prefer.epochs=null"),
            ("grpo", "grpo", *TASKS, "--set=grpo.steps=200"), ("ppo", "ppo", *TASKS, "--set=ppo.steps=200")):
        spent[name] = run(word, f"--from={start}", f"--run={runs / name}", "--replace", f"--set={word}.seed={seed}", *more)
    run("life", *(f"{name}={runs / name}" for name in ("mixed", "dpo", "grpo", "ppo")), "--against=mixed",
        f"--reward={runs / 'reward'}", f"--count={COUNT}", f"--to={runs / 'life'}", *TASKS)
    found = {name: {**figures(runs / "life", name), "seconds": spent[name]} for name in ("mixed", "dpo", "grpo", "ppo")}
    log = map(json.loads, (runs / "reward/log.jsonl").read_text("utf-8").splitlines())
    right = [line["validation"] for line in log if "validation" in line][-1]
    return found | {"reward": {"right": right, "seconds": spent["reward"]}}


def run(*arguments: str) -> float:
    """Run a word on one thread; its processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "textmill", *arguments], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def figures(folder: Path, name: str) -> dict[str, object]:
    """What a report of a life says of a phase."""
    return next(phase for phase in json.loads((folder / "life.json").read_text("utf-8")) if phase["name"] == name)


def table(rows: list[dict[str, dict]], form: dict[str, float], seconds: float, took: float) -> str:
    """The result as Markdown."""
    lines = [f"{date.today()}, torch {version('torch')}; {took / 60:.0f} minutes.", "",
             f"Share of held-out tasks right at temperature 1 ({COUNT} of a kind, 8 draws each), seeds "
             f"{', '.join(map(str, SEEDS))}.",
             "", "| | sorting | gain | last word | gain | KL a token | processor s |",
             "|---|---|---:|---|---:|---|---|"]
    for name in ("mixed", "dpo", "grpo", "ppo"):
        cells = [name]
        for kind in KINDS:
            before, after = ([row[phase]["kinds"][kind]["drawn"] for row in rows] for phase in ("mixed", name))
            cells += [shown(after), "" if name == "mixed" else f"{mean(after) - mean(before):+.3f}"]
        kl = "" if name == "mixed" else shown([row[name]["kl"] for row in rows])
        lines.append(f"| {' | '.join([*cells, kl, shown([row[name]['seconds'] for row in rows], 0)])} |")
    best = [["best of 8 by the reward model", *(cell for kind in KINDS for cell in (
        shown([row[name]["kinds"][kind]["chosen"] for row in rows]),
        f"{mean(row[name]['kinds'][kind]['chosen'] - row[name]['kinds'][kind]['drawn'] for row in rows):+.3f}")), "", ""]
        for name in ("mixed",)]
    lines += [f"| mixed, {' | '.join(row)} |" for row in best]
    lines += ["", f"Reward model: {shown([row['reward']['right'] for row in rows])} of held-out pairs ranked right, in "
              f"{shown([row['reward']['seconds'] for row in rows], 0)} processor seconds.", "",
              f"In the form of an answer after {SHORT} updates of fine-tuning ({seconds:.0f} processor seconds), drawn: "
              + ", ".join(f"{kind} {share:.3f}" for kind, share in form.items()) + "."]
    return "\n".join(lines) + "\n"


def shown(values: list[float], digits: int = 3) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)


if __name__ == "__main__":
    main()
