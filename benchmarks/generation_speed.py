"""Generation on a CPU beside transformers and llama.cpp: tokens per processor second, time to the first token, same texts.

    python -m benchmarks.generation_speed --run data/checkpoints/demo --llama PYTHON

writes benchmarks/results/generation-speed.md. `PYTHON` is one that has xllamacpp. All read the same ids, take the likeliest
token, in float32 on one thread, and do not stop at an end; each measurement is a process of its own, the systems in turn, and a
figure is the median of the rounds. Processor seconds do not count waiting, so others may work beside; their use of the caches
is in the figures of all.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median

import torch

from textmill.model.export.gguf import export_gguf
from textmill.model.export.hugging_face import export
from textmill.model.generation.engine import Engine
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings
from textmill.tokenizer.special import END_OF_TEXT, END_OF_TURN

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parents[1]
ROUNDS, PROMPTS, SAME = 3, 20, 20
CPU = torch.device("cpu")
BATCHES = {"batch 1": ([0], 200), "batch 16": (list(range(16)), 100), "first token": ([PROMPTS], 1)}
BATCHES |= {f"same {n}": ([n], 40) for n in range(SAME)}


def requests(model: LanguageModel) -> dict:
    """What every system is asked: prompts from random ids, of 20 to 39 tokens, and one of 256."""
    random = torch.Generator().manual_seed(1)
    ordinary = [n for n in range(model.decoder.vocab_size) if n not in model.special]
    picked = [torch.randint(len(ordinary), (length,), generator=random).tolist() for length in (*range(20, 20 + PROMPTS), 255)]
    prompts = [[model.decoder.end_of_text, *(ordinary[n] for n in ids)] for ids in picked]
    return {"rows": 16, "context": 512, "prompts": prompts,
            "batches": {name: {"prompts": ids, "tokens": tokens} for name, (ids, tokens) in BATCHES.items()}}


def ours(run: str, asked: dict) -> dict:
    """textmill's side."""
    model = LanguageModel.load(run, CPU)
    engine = Engine(model, rows=16, room=0)

    names = {END_OF_TEXT, END_OF_TURN}                  # what the others take for an end, too
    ends = frozenset(id_ for name in names if (id_ := model.tokenizer.token_to_id(name)) is not None)

    def answer(prompts: list[list[int]], tokens: int) -> list[str]:
        given = [Request(tuple(prompt), SamplingSettings(0.0), tokens, tokens, stop_ids=ends) for prompt in prompts]
        return [model.tokenizer.decode(each.tokens) for each in engine.run(given)]

    return timed(answer, asked)


def theirs(folder: str, asked: dict) -> dict:
    """The side of transformers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).float().eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    def answer(prompts: list[list[int]], tokens: int) -> list[str]:
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        said = model.generate(ids, attention_mask=mask, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False,
                              pad_token_id=0)[:, longest:]
        return [tokenizer.decode(row, skip_special_tokens=True, clean_up_tokenization_spaces=False) for row in said]

    return timed(answer, asked)


def timed(answer, asked: dict) -> dict:
    """Processor seconds and texts of every batch, after one to warm up."""
    torch.set_num_threads(1)
    for prompts in (asked["prompts"][:16], asked["prompts"][:1], asked["prompts"][-1:]):
        answer(prompts, 4)
    result = {}
    for name, batch in asked["batches"].items():
        start = time.process_time()
        texts = answer([asked["prompts"][n] for n in batch["prompts"]], batch["tokens"])
        result[name] = {"seconds": time.process_time() - start, "texts": texts}
    return result


def side(command: list[str], asked: dict) -> dict:
    """What a process says that measures one system."""
    ran = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, cwd=ROOT,
                         env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    lines = [line for line in ran.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        sys.exit(f"{command}: {ran.stderr[-2000:]}")
    return json.loads(lines[-1].removeprefix("RESULT "))


def page(model: LanguageModel, rounds: dict[str, list[dict]]) -> str:
    """The results as a page."""
    def figure(name: str, batch: str) -> float:
        ids, tokens = BATCHES[batch]
        seconds = median(each[batch]["seconds"] for each in rounds[name])
        return seconds if batch == "first token" else len(ids) * tokens / seconds

    weights = sum(weight.numel() for weight in model.decoder.parameters())
    rows = [f"| {name} | {figure(name, 'batch 1'):,.0f} | {figure(name, 'batch 16'):,.0f} "
            f"| {figure(name, 'first token') * 1000:.1f} |" for name in rounds]
    texts = {name: [each[0][f"same {n}"]["texts"] for n in range(SAME)] for name, each in rounds.items()}
    same = {name: sum(one == other for one, other in zip(given, texts["textmill"], strict=True))
            for name, given in texts.items() if name != "textmill"}
    equal = "; ".join(f"{name} {count} of {SAME}" for name, count in same.items())
    kind, width = model.decoder.config["model_type"], model.decoder.output().shape[1]
    layers, ids = len(model.decoder.decoder_layers), model.decoder.vocab_size
    return f"""By `python -m benchmarks.generation_speed`, {date.today()}: {weights / 1e6:.1f} million weights
({model.checkpoint.name}; {kind}, width {width}, {layers} layers, {ids:,} ids), float32, one
thread, greedy; median of {ROUNDS} rounds, others working on the machine beside. llama.cpp keeps its cache in
float16 unless told otherwise. Tokens per processor second, reading of the prompts (20 to 39 tokens)
included; and processor milliseconds to the first token after 256.

| | batch 1 | batch 16 | first token, ms |
|---|---|---|---|
{chr(10).join(rows)}

Same greedy text of 40 tokens as textmill's: {equal}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, help="a run's folder")
    parser.add_argument("--llama", help="a Python that has xllamacpp")
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    parser.add_argument("--to", default=str(RESULTS / "generation-speed.md"))
    given = parser.parse_args()
    if given.side:
        asked = json.load(sys.stdin)
        print("RESULT " + json.dumps((ours if given.side == "ours" else theirs)(given.run, asked)))
        return
    model = LanguageModel.load(given.run, CPU)
    asked = requests(model)
    with tempfile.TemporaryDirectory() as folder:
        here = [sys.executable, "-m", "benchmarks.generation_speed"]
        export(given.run, f"{folder}/hf")
        commands = {"textmill": [*here, "--side", "ours", "--run", given.run],
                    "transformers": [*here, "--side", "theirs", "--run", f"{folder}/hf"]}
        if given.llama:
            export_gguf(given.run, f"{folder}/model.gguf")
            commands["llama.cpp"] = [given.llama, "-m", "benchmarks.llama_generation", f"{folder}/model.gguf"]
            commands["llama.cpp, its cache in float32"] = [*commands["llama.cpp"], "float32"]
        rounds: dict[str, list[dict]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                rounds[name].append(side(command, asked))
    Path(given.to).write_text(page(model, rounds), "utf-8")
    print(Path(given.to).read_text("utf-8"))


if __name__ == "__main__":
    main()
