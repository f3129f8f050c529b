"""The steps of dedup in this process, for so few documents that starting an engine takes longer than the work.

The functions are those that the transforms run (`transforms.OnEngine`), and so are the files they leave.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from textmill.pipelines.dedup import steps
from textmill.pipelines.dedup.files import Grouping
from textmill.pipelines.dedup.forest import merged
from textmill.pipelines.dedup.steps import OrderedPart, Packed, SearchRun


class Here:
    """Every step as plain function calls; what is grouped is in memory."""

    def __init__(self, run: SearchRun):
        self.run = run

    def meet_exactly(self, parts: Sequence[OrderedPart], grouping: Grouping, number: int) -> None:
        _meet(parts, lambda part: steps.keys_of_part(part, self.run, grouping, number),
              lambda met: steps.store_groups(met, grouping, number))

    def resolve(self, grouping: Grouping) -> None:
        steps.resolve_groups(grouping.names(), self.run, grouping)

    def meet_in_bands(self, parts: Sequence[OrderedPart], grouping: Grouping, number: int) -> None:
        _meet(parts, lambda part: steps.bands_of_part(part, self.run, grouping, number),
              lambda met: steps.store_buckets(met, grouping, number))

    def unite_buckets(self, source: Grouping, grouping: Grouping, number: int) -> None:
        _meet(source.names(), lambda name: steps.lists_of_file(name, source, grouping, number),
              lambda met: steps.store_distinct(met, grouping, number))

    def count_common(self, parts: Sequence[OrderedPart], share: float) -> None:
        _meet(parts, lambda part: steps.common_of_part(part, self.run, share),
              lambda met: steps.store_common(met, self.run, share))

    def store_sets(self, parts: Sequence[OrderedPart], source: Grouping) -> None:
        tasks = dict(parts)
        _meet(source.names(), lambda name: steps.candidates_of_file(name, source),
              lambda met: steps.store_sets((met[0], {"wanted": met[1], "parts": [tasks[met[0]]]}), self.run))

    def cluster(self, source: Grouping) -> None:
        compared = [steps.compare_file(name, source, self.run) for name in source.names()]
        _meet(compared, lambda one: iter(one[1]), lambda met: steps.store_held(met, self.run))
        steps.store_forest(merged([*(trees for trees, _ in compared), steps.exact_edges(self.run)]), self.run)

    def keep(self, parts: Sequence[OrderedPart], grouping: Grouping, number: int) -> None:
        decided: dict[int, list[bytes]] = defaultdict(list)

        def decide(met: tuple[int, Iterable[bytes]]) -> None:
            for ordinal, packed in steps.decide(met, self.run):
                decided[ordinal].append(packed)

        _meet(parts, lambda part: steps.members_of_part(part, self.run, grouping, number), decide)
        for part in decided.items():
            steps.store_decisions(part, grouping, number)


def _meet(elements: Iterable[Any], emit: Callable[[Any], Iterator[Packed]],
          store: Callable[[tuple[int, Iterable[bytes]]], None]) -> None:
    """What a FlatMap, a GroupByKey and a Map do."""
    met: dict[int, list[bytes]] = defaultdict(list)
    for element in elements:
        for key, packed in emit(element):
            met[key].append(packed)
    for group in met.items():
        store(group)
