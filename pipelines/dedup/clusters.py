"""Clusters of duplicates: connected components over verified edges, by spanning forests that merge in any order."""

from collections.abc import Iterable

import apache_beam as beam

from textmill.pipelines.dedup.forest import merged

COMPACT_BYTES = 16 << 20        # edges gathered before they are merged into the forest


class SpanningForest(beam.CombineFn):
    """Packed edges (TREE rows: any two references that belong together) → the packed forest.

    Associative and commutative; an accumulator never holds more than its forest and COMPACT_BYTES of edges.
    """

    def create_accumulator(self) -> list[bytes]:
        return []

    def add_input(self, accumulator: list[bytes], edges: bytes) -> list[bytes]:
        return self._compacted([*accumulator, edges])

    def merge_accumulators(self, accumulators: Iterable[list[bytes]]) -> list[bytes]:
        together: list[bytes] = []
        for accumulator in accumulators:
            together = self._compacted(together + accumulator)
        return together

    def extract_output(self, accumulator: list[bytes]) -> bytes:
        return merged(accumulator)

    def compact(self, accumulator: list[bytes]) -> list[bytes]:
        return [merged(accumulator)]

    def _compacted(self, pieces: list[bytes]) -> list[bytes]:
        """The first piece may be a forest; it is merged again only when as much again has accumulated."""
        gathered = sum(map(len, pieces[1:]))
        return [merged(pieces)] if gathered > max(COMPACT_BYTES, len(pieces[0]) if pieces else 0) else pieces
