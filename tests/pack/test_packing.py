"""Packing: every token of every pass once, documents whole in order, targets that never cross, shares in every prefix."""

import random
from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.pipelines.pack import packers
from textmill.pipelines.pack.documents import Index
from textmill.pipelines.pack.fill import blocks_schema, fill
from textmill.pipelines.pack.mixture import Entry, Mixture, MixtureError
from textmill.pipelines.pack.plan import plan_blocks
from textmill.pipelines.pack.split import Kinship, held_out

END = 9999


def recipe(tokens, entries=None, block=8, validation=0.0, seed=1, **more):
    entries = entries or {"all": Entry({"source": "s"}, 1.0)}
    return Mixture("m", block, tokens, seed, validation, "t", entries, **more)


def name(number):
    return f"{number:032x}"


SCHEMA = pa.schema([("id", pa.string()), ("piece", pa.int32()), ("pieces", pa.int32()), ("source", pa.string()),
                    ("language", pa.string()), ("token_count", pa.int32()), ("cluster_size", pa.int32())])


def indexed(mixture, parts):
    index = Index(mixture)
    for number, rows in enumerate(parts):
        index.add(pa.RecordBatch.from_pylist(rows, SCHEMA), number, Kinship())
    return index


def best_fit(lengths, block):
    """The items of all documents, with blocks numbered as they close."""
    packer = packers.BestFit(block)
    items = packer.add(lengths)
    packer.finish()
    number_of = np.empty(packer.opened, np.int64)
    number_of[np.concatenate(packer.closed)] = np.arange(packer.opened)
    return items._replace(block=number_of[items.block])


class World:
    """Token rows in parts: documents {number: [[token, ...] per piece]}, dealt to parts in the order of `shuffle`."""

    def __init__(self, documents, source=lambda number: "s", parts=1, shuffle=0, cluster_size=lambda number: None):
        rows = [{"id": name(number), "piece": k, "pieces": len(pieces), "source": source(number), "language": "en",
                 "token_count": len(tokens), "tokens": tokens, "cluster_size": cluster_size(number)}
                for number, pieces in documents.items() for k, tokens in enumerate(pieces)]
        random.Random(shuffle).shuffle(rows)
        self.documents, self.source = documents, source
        self.parts = [rows[n::parts] for n in range(parts)]

    def index(self, mixture):
        return indexed(mixture, [[{k: v for k, v in row.items() if k != "tokens"} for row in rows] for rows in self.parts])

    def plan(self, mixture):
        """The layouts of the two splits."""
        return plan_blocks(self.index(mixture))[1:3]

    def fetch(self, part, row):
        assert sorted(zip(part, row, strict=True)) == list(zip(part, row, strict=True))
        return pa.array([self.parts[p][r]["tokens"] for p, r in zip(part, row, strict=True)], pa.list_(pa.uint16()))

    def sequence(self, number):
        """The packed sequence of a document, as (piece, place in the piece, token)."""
        pieces = self.documents[number]
        out = []
        for k, tokens in enumerate(pieces):
            packed = [END] * (k == 0) + tokens + [END] * (k == len(pieces) - 1)
            out += [(k, at, token) for at, token in enumerate(packed)]
        return out


def filled(world, plan, mixture, size=10**9):
    table = plan.blocks
    return [row for at in range(0, table.num_rows, size)
            for row in fill(table.slice(at, size), mixture.block, END, np.dtype(np.uint16), world.fetch).to_pylist()]


def check_blocks(world, rows, mixture):
    """Spans lie apart and in order, hold what they say, and all else is end-of-text. Returns what each token was:
    Counter of (id, piece, place)."""
    seen = Counter()
    for row in rows:
        assert len(row["tokens"]) == mixture.block
        covered = 0
        for span in row["spans"]:
            assert covered <= span["start"] < span["end"] <= mixture.block
            assert row["tokens"][covered:span["start"]] == [END] * (span["start"] - covered)
            here = [(k, at, token) for k, at, token in world.sequence(int(span["id"], 16)) if k == span["piece"]]
            length = span["end"] - span["start"]
            expected = here[span["offset"]:span["offset"] + length]
            assert [token for _, _, token in expected] == row["tokens"][span["start"]:span["end"]]
            seen.update((span["id"], k, at) for k, at, _ in expected)
            covered = span["end"]
        assert row["tokens"][covered:] == [END] * (mixture.block - covered)
    return seen


