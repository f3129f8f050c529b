"""Near-copies on both sides of the validation split.

Dedup removes a document only if it is similar to a kept one, so a cluster may keep several (a like b, b like c), and a text
that lies inside a longer one stays. Where one of two such documents is held out and the other trained on, validation is
easier than text that was never seen. `split` puts them on one side; what is on both all the same is counted here, from what
was packed.
"""

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

# Of `duplicates`, which has both facts already: nothing is compared here.
COLUMNS = ["id", "cluster", "kind", "contained_in"]


def counted(held: pa.Array, trained: Callable[[pa.Array], pa.Array],
            read: Callable[[], Iterator[pa.RecordBatch]]) -> int:
    """As `both_sides`, of the whole corpus: memory grows with what is held out, of which `held` are the distinct ids.

    `trained` tells which of some ids are in a block to train on; `read` gives the COLUMNS of `duplicates`, batch by batch."""
    if not len(held):
        return 0
    own = _rows(read(), lambda rows: pc.is_in(rows["id"], value_set=held))
    clusters, outer = (own[name].drop_null().combine_chunks().unique() for name in ("cluster", "contained_in"))
    like = _rows(read(), lambda rows: pc.or_(pc.is_in(rows["id"], value_set=pa.concat_arrays([held, outer])), pc.or_(
        pc.is_in(rows["cluster"], value_set=clusters), pc.is_in(rows["contained_in"], value_set=held))))
    return both_sides(like, held, trained(like["id"].combine_chunks().unique()))


def _rows(batches: Iterable[pa.RecordBatch], chosen: Callable[[pa.RecordBatch], pa.Array]) -> pa.Table:
    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    return pa.Table.from_batches([batch.filter(chosen(batch)) for batch in batches], schema)


def both_sides(related: pa.Table, held: pa.Array, trained: pa.Array) -> int:
    """How many held-out documents share a cluster with one trained on, or are contained in one, or contain one.

    `related`: COLUMNS of the documents that are in a cluster or contained in another; `held`, `trained`: distinct ids.
    """
    kept = related.filter(pc.is_null(related["kind"]))
    is_held, is_trained = (pc.is_in(kept["id"], value_set=ids) for ids in (held, trained))
    clusters = kept["cluster"].filter(is_trained).drop_null()
    shares = pc.and_(is_held, pc.is_in(kept["cluster"], value_set=clusters.combine_chunks().unique()))
    inside = pc.and_(is_held, pc.is_in(kept["contained_in"], value_set=trained))
    around = pc.and_(is_trained, pc.is_in(kept["contained_in"], value_set=held))
    found = pa.chunked_array([*kept["id"].filter(pc.or_(shares, inside)).chunks, *kept["contained_in"].filter(around).chunks],
                             pa.string())
    return len(found.unique())
