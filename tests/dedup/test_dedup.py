"""DedupSettings against brute force on small random worlds, and each of its functions on cases small enough to read."""

import random
from collections import Counter, defaultdict
from itertools import combinations

import pytest

from tests.dedup_world import deduplicate, jaccard, page, world
from textmill.pipelines.dedup.settings import DedupSettings

SETTINGS = DedupSettings(source_priority=("books", "wiki"))


def dealt(pages, parts):
    size = -(-len(pages) // parts)
    return [pages[n * size:(n + 1) * size] for n in range(parts)]


def answers(tables):
    return Counter(tuple(row.values()) for table in tables for row in table.to_pylist())


def standing(p, settings=SETTINGS):
    rank = settings.source_priority.index(p.source) if p.source in settings.source_priority else 9
    return rank, -p.length, p.date or "9", p.id


@pytest.mark.parametrize("seed", range(4))
def test_every_removal_is_proved_and_no_copy_stands_beside_its_twin(seed, tmp_path):
    pages = world(seed)
    tables, links, _ = deduplicate([pages], SETTINGS, str(tmp_path))
    rows = tables[0].to_pylist()
    by_id = {}
    for p, row in zip(pages, rows, strict=True):
        assert row["id"] == p.id
        if row["kind"] is None:
            by_id.setdefault(p.id, (p, row))
        if not p.kept:
            assert set(row.values()) == {p.id, None}
    clusters = defaultdict(list)
    for p, row in zip(pages, rows, strict=True):
        if row["cluster"] is None:
            assert (row["kept_id"], row["kind"], row["similarity"], row["cluster_size"]) == (None,) * 4
            continue
        clusters[row["cluster"]].append((p, row))
        stays, its_row = by_id[row["kept_id"]]
        assert its_row["kind"] is None and its_row["cluster"] == row["cluster"]     # what is named does stay
        if row["kind"] is None:
            assert row["kept_id"] == p.id and row["similarity"] is None
        elif row["kind"] in ("exact", "near"):
            assert row["similarity"] == jaccard(p, stays) >= 0.8
        else:
            assert row["similarity"] is None
    assert {len(c) for c in clusters.values()} > {2, 3}
    for name, members in clusters.items():
        assert name == min(p.id for p, _ in members)
        assert {row["cluster_size"] for _, row in members} == {len(members)}
        chosen = sorted((p for p, row in members if row["kind"] in (None, "near")), key=standing)
        kept = []
        for p in chosen:        # the greedy cover, by brute force
            if not any(jaccard(p, k) >= 0.8 for k in kept):
                kept.append(p)
        assert {p.id for p, row in members if row["kind"] is None} == {p.id for p in kept}
        for p, row in members:
            if row["kind"] == "near":
                assert row["kept_id"] == min(kept, key=lambda k: (-jaccard(p, k), k.id)).id
    # pairs that share a bucket small enough to be compared whole are in one cluster exactly when Jaccard says so
    refs = {n: (p, row) for n, (p, row) in enumerate(zip(pages, rows, strict=True))}
    found = 0
    for some in links.values():
        shared = defaultdict(list)
        for bucket, ref in some.tolist():
            shared[bucket].append(ref)
        for bucket in shared.values():
            if len(bucket) <= SETTINGS.max_rounds + 1:
                for a, b in combinations(bucket, 2):
                    if jaccard(refs[a][0], refs[b][0]) >= 0.8:
                        found += 1
                        assert refs[a][1]["cluster"] == refs[b][1]["cluster"] is not None
    assert found > 20


@pytest.mark.parametrize("seed", range(3))
def test_answers_depend_on_neither_order_nor_parts_nor_passes_nor_partitions(seed, tmp_path):
    pages = world(seed)
    truth, _, _ = deduplicate([pages], SETTINGS, str(tmp_path / "one"))
    for n, (parts, passes, partitions) in enumerate([(8, 1, 16), (8, 4, 16), (3, 7, 32), (1, 45, 4)]):
        shuffled = random.Random(n).sample(pages, len(pages))
        other, _, _ = deduplicate(dealt(shuffled, parts), SETTINGS, str(tmp_path / str(n)), passes, partitions)
        assert answers(other) == answers(truth)
    same, _, _ = deduplicate([pages], SETTINGS, str(tmp_path / "again"), 5, 64)
    assert same == truth


def test_record_then_url_then_exact_then_near(tmp_path):
    text = range(1000, 1100)
    old = page(text, 1, url="https://a.example/x", date="2020-01-01T00:00:00Z", length=900)
    new = page(range(100), 2, url="https://A.example/x#top", date="2021-01-01T00:00:00Z", length=10)
    same = page(range(100), 3, content=new.content, length=20)           # the text of `new` elsewhere, and longer
    near = page([*range(90), 1, *range(500, 505)], 4, length=30)         # 90 of 105 shingles
    alone = page(range(5000, 5050), 5)
    out = page(text, 6, content=old.content, kept=False)
    tables, _, _ = deduplicate([[old, new, new], [same, near, alone, out]], DedupSettings(), str(tmp_path))
    cluster, size = min(old.id, new.id, same.id, near.id), 5
    rows = [row for table in tables for row in table.to_pylist()]
    assert {row.pop("contained_in") for row in rows} == {row.pop("containment") for row in rows} == {None}
    assert rows == [
        {"id": old.id, "cluster": cluster, "kept_id": near.id, "kind": "url", "similarity": None, "cluster_size": size},
        {"id": new.id, "cluster": cluster, "kept_id": near.id, "kind": "exact", "similarity": 90 / 105, "cluster_size": size},
        {"id": new.id, "cluster": cluster, "kept_id": near.id, "kind": "record", "similarity": None, "cluster_size": size},
        {"id": same.id, "cluster": cluster, "kept_id": near.id, "kind": "near", "similarity": 90 / 105, "cluster_size": size},
        {"id": near.id, "cluster": cluster, "kept_id": near.id, "kind": None, "similarity": None, "cluster_size": size},
        {"id": alone.id, "cluster": None, "kept_id": None, "kind": None, "similarity": None, "cluster_size": None},
        {"id": out.id, "cluster": None, "kept_id": None, "kind": None, "similarity": None, "cluster_size": None},
    ]


def test_a_chain_carries_no_stranger_along(tmp_path):
    chain = [page(range(8 * n, 8 * n + 100), n, length=200 - n) for n in range(5)]     # neighbours: 92 of 108
    tables, _, _ = deduplicate([chain], DedupSettings(), str(tmp_path))
    rows = tables[0].to_pylist()
    assert {row["cluster"] for row in rows} == {min(p.id for p in chain)}
    assert [(row["kind"], row["kept_id"]) for row in rows] == [     # a tie of 92/108 on both sides: the smaller id
        (None, chain[0].id), ("near", min(chain[0].id, chain[2].id)), (None, chain[2].id),
        ("near", min(chain[2].id, chain[4].id)), (None, chain[4].id)]


def test_a_page_within_a_longer_one_is_reported_and_stays(tmp_path):
    long = page(range(100), 1)
    short = page(range(25, 100), 2)                             # Jaccard 0.75: no copy
    nearly = page([*range(3, 73), *range(900, 907)], 3)         # 70 of its 77 in the long one, 48 in the short one
    half = page([*range(60), *range(600, 640)], 4)
    copy = page([*range(25, 99), 700], 5, length=10)            # a copy of `short` goes, though most of it is in the long one
    tables, _, _ = deduplicate([[long, short], [nearly, half, copy]], DedupSettings(bands=60, rows=2), str(tmp_path))
    rows = [row for table in tables for row in table.to_pylist()]
    assert [row["kind"] for row in rows] == [None, None, None, None, "near"]
    assert [(row["contained_in"], row["containment"]) for row in rows] == [
        (None, None), (long.id, 1.0), (long.id, 70 / 77), (None, None), (None, None)]
    tables, _, _ = deduplicate([[long, short, nearly]], DedupSettings(bands=60, rows=2, min_containment=0.95), str(tmp_path / "strict"))
    assert tables[0]["contained_in"].to_pylist() == [None, long.id, None]


@pytest.mark.parametrize("hashes", [1, 500])
def test_answers_do_not_depend_on_how_much_is_compared_at_a_time(hashes, tmp_path, monkeypatch):
    pages = world(5)
    truth, _, _ = deduplicate([pages], SETTINGS, str(tmp_path / "one"))
    for name in ("verify.CHUNK_HASHES", "jaccard.BATCH_HASHES", "jaccard.GROUP_HASHES", "jaccard.FLAG_BYTES"):
        monkeypatch.setattr(f"textmill.pipelines.dedup.{name}", hashes)
    assert deduplicate([pages], SETTINGS, str(tmp_path / "two"))[0] == truth


def test_no_documents_and_documents_without_words(tmp_path):
    assert deduplicate([[]], DedupSettings(), str(tmp_path))[0][0].num_rows == 0
    empty = [page([], n, content=bytes([n] * 16)) for n in range(3)]
    tables, _, _ = deduplicate([empty], DedupSettings(), str(tmp_path))
    assert [row["cluster"] for row in tables[0].to_pylist()] == [None] * 3