def test_one_small_world_exactly():
    world = World({1: [[11, 12, 13]], 2: [[21], [22, 23]], 3: [list(range(31, 41))]})
    mixture = recipe(22)                                    # 5 + 5 + 12 tokens with end-of-text
    rows = filled(world, world.plan(mixture)[0], mixture)
    by_content = sorted((row["tokens"], [tuple(span.values()) for span in row["spans"]]) for row in rows)
    assert by_content == [
        ([38, 39, 40, END, END, END, END, END], [(name(3), 0, 0, 4, 8)]),
        ([END, 11, 12, 13, END, END, END, END], [(name(1), 0, 0, 5, 0)]),
        ([END, 21, 22, 23, END, END, END, END], [(name(2), 0, 0, 2, 0), (name(2), 1, 2, 5, 0)]),
        ([END, 31, 32, 33, 34, 35, 36, 37], [(name(3), 0, 0, 8, 0)])]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=4), min_size=1, max_size=25), st.integers(1, 3),
       st.integers(0, 9), st.integers(1, 5), st.sampled_from(["fit", "concat"]))
def test_every_token_of_every_pass_appears_exactly_once(sizes, repeat, seed, size, way):
    counter = iter(range(9000))
    documents = {n: [[next(counter) for _ in range(count)] for count in pieces] for n, pieces in enumerate(sizes)}
    world = World(documents, parts=2, shuffle=seed)
    total = sum(len(world.sequence(n)) for n in documents)
    mixture = recipe(total * repeat, {"all": Entry({"source": "s"}, 1.0, repeat)}, seed=seed, fill=way)
    train, validation = world.plan(mixture)
    seen = check_blocks(world, filled(world, train, mixture, size), mixture)
    assert seen == Counter({(name(n), k, at): repeat for n in documents for k, at, _ in world.sequence(n)})
    assert validation.blocks.num_rows == 0
    (packed,) = train.packed
    assert (packed.documents, packed.tokens, packed.passes) == (len(documents), total * repeat, repeat)
    assert packed.empty == packed.blocks * 8 - packed.tokens and (packed.available, packed.left_out) == (total, 0)
    assert way == "fit" or packed.empty < 8 * repeat


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 20), min_size=1, max_size=3), st.sampled_from([None, 2, 10])), min_size=4,
                max_size=24), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 9))
