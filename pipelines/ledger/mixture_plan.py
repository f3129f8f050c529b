"""Plan of a mixture for people: what a recipe packs, told before it runs, and what training on it would take.

From stored counts alone: the layout is computed as `pack` computes it, and nothing is written, so blocks, passes and cuts are
those that `pack` will give. A recipe that cannot be met is shown beside what there is, with the nearest one that can.
"""

import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from textmill.base.accelerators import ACCELERATORS, PRICES, TOKENS_PER_PARAMETER, UTILISATION, dollars, flops, hours
from textmill.base.blocks_format import SPLITS
from textmill.pipelines.contract.parts import Counts
from textmill.pipelines.contract.run import refuse_stale
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.display.lines import WIDTH, columns
from textmill.pipelines.ledger.cost import amount, duration
from textmill.pipelines.pack.mixture import Mixture, MixtureError
from textmill.pipelines.pack.nearest import as_yaml, nearest
from textmill.pipelines.pack.plan import resolve
from textmill.pipelines.pack.remarks import remarks
from textmill.pipelines.pack.requirements import Requirements, share_of
from textmill.pipelines.pack.stage import PACK

CARDS = ("h100", "a100", "rtx-4090")        # shown; `textmill estimate` has them all


@dataclass(frozen=True)
class MixturePlan:
    """A recipe's outcome: the recipe in numbers, the counts that `pack` will write, and the bytes of an id."""

    mixture: Mixture
    counts: Counts
    id_bytes: int

    def lines(self) -> Iterator[str]:
        """The plan for a terminal of 80 columns."""
        for line in self._lines():
            yield from folded(line)

    def _lines(self) -> Iterator[str]:
        train, validation = (self.counts[split] for split in SPLITS)
        size = (train["blocks"] + validation["blocks"]) * self.mixture.block * self.id_bytes
        yield (f"mixture-plan {self.mixture.name}: {train['tokens']:,} tokens in {train['blocks']:,} blocks of "
               f"{self.mixture.block:,} ({self.mixture.fill}), {amount(size)}")
        yield from _table(self.mixture, train)
        yield from self._phases(train)
        yield from self._costs(train)
        yield from _dialogues(self.counts)
        held = sum(entry["documents"] for entry in validation["entries"].values())
        yield f"validation: {validation['tokens']:,} tokens of {held:,} documents in {validation['blocks']:,} blocks"
        copies = validation["near_copies"]
        yield f"  near-duplicates of what is trained on: {f'{copies:,} documents' if copies else 'none'}"
        for remark in remarks(self.counts):
            yield f"note: {remark}"

    def _phases(self, train: Counts) -> Iterator[str]:
        for number, phase in enumerate(self.mixture.schedule):
            blocks = {name: entry["phases"][str(number)] for name, entry in train["entries"].items()}
            shares = ", ".join(f"{name} {count / max(1, sum(blocks.values())):.1%}" for name, count in blocks.items() if count)
            yield f"  phase {number + 1}, {phase.part:.0%} of the tokens: {sum(blocks.values()):,} blocks, {shares}"

    def _costs(self, train: Counts) -> Iterator[str]:
        cut = sum(entry["cut"] for entry in train["entries"].values())
        positions = train["blocks"] * self.mixture.block
        yield (f"the price of blocks: {train['empty']:,} positions empty ({train['empty'] / max(1, positions):.2%}), {cut:,} "
               "documents cut, a target lost at each cut")
        tokens = self.counts["tokens"]
        yield (f"of {tokens['read']:,} tokens there are, {tokens['packed']:,} are packed, {tokens['left_out']:,} are left out, "
               f"{tokens['no_entry']:,} are of no entry")


