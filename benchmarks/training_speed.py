"""Training on a CPU beside nanoGPT's design and transformers: tokens per processor second, memory, and where time goes.

    python -m benchmarks.training_speed --blocks data/blocks/demo [--before CHECKOUT]

writes benchmarks/results/training-speed.md. All train on the same blocks with AdamW, in the precision that training takes
here, a block an update, on one thread, so that a processor's second is not one spent waiting for the other thread. Each
measurement is a process of its own, the systems in turn; a figure is the median of a process's updates after two to warm
up, and of the rounds. `--before`: an older checkout, measured in the same run.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from textmill.base.blocks_format import NO_TARGET
from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.shapes import SHAPES, Shape
from textmill.model.data.batch import Batch
from textmill.model.data.blocks import Blocks, PackedMixture
from textmill.model.device import precision_of
from textmill.model.training.loop import next_token_loss, train
from textmill.model.training.optimizers import OPTIMIZERS
from textmill.model.training.settings import TrainSettings

RESULTS = Path(__file__).parent / "results"
CPU = torch.device("cpu")
WARM, UPDATES, ROUNDS = 2, 6, 2
Loss = Callable[[Any, Batch], torch.Tensor]

# Parts of an update by torch's own operations; all else, such as masks and indices, is "other".
PARTS = {
    "attention, any softmax": ("scaled_dot_product", "aten::bmm", "aten::_softmax"),
    "matrix products": ("aten::mm", "aten::addmm", "mkldnn_linear"),
    "log-softmax and loss": ("log_softmax", "nll_loss", "aten::exp_", "aten::gather", "aten::scatter_add"),
    "casts and copies": ("aten::copy_", "aten::cat", "aten::fill_", "aten::clone"),
    "element by element": ("aten::mul", "aten::add", "aten::sub", "aten::div", "aten::pow", "aten::neg", "aten::sum", "silu",
                           "aten::mean", "vector_norm", "rsqrt"),
    "optimizer": ("_fused_adamw",),
}


class NanoGPT(nn.Module):
    """nanoGPT's design (Karpathy 2022): GPT-2's layers, biases off, whole blocks as one document, the loss at once."""

    def __init__(self, shape: Shape, vocab_size: int, length: int):
        super().__init__()
        self.shape, width = shape, shape.width
        self.wte, self.wpe = nn.Embedding(vocab_size, width), nn.Embedding(length, width)
        self.layers = nn.ModuleList(nn.ModuleDict({
            "ln_1": nn.LayerNorm(width, bias=False), "attn": nn.Linear(width, 3 * width, bias=False),
            "proj": nn.Linear(width, width, bias=False), "ln_2": nn.LayerNorm(width, bias=False),
            "up": nn.Linear(width, 4 * width, bias=False), "down": nn.Linear(4 * width, width, bias=False),
        }) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(width, bias=False)
        for weight in self.parameters():
            if weight.dim() == 2:
                nn.init.normal_(weight, std=0.02)

    def forward(self, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for layer in self.layers:
            heads = layer["attn"](layer["ln_1"](x)).unflatten(-1, (3, self.shape.heads, -1)).transpose(1, 3).unbind(2)
            y = F.scaled_dot_product_attention(*heads, is_causal=True)
            x = x + layer["proj"](y.transpose(1, 2).flatten(2))
            x = x + layer["down"](F.gelu(layer["up"](layer["ln_2"](x))))
        return cross_entropy_of(F.linear(self.norm(x), self.wte.weight), targets)


def cross_entropy_of(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=NO_TARGET, reduction="sum")


def ours(architecture: str, shape: str, split: Blocks) -> tuple[nn.Module, Loss]:
    config = ARCHITECTURES[architecture].configuration(SHAPES[shape], split.vocab_size, split.length, split.end_of_text)
    model = build(config)
    model.initialise(1)
    return model, next_token_loss(model.masking(precision_of(CPU), split.length))


def ours_unmasked(architecture: str, shape: str, split: Blocks) -> tuple[nn.Module, Loss]:
    model, loss = ours(architecture, shape, split)
    return model, lambda model, batch: loss(model, replace(batch, lengths=(split.length,) * len(batch.tokens)))


def nanogpt(architecture: str, shape: str, split: Blocks) -> tuple[nn.Module, Loss]:
    return NanoGPT(SHAPES[shape], split.vocab_size, split.length), lambda model, batch: model(batch.tokens, batch.targets)


def transformers(architecture: str, shape: str, split: Blocks) -> tuple[nn.Module, Loss]:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = ARCHITECTURES[architecture].configuration(SHAPES[shape], split.vocab_size, split.length, split.end_of_text)
    wanted = AutoConfig.for_model(**{key: value for key, value in config.items() if key != "torch_dtype"})
    model = AutoModelForCausalLM.from_config(wanted, attn_implementation="sdpa", dtype=torch.float32).train()
    return model, lambda model, batch: cross_entropy_of(model(batch.tokens, use_cache=False).logits, batch.targets)


SYSTEMS: dict[str, tuple[Callable[[str, str, Blocks], tuple[nn.Module, Loss]], str]] = {
    "textmill, documents masked": (ours, "qwen3"),
    "textmill, whole blocks": (ours_unmasked, "qwen3"),
    "textmill's GPT-2, documents masked": (ours, "gpt2"),
    "nanoGPT's design, whole blocks": (nanogpt, ""),
    "transformers' Qwen3, whole blocks": (transformers, "qwen3"),
    "transformers' GPT-2, whole blocks": (transformers, "gpt2"),
}
BEFORE = "textmill before, documents masked"


def measure(system: str, shape: str, blocks: str, profiled: bool) -> dict[str, Any]:
    """Tokens per processor second and peak MiB; or the share of each part of an update."""
    torch.set_num_threads(1)
    split = PackedMixture(blocks).train
    build_system, architecture = SYSTEMS[system]
    model, loss = build_system(architecture, shape, split)
    settings = TrainSettings(steps=WARM + UPDATES, optimizer="adamw", lr=0.001)
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    others = [weight for weight in model.parameters() if weight.dim() != 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizers = ([each.optimizer for each in OPTIMIZERS["adamw"](model, 0.001, 0.1)] if build_system in (ours, ours_unmasked)
                  else [torch.optim.AdamW(groups, lr=0.001, betas=(0.9, 0.95), fused=True)])
    updates = train(model, optimizers, loss, lambda step: split.step(step, 1, 1), settings, precision_of(CPU))
    for _ in range(WARM):
        next(updates)
    if profiled:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            for _ in updates:
                pass
        seconds: Counter[str] = Counter()
        for event in profile.key_averages():
            part = next((part for part, names in PARTS.items() if any(name in event.key for name in names)), "other")
            seconds[part] += event.self_cpu_time_total / 1e6 / UPDATES
        return dict(seconds)
    rates, last = [], time.process_time()
    for _ in updates:
        now = time.process_time()
        rates.append(split.length / (now - last))
        last = now
    return {"rate": median(rates), "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def separately(system: str, shape: str, blocks: str, before: str | None, profiled: bool = False) -> dict[str, Any]:
    """`measure` in a process of its own, of the checkout `before` where that system is asked for."""
    root = before if system == BEFORE and before else str(Path(__file__).parents[1])
    name = next(iter(SYSTEMS)) if system == BEFORE else system
    command = [sys.executable, __file__, "--blocks", blocks, "--one", name, shape] + ["--profile"] * profiled
    result = subprocess.run(command, env=os.environ | {"PYTHONPATH": root}, check=True, capture_output=True, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def table(measurements: dict[tuple[str, str], list[dict[str, Any]]], shapes: list[str], systems: list[str]) -> str:
    lines = ["| tokens per processor second (peak MiB) | " + " | ".join(shapes) + " |", "| --- |" + " ---: |" * len(shapes)]
    for system in systems:
        cells = []
        for shape in shapes:
            rate, memory = (median(each[key] for each in measurements[system, shape]) for key in ("rate", "memory"))
            cells.append(f"{rate:,.0f} ({memory:,.0f})")
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    for shape in shapes:
        rates = {system: median(each["rate"] for each in measurements[system, shape]) for system in systems}
        first, *others = SYSTEMS
        peer = max((system for system in others if "textmill" not in system), key=lambda system: rates[system])
        lines += ["", f"`{shape}`: {rates[first] / rates[peer]:.2f} times the fastest peer ({peer.split(',')[0]})."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", required=True, help="a folder of packed blocks")
    parser.add_argument("--before", help="an older checkout to measure beside this one")
    parser.add_argument("--shapes", nargs="+", default=["ci", "10m"], choices=SHAPES)
    parser.add_argument("--one", nargs=2, metavar=("SYSTEM", "SHAPE"), help="one measurement, printed as JSON")
    parser.add_argument("--profile", action="store_true", help="with --one: where the time goes")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*args.one, args.blocks, args.profile)))
        return
    systems = [*SYSTEMS] + [BEFORE] * bool(args.before)
    measurements: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _ in range(ROUNDS):
        for shape in args.shapes:
            for system in systems:
                each = separately(system, shape, args.blocks, args.before)
                measurements.setdefault((system, shape), []).append(each)
                print(shape, system, each, flush=True)
    profiles = {system: separately(system, args.shapes[0], args.blocks, args.before, profiled=True)
                for system in [BEFORE] * bool(args.before) + [next(iter(SYSTEMS))]}
    text = [f"By `python -m benchmarks.training_speed`, {date.today()}: {os.cpu_count()} cores with "
            f"{torch.backends.cpu.get_cpu_capability()}, {str(precision_of(CPU)).removeprefix('torch.')}, AdamW, one thread, "
            f"a block of {PackedMixture(args.blocks).train.length} tokens an update, torch {torch.__version__}. Peers attend "
            "across documents, as they are built; ours in whole blocks stands beside them.", "",
            table(measurements, args.shapes, systems), "", f"**Where `{args.shapes[0]}`'s time goes**", "",
            "| milliseconds of an update | " + " | ".join(system.split(",")[0] for system in profiles) + " |",
            "| --- |" + " ---: |" * len(profiles)]
    text += [f"| {part} | " + " | ".join(f"{1000 * each.get(part, 0.0):,.0f}" for each in profiles.values()) + " |"
             for part in [*PARTS, "other"]]
    (RESULTS / "training-speed.md").write_text("\n".join(text) + "\n", "utf-8")


if __name__ == "__main__":
    main()