def test_the_passes_begun_are_what_was_asked_over_a_pass_rounded_up(drawn, parts, seed):
    count = len(parts)
    documents = {n: [[1] * length for length in pieces] for n, (pieces, _) in enumerate(drawn)}
    world = World(documents, lambda n: str(n % count), cluster_size=lambda n: drawn[n][1])
    passes = [0] * count
    for n, (_, size) in enumerate(drawn):
        passes[n % count] += len(world.sequence(n)) * {None: 1, 2: 2, 10: 4}[size]
    entries = {f"e{n}": Entry({"source": str(n)}, part / sum(parts), 10**6, {2: 2, 10: 4}) for n, part in enumerate(parts)}
    mixture = recipe(max(8, 3 * sum(passes)), entries, seed=seed)
    train, _ = world.plan(mixture)
    asked = [round(entry.share * mixture.tokens) for entry in entries.values()]
    assert [packed.passes for packed in train.packed] == [-(-tokens // one) for tokens, one in zip(asked, passes, strict=True)]


def test_popular_documents_are_taken_more_often_in_each_pass():
    documents = {n: [[100 + n] * (3 + n)] for n in range(40)}
    size = {1: 2, 2: 9, 3: 10, 4: 500, 5: 1}
    entry = Entry({"source": "s"}, 1.0, repeat=2, repeat_by_cluster_size={2: 2, 10: 4})
    times = {n: {1: 2, 2: 2, 3: 4, 4: 4}.get(n, 1) for n in documents}
    world = World(documents, cluster_size=size.get)
    a_pass = sum(times[n] * len(world.sequence(n)) for n in documents)
    mixture = recipe(2 * a_pass, {"all": entry})
    (train, _), seen = world.plan(mixture), Counter()
    seen = check_blocks(world, filled(world, train, mixture), mixture)
    assert seen == Counter({(name(n), k, at): 2 * times[n] for n in documents for k, at, _ in world.sequence(n)})
    assert train.packed[0].passes == 2
    with pytest.raises(MixtureError, match=f"its share asks for {2 * a_pass + 9:,}, 2 x {a_pass:,} are there"):
        world.plan(recipe(2 * a_pass + 9, {"all": entry}))
    plain = recipe(60, {"all": Entry({"source": "s"}, 1.0)})        # a recipe without it packs as it always did
    assert world.plan(plain)[0].blocks.equals(World(documents).plan(plain)[0].blocks)


def test_popular_documents_are_held_out_but_once():
    world = World({n: [[n] * 5] for n in range(60)}, cluster_size=lambda n: 3)
    mixture = recipe(300, {"all": Entry({"source": "s"}, 1.0, repeat_by_cluster_size={2: 3})}, validation=0.2)
    seen = check_blocks(world, filled(world, world.plan(mixture)[1], mixture), mixture)
    assert set(seen.values()) == {1}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.integers(1, 4))
def test_parts_their_order_and_the_size_of_a_shard_do_not_matter(shuffle, parts):
    dice = random.Random(5)
    documents = {n: [[dice.randrange(9000) for _ in range(dice.randrange(12))] for _ in range(dice.randrange(1, 4))]
                 for n in range(40)}
    mixture = recipe(300, {"a": Entry({"source": "a"}, 0.3, 2), "b": Entry({"source": "b"}, 0.7)}, validation=0.2)
    source = lambda n: "a" if n % 3 == 0 else "b"                                                      # noqa: E731
    one = World(documents, source)
    other = World(documents, source, parts, shuffle)
    for expected, plan in zip(one.plan(mixture), other.plan(mixture), strict=True):
        assert filled(other, plan, mixture, 3) == filled(one, expected, mixture)
        assert plan.packed == expected.packed and plan.blocks.num_rows > 0


def test_a_held_out_document_is_never_trained_on_and_membership_is_of_the_id_alone():
    ids = [name(n) for n in range(2000)]
    small, large = ({id for id in ids if held_out(id, share)} for share in (0.05, 0.2))
    assert small < large and 70 < len(small) < 130 and not any(held_out(id, 0.0) for id in ids)
    documents = {n: [[1] * 6] for n in range(200)}
    world = World(documents)
    for seed in (1, 2):
        mixture = recipe(800, validation=0.2, seed=seed)
        train, validation = (check_blocks(world, filled(world, plan, mixture), mixture)
                             for plan in world.plan(mixture))
        assert {id for id, _, _ in validation} <= large and {id for id, _, _ in train}.isdisjoint(large)
        assert sum(validation.values()) == 160 and sum(train.values()) == 800       # a document fills a block of 8


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 20), min_size=1, max_size=3), st.sampled_from([None, 2])), min_size=3, max_size=25),
       st.integers(8, 400), st.sampled_from(["fit", "concat"]), st.sampled_from([0.0, 0.3]))
def test_the_remainder_is_counted_to_the_token(drawn, asked, way, validation):
    documents = {n: [[1] * length for length in pieces] for n, (pieces, _) in enumerate(drawn)}
    world = World(documents, lambda n: "ab"[n % 2], cluster_size=lambda n: drawn[n][1])
    entries = {name: Entry({"source": name}, 0.5, 3, {2: 2}) for name in "ab"}
    try:
        train, held = world.plan(recipe(asked, entries, validation=validation, fill=way))
    except MixtureError:
        return
    for plan in (train, held):
        blocks, packed = plan.blocks.to_pylist(), {one.entry: one for one in plan.packed}
        for name_ in "ab":
            spans = [span for row in blocks if row["entry"] == name_ for span in row["spans"]]
            tokens = {(span["id"], span["piece"], place) for span in spans
                      for place in range(span["offset"], span["offset"] + span["end"] - span["start"])}
            assert len(tokens) == packed[name_].available - packed[name_].left_out
            assert packed[name_].documents == len({span["id"] for span in spans})
    everything = sum(len(world.sequence(n)) for n in documents)
    assert sum(one.available for plan in (train, held) for one in plan.packed) == everything


