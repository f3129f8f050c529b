"""Training on one card: kernels, speed, memory, compilation and 8-bit products, in one call of about 8 minutes.

`python -m benchmarks.gpu` on a machine with CUDA writes benchmarks/results/gpu.md; `--dry-run` takes every step at toy size
on a CPU and writes nothing. It needs textmill[model] alone. Blocks are drawn: tokens by Zipf's law, documents of log-normal
length with a median of 400 tokens, as web pages have; each row is what it says of this card on this day.
"""

import argparse
import itertools
import json
import math
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from textmill.base.accelerators import accelerator_named
from textmill.base.blocks_format import MANIFEST, MANIFEST_SCHEMA, SPAN_FIELDS
from textmill.base.errors import first_line
from textmill.base.sealed import seal
from textmill.model.architecture.attention import by_document
from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.counts import DecoderSize
from textmill.model.architecture.decoder import Decoder
from textmill.model.architecture.float8 import use_float8
from textmill.model.architecture.kernels import KERNELS, agree, timed
from textmill.model.architecture.shapes import SHAPES
from textmill.model.data.ahead import Ahead
from textmill.model.data.batch import Batch
from textmill.model.data.blocks import Blocks
from textmill.model.training.compilation import compile_model
from textmill.model.training.loop import next_token_loss, train
from textmill.model.training.optimizers import OPTIMIZERS
from textmill.model.training.settings import TrainSettings

RESULT = Path(__file__).parent / "results/gpu.md"
VOCABULARY, BLOCK = 32768, 2048
BATCHES = {"40m": 64, "124m": 32, "350m": 16, "ci": 2}          # blocks at a time


def write_blocks(folder: Path, blocks: int, length: int) -> Blocks:
    """Drawn blocks, in the published format."""
    random = np.random.default_rng(1)
    tokens = np.minimum(random.zipf(1.2, blocks * length) - 1, VOCABULARY - 2).astype(np.uint16)
    spans, number = [], itertools.count()
    for _ in range(blocks):
        cuts = [0]
        while cuts[-1] < length:
            cuts.append(min(length, cuts[-1] + max(16, int(random.lognormal(math.log(400), 1)))))
        spans.append([{"id": str(next(number)), "piece": 0, "start": first, "end": last, "offset": 0}
                      for first, last in itertools.pairwise(cuts)])
    span = pa.struct([(name, pa.string() if name == "id" else pa.int32()) for name in SPAN_FIELDS])
    schema = pa.schema([("tokens", pa.list_(pa.uint16(), length)), ("entry", pa.string()), ("spans", pa.list_(span))],
                       {"schema": "3", "mixture": "drawn", "block": str(length), "vocab_size": str(VOCABULARY),
                        "end_of_text": str(VOCABULARY - 1), "tokenizer_sha256": "0" * 64})
    folder.mkdir(parents=True)
    path = folder / "blocks.arrow"
    with pa.ipc.new_stream(str(path), schema) as writer:
        writer.write_batch(pa.record_batch([pa.FixedSizeListArray.from_arrays(pa.array(tokens), length),
                                            pa.array(["drawn"] * blocks), pa.array(spans, schema.field("spans").type)],
                                           schema=schema))
    from textmill.model.training.checkpoint_files import sha256_of

    part = {"path": path.name, "rows": blocks, "sha256": sha256_of(path)}
    (folder / MANIFEST).write_bytes(seal({"schema": MANIFEST_SCHEMA, "parts": [part]}))
    return Blocks(folder)


