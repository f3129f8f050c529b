"""What searching is worth on tasks with checkable answers: one draw, the likeliest, best of eight, the vote of eight.

    python -m benchmarks.searching --run RUN

RUN is a model that was fine-tuned on tasks (docs/posttraining.md). Held-out tasks of each kind, which training never saw, are
answered at temperature 1 by the engine; `best` takes the answer with the highest mean log-probability, `vote` the most
frequent.
"""

import argparse
import time
from datetime import date
from pathlib import Path

import torch

from textmill.model.generation.engine import Engine
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.generation.search import best_of, self_consistency
from textmill.model.posttraining.comparisons import prompt_ids
from textmill.model.posttraining.start import start_from
from textmill.model.posttraining.tasks import KINDS, generate, is_right

RESULT = Path(__file__).parent / "results/searching.md"
COUNT, TASKS = 8, 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    encoder, model = start_from(given.run).encoder, LanguageModel.load(given.run, torch.device("cpu"))
    engine, begin = Engine(model, 64), time.process_time()
    names = ("one draw", "likeliest", f"best of {COUNT}", f"vote of {COUNT}")
    rows, tokens = [], dict.fromkeys(names, 0)
    for kind in KINDS:
        right = dict.fromkeys(names, 0)
        for number, task in enumerate(generate(TASKS, 3, held_out=True, kinds=(kind,))):
            prompt = prompt_ids([{"role": "user", "content": task.prompt}], encoder, task.prompt)
            request = Request(prompt, SamplingSettings(temperature=1.0, seed=1000 * number), 32)
            greedy = engine.run([Request(prompt, SamplingSettings(temperature=0.0), 32)])[0]
            best = best_of(engine, request, COUNT)
            vote = self_consistency(engine, request, COUNT, lambda text: text.strip().lower())
            first = next(answer for answer in best.answers if answer.request.settings.seed == request.settings.seed)
            for name, answer, cost in zip(names, (first, greedy, best.answer, vote.answer),
                                          (first.generated, greedy.generated, best.generated, vote.generated), strict=True):
                right[name] += answer is not None and is_right(task, answer.text)
                tokens[name] += cost
        rows.append([kind, *(f"{right[name] / TASKS:.2f}" for name in names)])
    means = [sum(float(row[column]) for row in rows) / len(rows) for column in range(1, 5)]
    weights = sum(weight.numel() for weight in model.decoder.parameters())
    lines = [f"By `python -m benchmarks.searching`, {date.today()}: {weights:,} weights, fine-tuned on tasks; share of {TASKS} "
             f"held-out tasks of each kind answered rightly; {time.process_time() - begin:.0f} processor seconds.",
             "", f"| | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names),
             *(f"| {' | '.join(row)} |" for row in rows),
             f"| **mean** | {' | '.join(f'{mean:.3f}' for mean in means)} |",
             f"| tokens a task | {' | '.join(f'{tokens[name] / TASKS / len(KINDS):.1f}' for name in names)} |"]
    RESULT.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