def test_end_to_end_30_000_tokens_are_12_blocks_of_2_500_and_documents_are_cut_without_regard():
    """In steps of 128, which a block has: 30,720 tokens in 12 blocks of 2,560."""
    world = World({n: [[n] * 1534] for n in range(20)})
    mixture = recipe(30_720, block=2560, fill="concat")
    train, _ = world.plan(mixture)
    (packed,) = train.packed
    assert (packed.blocks, packed.empty, packed.tokens, packed.documents) == (12, 0, 30_720, 20)
    assert packed.cut == sum(n * 1536 // 2560 != ((n + 1) * 1536 - 1) // 2560 for n in range(20)) == 8
    fitted = world.plan(recipe(30_720, block=2560))[0].packed[0]
    assert (fitted.blocks, fitted.cut, fitted.empty) == (20, 0, 20 * 1024)


@pytest.mark.parametrize("way", ["fit", "concat"])
def test_another_seed_is_another_order_of_the_same_blocks(way):
    dice = random.Random(7)
    world = World({n: [[n] * dice.randrange(30)] for n in range(300)}, lambda n: "ab"[n % 2])
    entries = {"a": Entry({"source": "a"}, 0.5, 3), "b": Entry({"source": "b"}, 0.5, 3)}
    rows = [filled(world, world.plan(mixture)[0], mixture) for mixture in (recipe(3000, entries, seed=seed, fill=way) for seed in (1, 2))]
    contents = [Counter(repr(row) for row in of_seed) for of_seed in rows]
    assert contents[0] == contents[1] and rows[0] != rows[1]
    assert sum(one["entry"] == "a" for one in rows[0]) == sum(one["entry"] == "a" for one in rows[1])


def test_another_seed_and_another_pass_have_another_order():
    world = World({n: [[n] * 6] for n in range(50)})
    order = {}
    for seed in (1, 2):
        mixture = recipe(800, {"all": Entry({"source": "s"}, 1.0, 2)}, seed=seed)
        order[seed] = [row["spans"][0]["id"] for row in filled(world, world.plan(mixture)[0], mixture)]
    assert sorted(order[1][:50]) == sorted(order[1][50:]) == sorted(order[2][:50])
    assert len({tuple(order[1][:50]), tuple(order[1][50:]), tuple(order[2][:50])}) == 3


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.6, 0.3, 0.1), (0.25, 0.25, 0.25, 0.25)])
def test_every_prefix_is_close_to_the_shares_and_an_entry_stops_at_its_budget(shares):
    count = len(shares)
    documents = {n: [[1] * (n % 17)] for n in range(400 * count)}
    entries = {f"e{n}": Entry({"source": str(n)}, share, 9) for n, share in enumerate(shares)}
    world, mixture = World(documents, lambda n: str(n % count)), recipe(6000, entries)
    plan, _ = world.plan(mixture)
    taken = Counter()
    for row in plan.blocks.to_pylist():
        taken[row["entry"]] += sum(span["end"] - span["start"] for span in row["spans"])
        for n, share in enumerate(shares):
            assert abs(taken[f"e{n}"] - share * taken.total()) <= 8 * max(1, count - 1) / 2 + 1
    for n, share in enumerate(shares):
        assert 0 <= taken[f"e{n}"] - share * 6000 < 8
    assert [packed.tokens for packed in plan.packed] == [taken[f"e{n}"] for n in range(count)]


def test_a_block_holds_one_entry_and_a_long_document_goes_on_elsewhere():
    documents = {1: [list(range(100, 120)), list(range(200, 210))], 2: [[1, 2]], 3: [[3]]}
    mixture = recipe(39, {"long": Entry({"source": "l"}, 32 / 39), "short": Entry({"source": "s"}, 7 / 39)})
    world = World(documents, lambda n: "l" if n == 1 else "s")
    rows = filled(world, world.plan(mixture)[0], mixture)
    entry_of_id = defaultdict(set)
    for row in rows:
        for span in row["spans"]:
            entry_of_id[span["id"]].add(row["entry"])
    assert entry_of_id == {name(1): {"long"}, name(2): {"short"}, name(3): {"short"}}
    spans = sorted((s["piece"], s["offset"], s["end"] - s["start"]) for row in rows for s in row["spans"] if s["id"] == name(1))
    assert spans == [(0, 0, 8), (0, 8, 8), (0, 16, 5), (1, 0, 3), (1, 3, 8)]


def test_best_fit_takes_the_tightest_block_and_closes_the_fullest(monkeypatch):
    items = best_fit(np.array([5, 6, 2, 3, 19]), 8)     # 2 joins the 6, 3 the 5; 19 = 8 + 8 + 3
    assert sorted(zip(*items, strict=True)) == [(0, 0, 5, 1, 0), (1, 0, 6, 0, 0), (2, 0, 2, 0, 6), (3, 0, 3, 1, 5),
                                               (4, 0, 8, 2, 0), (4, 8, 8, 3, 0), (4, 16, 3, 4, 0)]
    monkeypatch.setattr(packers, "OPEN", 1)
    assert best_fit(np.array([4, 6, 4]), 8).block.tolist() == [1, 0, 1]     # the 6 is closed first, being fuller