def mixture_plan(context: RunContext) -> MixturePlan:
    """The plan of the recipe in `context`; nothing is written.

    StageError where what it is read from is stale, UnmetMixtureError where the entries have too little."""
    refuse_stale(PACK, context)
    with tempfile.TemporaryDirectory() as spill:
        index, present = PACK.index(context, Path(spill))
        found = resolve(index).requirements
        if problems := found.sentences(present):
            raise UnmetMixtureError(context.config[Mixture], found, problems)
        plan, counts, id_bytes = PACK.planned(context, index, present)
    return MixturePlan(plan.mixture, counts, id_bytes)


class UnmetMixtureError(MixtureError):
    """A recipe that cannot be met: what it asks for beside what there is, and the nearest that can."""

    def __init__(self, given: Mixture, found: Requirements, problems: list[str]):
        super().__init__("\n".join(problems))
        self.given, self.found = given, found
        self.nearest = nearest(given, found)

    def lines(self) -> Iterator[str]:
        """What is there beside what is asked, and the nearest recipe as YAML."""
        yield f"mixture-plan {self.given.name}: cannot be met"
        rows = [("entry", "share", "wanted", "there is", "passes", "short")]
        for entry in self.found.entries:
            passes = "-" if entry.passes is None else f"{entry.wanted / entry.a_pass:,.1f} of {entry.repeat}"
            rows.append((entry.entry, f"{entry.share:.1%}", f"{entry.wanted:,}", f"{entry.a_pass:,}", passes,
                         f"{entry.short:,}" if entry.short else "-"))
        yield from columns(rows, right=(1, 2, 3, 4, 5), indent=2)
        if self.nearest:
            yield ""
            yield "the nearest recipe that can be met, to paste:"
            yield ""
            yield from as_yaml(self.nearest).splitlines()
            yield ""


def folded(line: str) -> list[str]:
    """A line that is too long as several; what follows is indented. A table's is left as it is."""
    return [line] if "   " in line.strip() else textwrap.wrap(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False,
                                                              drop_whitespace=True)


def model_lines(name: str, parameters: int, tokens: int) -> Iterator[str]:
    """What training a model of so many parameters on these tokens takes, beside what 20 a parameter would be."""
    wanted = TOKENS_PER_PARAMETER * parameters
    ratio = tokens / wanted
    beside = f"the recipe has {ratio:.2g} of that" if ratio < 1 else f"the recipe has {ratio:,.3g} times that"
    yield from folded(f"model {name}: {parameters:,} parameters want {wanted:,} tokens at {TOKENS_PER_PARAMETER} each "
                      f"(Hoffmann et al. 2022); {beside}")
    work = flops(parameters, tokens)
    yield f"  6 N D = {work:.3g} FLOPs; at {UTILISATION:.0%} of a card's peak:"
    rows = []
    for card in CARDS:
        known = ACCELERATORS[card]
        rows.append((card, duration(hours(work, known.peak)), f"{dollars(work, known.peak, known.price):,.2f} dollars"))
    yield from columns(rows, right=(1, 2), indent=4)
    yield f"  prices: {PRICES.partition(';')[0]}; all cards: textmill estimate"


def _table(mixture: Mixture, train: Counts) -> list[str]:
    rows = [("entry", "share", "wanted", "available", "passes", "blocks", "cut", "empty")]
    for name, entry in train["entries"].items():
        positions = entry["blocks"] * mixture.block
        passes = f"{entry['tokens'] / max(1, entry['available']):.2f} of {entry['repeat']}"
        rows.append((name, f"{share_of(mixture, name):.1%}", f"{entry['wanted']:,}", f"{entry['available']:,}", passes,
                     f"{entry['blocks']:,}", f"{entry['cut']:,}", f"{entry['empty'] / max(1, positions):.1%}"))
    return columns(rows, right=range(1, 8), indent=2)


def _dialogues(counts: Counts) -> Iterator[str]:
    for name, entry in counts.get("dialogues", {}).items():
        yield (f"dialogues of {name}: {entry['dialogues']:,}; {entry['turns_lost']:,} turns do not fit a block, "
               f"{entry['too_long']:,} dialogues are left out for it")