class Bench:
    """The measurements on one device."""

    def __init__(self, device: torch.device, folder: Path, dry: bool):
        self.device, self.dry = device, dry
        self.precision = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.length = 128 if dry else BLOCK
        self.blocks = write_blocks(folder / "train", 64 if dry else 4096, self.length)
        card = accelerator_named(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
        self.peak = card.peak if card else math.nan

    def model(self, shape: str) -> Decoder:
        model = build(ARCHITECTURES["qwen3"].configuration(SHAPES[shape], VOCABULARY, self.length, VOCABULARY - 1))
        model.initialise(1)
        return model.to(self.device)

    def kernels(self, shape: str) -> Iterator[str]:
        """Attention alone, forward and backward."""
        heads = self.model(shape).heads
        yield "| kernel | as the loop | ms a layer and pair of blocks |"
        yield "| --- | --- | ---: |"
        for name in KERNELS:
            try:
                kernel = KERNELS[name]()
                same = agree(kernel, by_document, self.device, self.precision, self.length, *heads)
                seconds = timed(kernel, self.device, self.precision, self.length, heads)
                yield f"| {name} | {'yes' if same else 'NO'} | {seconds / 5 * 1e3:.2f} |"
            except Exception as error:
                yield f"| {name} | {first_line(error)[:90]} | |"
        yield f"| loop | | {timed(by_document, self.device, self.precision, self.length, heads) / 5 * 1e3:.2f} |"

    def run(self, shape: str, kernel: str, steps: int, compiled: bool = True, optimizer: str = "muon", float8: bool = False,
            recompute: bool = False) -> tuple[str, list[float]]:
        """A row of the table, and the losses."""
        name = f"{shape} {kernel}{'' if compiled else ', not compiled'}{', ' + optimizer if optimizer != 'muon' else ''}"
        name += f"{', 8 bits' if float8 else ''}{', recomputed' if recompute else ''}"
        torch._dynamo.reset()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        model, batch = self.model(shape), 2 if self.dry else BATCHES[shape]
        model.recompute = recompute
        if float8:
            use_float8(model)
        masking = by_document if kernel == "loop" else KERNELS[kernel]()

        def batches(step: int) -> list[Batch]:
            return self.blocks.step(step, batch, 1)

        said = compile_model(model, masking, batches(0)[0], self.precision, compiled and kernel != "loop")
        settings = TrainSettings(steps=steps, batch=batch, optimizer=optimizer, lr=3e-3, warmup=steps // 4, decay=0.5)
        optimizers = [each.optimizer for each in OPTIMIZERS[optimizer](model, settings.lr, settings.weight_decay)]
        ahead, losses, begin = Ahead(batches, self.device, steps), [], 0.0
        for update in train(model, optimizers, next_token_loss(masking), ahead, settings, self.precision):
            losses.append(update.loss)
            if update.step == steps // 3:
                self.wait()
                begin = time.perf_counter()
        self.wait()
        seconds = time.perf_counter() - begin
        ahead.close()
        rate = (steps - steps // 3) * batch * self.length / seconds
        flops = DecoderSize("qwen3", SHAPES[shape], VOCABULARY, self.length).flops_per_token
        memory = torch.cuda.max_memory_allocated() / 1e9 if self.device.type == "cuda" else math.nan
        loading = time.perf_counter()
        for step in range(5):
            batches(step)
        loading = (time.perf_counter() - loading) / 5 / (seconds / (steps - steps // 3))
        return (f"| {name} | {batch} | {rate:,.0f} | {rate * flops / self.peak:.1%} | {memory:.1f} | {said or 'no'} | "
                f"{loading:.1%} |", torch.stack(losses).tolist())

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def report(bench: Bench) -> Iterator[str]:
    """The result's lines."""
    dry = bench.dry
    sizes = ("ci",) if dry else ("124m", "350m")
    name = torch.cuda.get_device_name() if bench.device.type == "cuda" else "cpu"
    yield (f"By `make bench-gpu`, {date.today()}: {name}, torch {torch.__version__}, CUDA {torch.version.cuda}, bfloat16, "
           f"blocks of {bench.length}.")
    yield ""
    yield "### Attention, forward and backward, shape of 124m"
    yield ""
    yield from bench.kernels(sizes[0])
    yield ""
    yield "### Training"
    yield ""
    yield "| run | blocks at a time | tokens/s | MFU | peak GB | compiled | making a batch, of a step |"
    yield "| --- | ---: | ---: | ---: | ---: | --- | ---: |"
    steps, curves = 6 if dry else 60, {}
    plan = [(sizes[0], kernel, {}) for kernel in (("dense",) if dry else ("flex", "varlen", "dense"))]
    plan += [(sizes[0], "loop", {"compiled": False})]
    if not dry:
        plan += [("124m", "flex", {"compiled": False}), ("124m", "flex", {"optimizer": "adamw"}),
                 ("124m", "flex", {"recompute": True}), ("40m", "flex", {}), ("350m", "flex", {}), ("350m", "varlen", {}),
                 ("350m", "flex", {"float8": True})]
    for shape, kernel, more in plan:
        try:
            row, losses = bench.run(shape, kernel, 12 if kernel == "loop" and not dry else steps, **more)
            curves[shape, kernel, json.dumps(more)] = losses
            yield row
        except Exception as error:          # one kernel that fails leaves the others measured
            yield f"| {shape} {kernel} {more} | | | | | {first_line(error)[:120]} | |"
    yield ""
    yield "### Losses, the same seed and batches"
    yield ""
    yield "| run | " + " | ".join(f"update {n}" for n in (1, 6, 12, 30, 60)) + " |"
    yield "| --- |" + " ---: |" * 5
    for (shape, kernel, more), losses in curves.items():
        cells = [f"{losses[n - 1]:.4f}" if n <= len(losses) else "" for n in (1, 6, 12, 30, 60)]
        yield f"| {shape} {kernel} {'' if more == '{}' else more} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--to", type=Path, default=RESULT)
    given = parser.parse_args()
    if not given.dry_run and not torch.cuda.is_available():
        raise SystemExit("bench-gpu: there is no CUDA card here; `make bench-gpu ARGS=--dry-run` takes the steps on a CPU")
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(torch.device("cpu" if given.dry_run else "cuda"), Path(folder), given.dry_run)
        for line in report(bench):
            print(line, flush=True)
            lines.append(line)
    if not given.dry_run:
        given.to.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
