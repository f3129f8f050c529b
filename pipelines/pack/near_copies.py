"""Near-copies on both sides of the validation split.

Dedup removes a document only if it is similar to a kept one, so a cluster may keep several (a like b, b like c), and a text
that lies inside a longer one stays. Where one of two such documents is held out and the other trained on, validation is
easier than text that was never seen. The split goes by the hash of a document's id alone, so that it is the same in every
mixture; what falls on both sides is counted, not moved.
"""

import pyarrow as pa
import pyarrow.compute as pc

# Of `duplicates`, which has both facts already: nothing is compared here.
COLUMNS = ["id", "cluster", "kind", "contained_in"]


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
