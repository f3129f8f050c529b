"""What restraint does to a model fine-tuned on tasks: R-tuning data from its own answers, 250 updates, risk and coverage.

    python -m benchmarks.restraint --start data/checkpoints/chat --tokenizer data/tokenizers/demo-8k --work restraint

writes benchmarks/results/restraint.txt and restraint.svg. Questions to learn from are others than the model was fine-tuned on
(as far as a kind has so many), and none is held out; a second run, with the right answers and no refusal, shows what the
updates do by themselves. Whatever is in --work is used and not made again.
"""

import argparse
import contextlib
import io
import shutil
from datetime import date
from pathlib import Path

from textmill.cli import main as textmill

RESULTS = Path(__file__).parent / "results"
STAGES = ("extract", "measure", "screen", "dedup", "curate", "tokenize", "pack")
MIXTURE = """name: {name}
block: 512
tokens: 200_000
seed: 11
validation: 0.05
tokenizer: {tokenizer}
entries:
  {name}: {{where: {{source: {name}}}, share: 1, repeat: 20, learn: [assistant]}}
"""
TRAINING = ("train.steps=250", "train.batch=4", "train.lr=0.002", "train.validation_every=125", "train.save_every=125")


def run(*arguments: object) -> str:
    """What a word prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if textmill([str(argument) for argument in arguments]):
            raise SystemExit(f"{arguments[0]} failed")
    print(printed.getvalue(), end="", flush=True)
    return printed.getvalue()


def fine_tuned(data: Path, name: str, start: Path, tokenizer: Path) -> Path:
    """The run trained on the source of this name in a data folder, which goes through every stage."""
    if not (data / "tokenizers" / tokenizer.name).exists():
        shutil.copytree(tokenizer, data / "tokenizers" / tokenizer.name)
    mixture = data / "mixture.yaml"
    mixture.write_text(MIXTURE.format(name=name, tokenizer=tokenizer.name))
    for stage in STAGES:
        run(stage, "--alone", "--data", data, "--mixture", mixture, "--workers", 1)
    run("train", "--blocks", data / "blocks" / name, "--run", data / "after", "--from", start,
        *(part for change in TRAINING for part in ("--set", change)))
    return data / "after"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--start", type=Path, required=True, help="a run fine-tuned on tasks of another seed")
    parser.add_argument("--tokenizer", type=Path, required=True, help="its tokenizer's folder")
    parser.add_argument("--work", type=Path, required=True, help="where data and runs go")
    given = parser.parse_args()
    work, questions, held_out = given.work, given.work / "questions.jsonl", given.work / "held-out.jsonl"
    run("tasks", "--to", questions, "--count", 3000, "--seed", 21)
    run("tasks", "--to", held_out, "--count", 900, "--seed", 5, "--held-out")
    restrained, control = work / "restrained", work / "control"
    rows, said = restrained / "raw/restrained/restrained.jsonl", work / "restrain.txt"
    if not said.exists():
        said.write_text(run("restrain", "--from", given.start, "--questions", questions, "--to", rows).replace(f"{work}/", ""))
    (control / "raw/tasks").mkdir(parents=True, exist_ok=True)
    shutil.copy2(questions, control / "raw/tasks/tasks.jsonl")
    parts = ["The questions that became refusals:", said.read_text()]
    for name, data, title in (("restrained", restrained, "After restraint"),
                              ("tasks", control, "Control, fine-tuned on the right answers without a refusal")):
        picture = ["--to", RESULTS / "restraint.svg"] if data == restrained else []
        parts += [f"{title}, on held-out questions:",
                  run("risk-coverage", "--before", given.start, "--after", fine_tuned(data, name, given.start, given.tokenizer),
                      "--questions", held_out, *picture)]
    parts.append(f"250 updates of 2,048 tokens from a model fine-tuned on tasks of another seed; one seed; {date.today()}.")
    (RESULTS / "restraint.txt").write_text("\n".join(parts) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
