"""Groups of documents that are alike: those of one data folder, and over several that know different copies."""

import pytest

from tests.command_line import table
from textmill.pipelines.contract.part_files import PartWriter
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import MANIFEST, Folder
from textmill.pipelines.ledger.alike import alike, has_duplicates


def test_the_groups_of_two_folders_are_one_where_they_meet(tmp_path):
    """One folder knows that a is like b, the other that b lies in c: a held-out a is spoilt by a c that is trained on."""
    import pyarrow as pa

    from textmill.pipelines.dedup.stage import DUPLICATES

    rows = {"one": [("a", "a", None), ("b", "a", None), ("d", None, None)], "two": [("b", None, "c"), ("c", None, None), ("e", "e", None)]}
    for name, documents in rows.items():
        folder = Folder(str(tmp_path / name)) / "duplicates"
        empty = dict.fromkeys(DUPLICATES.names)
        with PartWriter(folder, "0", "0.parquet", DUPLICATES) as writer:
            writer.write(pa.RecordBatch.from_pylist(
                [empty | {"id": id_, "cluster": cluster, "contained_in": outer} for id_, cluster, outer in documents], DUPLICATES))
        folder.write(MANIFEST, Manifest("dedup", 1, "", (writer.part,), (), ()).to_json())
    one, two = (Folder(str(tmp_path / name)) for name in rows)
    assert alike([one]) == {"a": "a", "b": "a"} and alike([two]) == {"b": "b", "c": "b", "e": "e"}
    assert alike([one, two]) == alike([two, one]) == {"a": "a", "b": "a", "c": "a", "e": "e"}
    assert has_duplicates(one) and not has_duplicates(Folder(str(tmp_path))) and alike([Folder(str(tmp_path))]) == {}


@pytest.mark.slow
def test_every_cluster_of_the_sample_is_in_one_group(milled):
    groups, rows = alike([Folder(str(milled[0]))]), table(milled[0], "duplicates").to_pylist()
    assert groups.keys() >= {row["id"] for row in rows if row["cluster"]} and len(groups) < len(rows)
    for row in rows:
        assert not row["kept_id"] or groups[row["id"]] == groups[row["kept_id"]]
