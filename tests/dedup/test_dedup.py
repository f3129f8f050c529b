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


def standing(p, older=False, settings=SETTINGS):
    rank = settings.source_priority.index(p.source) if p.source in settings.source_priority else 9
    return older, rank, -p.length, p.date or "9", p.id


def older_captures(pages):
    """The ids of pages whose address has a newer capture; one without a date is older than one with."""
    dates = defaultdict(set)
    for p in pages:
        if p.url and p.kept:
            dates[p.url].add(p.date or "")
    return {p.id for p in pages if p.url and p.kept and (p.date or "") < max(dates[p.url])}


def gone_by_text(pages, older):
    """The ids of pages whose very text another has that stands before them."""
    texts = defaultdict(dict)
    for p in pages:
        if p.kept:
            texts[p.content][p.id] = p
    return {p.id for same in texts.values() for p in sorted(same.values(), key=lambda p: standing(p, p.id in older))[1:]}


@pytest.mark.parametrize("seed", range(4))
def test_every_removal_is_proved_and_no_copy_stands_beside_its_twin(seed, tmp_path):
    pages = world(seed)
    tables, links, _ = deduplicate([pages], SETTINGS, str(tmp_path))
    rows = tables[0].to_pylist()
    by_id, older = {}, older_captures(pages)
    gone = gone_by_text(pages, older)
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
        elif row["kind"] == "record":
            assert row["similarity"] is None
        else:
            assert row["similarity"] == jaccard(p, stays) >= 0.8
            assert (row["kind"] == "url") == (p.url is not None and p.url == stays.url)
            assert not (stays.id in older and p.url == stays.url and p.id not in older)       # the newest is what stays
    assert {len(c) for c in clusters.values()} > {2, 3} and older
    for name, members in clusters.items():
        assert name == min(p.id for p, _ in members)
        assert {row["cluster_size"] for _, row in members} == {len(members)}
        left = {p.id: p for p, _ in members if p.id not in gone}
        chosen = sorted(left.values(), key=lambda p: standing(p, p.id in older))
        kept = []
        for p in chosen:        # the greedy cover, by brute force
            if not any(jaccard(p, k) >= 0.8 for k in kept):
                kept.append(p)
        assert {p.id for p, row in members if row["kind"] is None} == {p.id for p in kept}
        for p, row in members:
            if p.id not in gone and row["kind"] in ("near", "url"):
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


def captures():
    text = range(1000, 1100)
    old = page(text, 1, url="https://a.example/x", date="2020-01-01T00:00:00Z", length=900)
    new = page(range(100), 2, url="https://A.example/x#top", date="2021-01-01T00:00:00Z", length=10)
    same = page(range(100), 3, content=new.content, length=20)           # the text of `new` elsewhere, and longer
    near = page([*range(90), 1, *range(500, 505)], 4, length=30)         # 90 of 105 shingles
    alone = page(range(5000, 5050), 5)
    out = page(text, 6, content=old.content, kept=False)
    return old, new, same, near, alone, out


def kinds_of(tables):
    return [(row["kind"], row["kept_id"], row["similarity"]) for table in tables for row in table.to_pylist()]


def test_record_then_url_then_exact_then_near(tmp_path):
    old, new, same, near, alone, out = captures()
    parts = [[old, new, new], [same, near, alone, out]]
    tables, _, _ = deduplicate(parts, DedupSettings(same_address="newest"), str(tmp_path))
    assert kinds_of(tables) == [
        ("url", near.id, None), ("exact", near.id, 90 / 105), ("record", near.id, None), ("near", near.id, 90 / 105),
        (None, near.id, None), (None, None, None), (None, None, None)]
    members = [row for table in tables for row in table.to_pylist()][:5]
    assert {row["cluster"] for row in members} == {min(old.id, new.id, same.id, near.id)}
    assert {row["cluster_size"] for row in members} == {5}


def test_captures_of_an_address_are_copies_where_their_texts_are(tmp_path):
    old, new, same, near, alone, out = captures()
    tables, _, _ = deduplicate([[old, new, new], [same, near, alone, out]], DedupSettings(), str(tmp_path))
    assert kinds_of(tables) == [
        (None, None, None), ("exact", near.id, 90 / 105), ("record", near.id, None), ("near", near.id, 90 / 105),
        (None, near.id, None), (None, None, None), (None, None, None)]
    thread = [page(range(100 * n, 100 * n + 60), n, url="https://a.example/thread") for n in range(5)]
    again = page([*range(55), *range(900, 905)], 9, url="https://a.example/thread", date="2020-01-01T00:00:00Z", length=9)
    tables, _, _ = deduplicate([[*thread, again]], DedupSettings(), str(tmp_path / "thread"))      # the shorter, and newer
    assert kinds_of(tables) == [("url", again.id, 55 / 65), *[(None, None, None)] * 4, (None, again.id, None)]


def test_what_is_no_web_address_is_none(tmp_path):
    for n, url in enumerate(["N/A", "null", "-", "unknown", "/index.html", "example.com", "mailto:a@b.example", "http://", ""]):
        pages = [page(range(100 * m, 100 * m + 60), m, url=url, date=f"202{m}-01-01T00:00:00Z") for m in range(3)]
        tables, _, _ = deduplicate([pages], DedupSettings(same_address="newest"), str(tmp_path / str(n)))
        assert kinds_of(tables) == [(None, None, None)] * 3, url


@pytest.mark.parametrize("off", ["record", "url", "exact", "near"])
def test_a_kind_that_is_switched_off_removes_nothing(off, tmp_path):
    kinds = tuple(kind for kind in ("record", "url", "exact", "near") if kind != off)
    pages = world(7)
    tables, _, _ = deduplicate([pages], DedupSettings(kinds=kinds), str(tmp_path))
    found = Counter(kind for kind, _, _ in kinds_of(tables))
    assert off not in found and all(found[kind] for kind in kinds if not (off == "near" and kind == "url")), found


def test_texts_shorter_than_min_shingles_are_copies_of_equal_texts_only(tmp_path):
    short = [page(range(5), n, length=5 - n) for n in range(3)]
    equal = page(range(5), 9, content=short[0].content, length=1)
    assert kinds_of(deduplicate([[*short, equal]], DedupSettings(), str(tmp_path / "a"))[0]) == [
        (None, short[0].id, None), (None, None, None), (None, None, None), ("exact", short[0].id, 1.0)]
    assert [kind for kind, _, _ in kinds_of(deduplicate([[*short, equal]], DedupSettings(min_shingles=5), str(tmp_path / "b"))[0])] == [
        None, "near", "near", "exact"]


def test_the_first_may_be_what_stays(tmp_path):
    pages = [page(range(100), n, length=n + 1) for n in range(3)]
    assert kinds_of(deduplicate([pages], DedupSettings(order=("first",)), str(tmp_path))[0]) == [
        (None, pages[0].id, None), ("near", pages[0].id, 1.0), ("near", pages[0].id, 1.0)]


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
