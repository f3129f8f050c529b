"""Near-copies on both sides of the split: what dedup keeps in one cluster, and what lies inside another text."""

import pyarrow as pa

from textmill.pipelines.pack.near_copies import COLUMNS, both_sides

KEPT = [  # id, cluster, kind, contained_in
    ("a1", "A", None, None), ("a2", "A", None, None), ("a3", "A", "near", None), ("b1", "B", None, None), ("b2", "B", "near", None),
    ("c1", None, None, "c2"), ("d2", None, None, "d1"), ("e1", None, None, "e2"), ("f1", "F", None, "a2"), ("f2", "F", None, None)]
RELATED = pa.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in KEPT], pa.schema([(name, pa.string()) for name in COLUMNS]))


def count(held, trained, related=RELATED):
    return both_sides(related, pa.array(held.split(), pa.string()), pa.array(trained.split(), pa.string()))


def test_a_cluster_or_a_containment_with_a_document_on_either_side_counts_the_one_held_out():
    assert count("a1 x", "a2 y") == 1 and count("a2", "a1") == 1
    assert count("a1 a2", "y") == 0, "both on one side"
    assert count("b1", "y") == 0 and count("x", "a1 b1") == 0
    assert count("c1", "c2") == 1 and count("d1", "d2") == 1, "inside one, and around one"
    assert count("e1 e2", "y") == 0 and count("e1", "y") == 0
    assert count("f1", "a2 f2") == 1, "by both, and counted once"
    assert count("a1 c1 d1 f1", "a2 c2 d2 f2") == 4
    assert count("a1", "a2", RELATED.slice(0, 0)) == 0 and count("", "") == 0
