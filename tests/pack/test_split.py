"""The validation split: clusters and what lies in one another on one side, everything else where it was."""

import pyarrow as pa

from textmill.pipelines.pack.split import Kinship, clusters_of, containments, held_out

IDS = [f"{number:032x}" for number in range(400)]


def text(values):
    return pa.array(values, pa.string())


def test_a_document_alone_goes_by_its_id_and_a_cluster_is_on_one_side():
    clusters = [IDS[number - number % 4] if number % 8 < 4 else None for number in range(400)]
    held = Kinship().held(text(IDS), text(clusters), 0.3)
    assert [bool(held[n]) for n in range(400) if clusters[n] is None] == [held_out(IDS[n], 0.3) for n in range(400) if clusters[n] is None]
    for first in range(0, 400, 8):
        assert len(set(held[first:first + 4].tolist())) == 1
        assert held[first] == held_out(IDS[first], 0.3)
    assert 80 < held.sum() < 160


def test_what_lies_in_another_document_goes_with_that_one_and_with_its_cluster():
    rows = pa.record_batch({"id": text(list("abcdefgh")), "cluster": text([None, None, "K", "K", None, "L", None, None]),
                            "contained_in": text(["b", "c", None, None, None, "g", None, None])})
    inside = containments([rows])
    assert inside == [("a", "b"), ("b", "c"), ("L", "g")]
    kin = Kinship([*inside, *clusters_of([rows], {"b", "c", "g"})])
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        held = dict(zip("abcdefgh", kin.held(rows["id"], rows["cluster"], share).tolist(), strict=True))
        assert held["a"] == held["b"] == held["c"] == held["d"] == held_out("K", share)      # a lies in b, b in c of cluster K
        assert held["f"] == held["g"] == held_out("g", share)
        assert held["e"] == held_out("e", share) and held["h"] == held_out("h", share)


def test_documents_that_lie_in_each_other_are_on_one_side():
    kin = Kinship([("a", "b"), ("b", "a")])
    assert [kin.held(text(["a", "b"]), None, share).tolist() for share in (0.2, 0.5, 0.8)] == [
        [held_out("a", share)] * 2 for share in (0.2, 0.5, 0.8)]
