"""The steps of dedup on an engine, as Beam transforms, connected by files; only packed rows go through a GroupByKey.

`parts` are (ordinal, task) pairs, `names` the files of an earlier grouping. A transform that groups does one pass.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput

from textmill.pipelines.contract.stage import Engine
from textmill.pipelines.dedup import steps
from textmill.pipelines.dedup.clusters import SpanningForest
from textmill.pipelines.dedup.files import Grouping
from textmill.pipelines.dedup.steps import OrderedPart, SearchRun

HELD = "held"


class OnEngine:
    """Every step as a pipeline of its own, of at most so many workers; `here.Here` does the same without an engine."""

    def __init__(self, run: SearchRun, engine: Engine, workers: int):
        self.run, self.engine, self.workers = run, engine, workers

    def meet_exactly(self, parts: Sequence[OrderedPart], grouping: Grouping, number: int) -> None:
        self._do({"parts": parts}, MeetExactly(self.run, grouping, number))

    def resolve(self, grouping: Grouping) -> None:
        self._do({"names": [grouping.names()]}, Resolve(self.run, grouping))

    def meet_in_bands(self, parts: Sequence[OrderedPart], grouping: Grouping, number: int) -> None:
        self._do({"parts": parts}, MeetInBands(self.run, grouping, number))

    def unite_buckets(self, source: Grouping, grouping: Grouping, number: int) -> None:
        self._do({"names": source.names()}, UniteBuckets(source, grouping, number))

    def count_common(self, parts: Sequence[OrderedPart], share: float) -> None:
        self._do({"parts": parts}, Common(self.run, share))

    def store_sets(self, parts: Sequence[OrderedPart], source: Grouping) -> None:
        self._do({"parts": parts, "names": source.names()}, StoreSets(self.run, source))

    def cluster(self, source: Grouping) -> None:
        self._do({"names": source.names()}, Cluster(self.run, source))

    def keep(self, parts: Sequence[OrderedPart], grouping: Grouping, number: int) -> None:
        self._do({"parts": parts}, Keep(self.run, grouping, number))

    def _do(self, elements: dict[str, Sequence[Any]], transform: beam.PTransform) -> None:
        def build(pipeline: beam.Pipeline) -> Any:
            dealt = {name: pipeline | f"Create {name}" >> beam.Create(given) | f"Deal {name}" >> beam.Reshuffle()
                     for name, given in elements.items()}
            return (dealt if len(dealt) > 1 else next(iter(dealt.values()))) | transform

        self.engine.run(build, parallel=min(self.workers, max(map(len, elements.values()))))


class _Pass(beam.PTransform):
    """One pass of a grouping step."""

    def __init__(self, run: SearchRun, grouping: Grouping, number: int):
        super().__init__()
        self.run, self.grouping, self.number = run, grouping, number


class MeetExactly(_Pass):
    """parts → files of all documents that share a record, an address or a text with another."""

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        return (
            parts
            | "Keys" >> beam.FlatMap(steps.keys_of_part, self.run, self.grouping, self.number)
            | "Meet" >> beam.GroupByKey()
            | "Groups" >> beam.Map(steps.store_groups, self.grouping, self.number))


class Resolve(beam.PTransform):
    """The list of all those files → who is an exact copy of whom."""

    def __init__(self, run: SearchRun, grouping: Grouping):
        super().__init__()
        self.run, self.grouping = run, grouping

    def expand(self, names: beam.PCollection) -> beam.PCollection:
        return names | "Resolve" >> beam.Map(steps.resolve_groups, self.run, self.grouping)


class MeetInBands(_Pass):
    """parts → files of buckets."""

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        return (
            parts
            | "Bands" >> beam.FlatMap(steps.bands_of_part, self.run, self.grouping, self.number)
            | "Meet" >> beam.GroupByKey()
            | "Buckets" >> beam.Map(steps.store_buckets, self.grouping, self.number))


class UniteBuckets(beam.PTransform):
    """names of bucket files → files in which every member list occurs once."""

    def __init__(self, source: Grouping, grouping: Grouping, number: int):
        super().__init__()
        self.source, self.grouping, self.number = source, grouping, number

    def expand(self, names: beam.PCollection) -> beam.PCollection:
        return (
            names
            | "Lists" >> beam.FlatMap(steps.lists_of_file, self.source, self.grouping, self.number)
            | "Meet" >> beam.GroupByKey()
            | "Distinct" >> beam.Map(steps.store_distinct, self.grouping, self.number))


class Common(beam.PTransform):
    """parts → the shingles that too many documents have to tell copies by, from a sample of this share."""

    def __init__(self, run: SearchRun, share: float):
        super().__init__()
        self.run, self.share = run, share

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        return (
            parts
            | "Sample" >> beam.FlatMap(steps.common_of_part, self.run, self.share)
            | "Meet" >> beam.GroupByKey()
            | "Common" >> beam.Map(steps.store_common, self.run, self.share))


class StoreSets(beam.PTransform):
    """{parts, names of distinct bucket files} → the shingle sets of all candidates, part by part."""

    def __init__(self, run: SearchRun, source: Grouping):
        super().__init__()
        self.run, self.source = run, source

    def expand(self, inputs):   # Beam takes a type of several inputs for a wrong hint
        wanted = inputs["names"] | "Candidates" >> beam.FlatMap(steps.candidates_of_file, self.source)
        return (
            {"parts": inputs["parts"], "wanted": wanted}
            | "ByPart" >> beam.CoGroupByKey()
            | "Shingle" >> beam.Map(steps.store_sets, self.run))


class Cluster(beam.PTransform):
    """names of distinct bucket files → the forest of verified and exact copies; and, part by part, what is contained."""

    def __init__(self, run: SearchRun, source: Grouping):
        super().__init__()
        self.run, self.source = run, source

    def expand(self, names: beam.PCollection) -> beam.PCollection:
        near, held = names | "Verify" >> beam.FlatMap(_compare_file, self.source, self.run).with_outputs(HELD, main="near")
        _ = held | "ByPart" >> beam.GroupByKey() | "Contained" >> beam.Map(steps.store_held, self.run)
        exact = names.pipeline | "Exact" >> beam.Create([self.run]) | "Copies" >> beam.Map(steps.exact_edges)
        return (
            (near, exact)
            | "Edges" >> beam.Flatten()
            | "Forest" >> beam.CombineGlobally(SpanningForest())
            | "Store" >> beam.Map(steps.store_forest, self.run))


def _compare_file(name: str, source: Grouping, run: SearchRun) -> Iterator[Any]:
    trees, held = steps.compare_file(name, source, run)
    yield trees
    for packed in held:
        yield TaggedOutput(HELD, packed)


class Keep(_Pass):
    """parts → files of decisions, a part each."""

    def expand(self, parts: beam.PCollection) -> beam.PCollection:
        return (
            parts
            | "Members" >> beam.FlatMap(steps.members_of_part, self.run, self.grouping, self.number)
            | "Clusters" >> beam.GroupByKey()
            | "Keep" >> beam.FlatMap(steps.decide, self.run)
            | "ByPart" >> beam.GroupByKey()
            | "Store" >> beam.Map(steps.store_decisions, self.grouping, self.number))