def test_what_is_missing_is_said_exactly_for_every_entry_at_once():
    documents = {n: [[1] * 6] for n in range(30)}                       # 8 tokens each: a has 80, b 160
    world = World(documents, lambda n: "a" if n < 10 else "b")
    mixture = recipe(1000, {"a": Entry({"source": "a"}, 0.5, 2), "b": Entry({"source": "b"}, 0.4),
                            "c": Entry({"source": "c", "language": ["de", "fr"]}, 0.1)})
    with pytest.raises(MixtureError) as error:
        world.plan(mixture)
    assert str(error.value).split("\n") == [
        "entry a is 340 tokens short: its share asks for 500, 2 x 80 are there; repeat: 7 would do",
        "entry b is 240 tokens short: its share asks for 400, 1 x 160 are there; repeat: 3 would do",
        "entry c selects nothing: no token row has source=c, language=de|fr; change its `where`"]
    two = recipe(1000, {"a": Entry({"source": "a"}, 0.5, 2), "b": Entry({"source": "b"}, 0.5)})
    with pytest.raises(MixtureError, match=r"or lower tokens to 320, the most"):
        world.plan(two)
    just = recipe(320, two.entries)
    assert [packed.tokens for packed in world.plan(just)[0].packed] == [160, 160]
    none = recipe(80, validation=1e-9)
    with pytest.raises(MixtureError, match="validation is 1e-09, which holds out none of the 30 documents"):
        World(documents).plan(none)


@pytest.mark.parametrize(("rows", "problem"), [
    ([(1, 0, 2)], "is given twice or lacks pieces"),
    ([(1, 1, 2)], "is given twice or lacks pieces"),
    ([(1, 0, 1), (1, 0, 1)], "is given twice or lacks pieces")])
def test_a_document_whose_pieces_are_not_all_there_once_is_refused(rows, problem):
    index = indexed(recipe(8), [[{"id": name(i), "piece": piece, "pieces": pieces, "token_count": 9, "source": "s"}
                                 for i, piece, pieces in rows]])
    with pytest.raises(MixtureError, match=problem):
        plan_blocks(index)


def test_pieces_of_a_document_in_two_entries_are_refused():
    two = recipe(8, {"a": Entry({"source": "a"}, 0.5), "b": Entry({"source": "b"}, 0.5)})
    with pytest.raises(MixtureError, match="has pieces in two entries"):
        indexed(two, [[{"id": name(0), "piece": k, "pieces": 2, "token_count": 9, "source": "ab"[k]} for k in range(2)]])


def test_blocks_have_the_published_format_and_a_changed_row_is_noticed():
    world, mixture = World({1: [[1, 2, 3]]}), recipe(5)
    plan, validation = world.plan(mixture)
    batch = fill(plan.blocks, 8, END, np.dtype(np.uint16), world.fetch)
    assert batch.schema == blocks_schema(8, np.dtype(np.uint16))
    assert str(batch.schema.field("tokens").type) == "fixed_size_list<item: uint16>[8]"
    assert fill(validation.blocks, 8, END, np.dtype(np.uint32), world.fetch).num_rows == 0
    with pytest.raises(MixtureError, match="shorter than it was"):
        fill(plan.blocks, 8, END, np.dtype(np.uint16), lambda part, row: pa.array([[1]], pa.list_(pa.uint16())))


@pytest.mark.parametrize("way", ["fit", "concat"])
def test_a_small_budget_takes_short_and_long_documents_alike(way):
    """Blocks that are full sooner, of long documents, are not taken before those of short ones."""
    lengths = [20 + 400 * (n % 10 == 0) for n in range(2000)]
    world = World({n: [[1] * length] for n, length in enumerate(lengths)})
    for layout in world.plan(recipe(20_000, block=128, validation=0.1, fill=way)):
        taken = {span["id"] for spans in layout.blocks["spans"].to_pylist() for span in spans}
        short = sum(lengths[int.from_bytes(id)] == 20 for id in taken) / len(taken)
        assert abs(short - 0.9) < 0.08, f"{short:.0%} of {len(taken)} documents are short, of all 90 %"
