"""Cost estimate of a run: documents, CPU hours, storage, shuffled bytes, and the memory of one worker.

Everything follows from the bytes under raw/ (or a size you name), the settings of dedup, and `rates.yaml`: what
`benchmarks/cluster.py` measured on a real crawl. Other pages cost other amounts; measure your own where it matters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

import yaml

from textmill.base.strict import parse
from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.dedup.bands import BAND
from textmill.pipelines.dedup.exact import KEYED, KEYS
from textmill.pipelines.dedup.forest import TREE
from textmill.pipelines.dedup.packed import GROWTH, PARTITION_BYTES, partitions_for, passes_for
from textmill.pipelines.dedup.settings import DedupSettings, memory_of_machine
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.tokenizer.settings import TokenizerSettings

SIZES = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}
FOREST_GROWTH = 8           # bytes that merging forests needs per byte of the result: np.unique sorts copies of the edges
MESSAGE_BYTES = 2 << 30     # gRPC's limit of a message: a job with all its tasks is one


@dataclass(frozen=True)
class Rates:
    """Measured rates: the size of the measured run, and the cost of each stage in it."""

    measured_on: str
    stored_bytes: int               # of raw files
    records: int
    documents: int
    text_bytes: int
    task_bytes: int                 # of one task in a job's message
    receipt_bytes: int              # of one receipt, about
    cpu_seconds: dict[str, float]            # stage → user and system seconds of all processes
    dataset_bytes: dict[str, int]            # stage → bytes of the dataset it writes
    grouped_bytes: dict[str, int]            # step of dedup → bytes that do not follow from its settings
    in_clusters: int                # documents in the spanning forest

    def problems(self) -> Iterator[str]:
        if min(self.stored_bytes, self.records, self.documents, self.text_bytes) < 1:
            yield "rates.yaml was measured on nothing"


@dataclass(frozen=True)
class ShuffleStep:
    """One grouping of dedup: bytes shuffled in all, in how many passes and partitions."""

    name: str
    bytes: int
    passes: int
    partitions: int


@dataclass(frozen=True)
class CostEstimate:
    """The arithmetic for so many stored bytes, on so many workers with so many bytes of memory each."""

    rates: Rates
    config: Configuration
    engine: BeamEngine
    stored: int
    memory: float

    @property
    def scale(self) -> float:
        return self.stored / self.rates.stored_bytes

    @property
    def documents(self) -> int:
        return round(self.scale * self.rates.documents)

    @property
    def parts(self) -> int:
        """Of `documents`: about one for each split, or for each part's worth of text where that is more."""
        extract = self.config[ExtractSettings]
        return max(-(-self.stored // extract.split_bytes), round(self.scale * self.rates.text_bytes / extract.part_bytes), 1)

    def scale_of(self, stage: str) -> float:
        """How much more work a stage has than where it was measured: a tokenizer is never trained on more than its sample."""
        sample = self.config[TokenizerSettings].sample_bytes / self.rates.text_bytes
        return min(self.scale, sample) if stage == "tokenizer" else self.scale

    def hours(self) -> dict[str, float]:
        """CPU hours by stage, without pack: that costs what its recipe takes."""
        return {stage: seconds * self.scale_of(stage) / 3600 for stage, seconds in self.rates.cpu_seconds.items()
                if stage != "pack"}

    def storage(self) -> dict[str, float]:
        """Bytes by the stage that writes them, without pack; a tokenizer's size is its vocabulary's."""
        return {stage: size * (1 if stage == "tokenizer" else self.scale)
                for stage, size in self.rates.dataset_bytes.items() if stage != "pack"}

    def steps(self) -> list[ShuffleStep]:
        """Shuffles of dedup: the first two follow from the settings, the rest from the duplication of the measured pages."""
        dedup = self.config[DedupSettings]
        grouped = {"exact": len(KEYS) * KEYED.itemsize * self.documents,
                   "bands": dedup.banding()[0] * BAND.itemsize * self.documents,
                   **{step: round(size * self.scale) for step, size in self.rates.grouped_bytes.items()}}
        # An engine that spills needs no passes; the local runner holds what it groups, `GROWTH` times over.
        held = float("inf") if self.engine.spills else dedup.max_memory_gb * 1e9 if dedup.max_memory_gb else self.memory / 4
        made = []
        for step, size in grouped.items():
            passes = dedup.passes or passes_for(size, held)
            made.append(ShuffleStep(step, size, passes, partitions_for(size // passes)))
        return made

    @property
    def forest(self) -> int:
        """Bytes of the spanning forest, the largest state that is one object: every document that has a copy."""
        return round(self.scale * self.rates.in_clusters) * TREE.itemsize

    def limits(self) -> Iterator[str]:
        """Limits exceeded at this size, each with its cure."""
        per_worker = self.memory / (self.engine.workers if self.engine.is_local else 1)
        if self.forest * FOREST_GROWTH > per_worker:
            yield (f"the spanning forest needs {amount(self.forest * FOREST_GROWTH)} in the one worker that merges it, and it "
                   f"has {amount(per_worker)}: give workers more memory, or take each crawl as a data folder of its own")
        if self.parts * self.forest > 10 * self.stored:
            yield (f"every part reads the whole forest, {amount(self.parts * self.forest)} in all: make parts larger "
                   "(extract.part_bytes), or take each crawl as a data folder of its own")
        if per_worker < GROWTH * PARTITION_BYTES:
            yield (f"a partition of dedup takes {amount(GROWTH * PARTITION_BYTES)} of memory, and a worker has "
                   f"{amount(per_worker)}: give workers more memory")
        if self.parts * self.rates.task_bytes > MESSAGE_BYTES and not self.engine.is_local:
            yield (f"a job of {self.parts:,} tasks is a message of {amount(self.parts * self.rates.task_bytes)}, and gRPC "
                   f"carries {amount(MESSAGE_BYTES)}: make splits and parts larger, or take each crawl as a data folder of "
                   "its own")

    def lines(self) -> Iterator[str]:
        hours, storage = self.hours(), self.storage()
        workers = self.engine.workers
        yield (f"{amount(self.stored)} of raw files: about {self.documents:,} documents in {self.parts:,} parts, on "
               f"{workers:,} workers of {self.engine.runner}; by rates measured on {self.rates.measured_on}")
        yield f"  {'stage':<10} {'CPU hours':>12} {'writes':>10}"
        for stage, spent in hours.items():
            yield f"  {stage:<10} {spent:>12,.2f} {amount(storage.get(stage, 0)):>10}"
        yield (f"  {'in all':<10} {sum(hours.values()):>12,.2f} {amount(sum(storage.values())):>10}; at best "
               f"{duration(sum(hours.values()) / workers)} on {workers:,} workers")
        yield "  dedup shuffles"
        for step in self.steps():
            per_document = step.bytes / max(1, self.documents)
            yield (f"    {step.name:<10} {amount(step.bytes):>10}, {per_document:,.0f} bytes a document, {step.passes:,} "
                   f"pass{'es' * (step.passes > 1)} of {step.partitions:,} partitions")
        yield f"  the largest single state, dedup's spanning forest: {amount(self.forest)}"
        for limit in self.limits():
            yield f"  too large: {limit}"


def amount(size: float) -> str:
    """Bytes for people: three digits and a unit."""
    for unit, factor in reversed(SIZES.items()):
        if size >= factor:
            return f"{size / factor:,.{0 if size >= 100 * factor else 1}f} {unit}"
    return f"{size / 1000:,.1f} kB"


def duration(hours: float) -> str:
    """A duration for people, in days, hours, minutes or seconds."""
    if hours >= 48:
        return f"{hours / 24:,.0f} days"
    if hours >= 1:
        return f"{hours:,.1f} hours"
    if hours * 60 >= 2:
        return f"{hours * 60:,.0f} minutes"
    return f"{hours * 3600:,.0f} seconds" if hours * 3600 >= 2 else "under 2 seconds"


def size_of(text: str) -> int:
    """`100TB` as bytes. ValueError where it is something else."""
    number, unit = text[:-2], text[-2:].upper()
    return round(float(number) * SIZES[unit]) if unit in SIZES else int(text)


def read_rates() -> Rates:
    """The measured rates that the package ships."""
    return parse(Rates, yaml.safe_load((files("textmill.pipelines.ledger") / "rates.yaml").read_text("utf-8")), "rates.yaml")


def plan(stored: int, config: Configuration, engine: BeamEngine, memory_gb: float | None = None) -> CostEstimate:
    """The plan for so many stored bytes. The default for memory is this machine's, or 4 GB for a worker of a cluster."""
    memory = memory_gb * 1e9 if memory_gb else memory_of_machine() if engine.is_local else 4e9
    return CostEstimate(read_rates(), config, engine, stored, memory)


def stored_bytes(data: Folder, stored: str | None) -> int:
    """The input size to plan for: as given, or the size of raw/. StageError where there is none."""
    try:
        size = size_of(stored) if stored else sum(entry.size for entry in (data / "raw").entries())
    except ValueError:
        raise StageError(f"--stored {stored} is not a size; write it like 100TB") from None
    if not size:
        raise StageError(f"there is nothing in {data.uri}/raw; put pages there, or give --stored")
    return size
