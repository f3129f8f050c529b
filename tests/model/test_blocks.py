"""Blocks: what is read, in which order, what is a target, and what is refused."""

import hashlib
import json
import random
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.utils._python_dispatch import TorchDispatchMode

from textmill.model import ModelError
from textmill.model.data.blocks import PackedMixture

LENGTH = 32
LETTER_A = 32              # its id in the tokenizer below: the alphabet begins with "!"
SPANS = pa.list_(pa.struct([("id", pa.string()), ("piece", pa.int32()), ("start", pa.int32()), ("end", pa.int32()),
                            ("offset", pa.int32())]))
Block = tuple[list[int], str, list[tuple[int, int]]]        # tokens, entry, spans


def write_tokenizer(folder: Path) -> tuple[int, str]:
    """A byte-level tokenizer of 300 ids in `folder`; end-of-text and the sha256 of its file."""
    words = [f"the {noun} runs through a green valley é" for noun in ("river", "road", "train", "hare", "mountain")]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(words, trainers.BpeTrainer(vocab_size=299, initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_special_tokens(["<|endoftext|>"])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}')
    assert tokenizer.get_vocab_size() == 300
    return 299, hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()


def write_split(folder: Path, parts: list[list[Block]], facts: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    length = int(facts["block"])
    schema = pa.schema([("tokens", pa.list_(pa.uint16(), length)), ("entry", pa.string()), ("spans", SPANS)], metadata=facts)
    listed = []
    for n, blocks in enumerate(parts):
        name = f"{len(parts) - n}.arrow"                    # the manifest's order is not that of the names
        rows = [{"tokens": tokens, "entry": entry, "spans": [
            {"id": id_[0] if id_ else f"{n}-{i}", "piece": 0, "start": a, "end": b, "offset": 0} for i, (a, b, *id_) in enumerate(spans)]}
            for tokens, entry, spans in blocks]
        with pa.ipc.new_stream(str(folder / name), schema) as writer:
            writer.write_batch(pa.RecordBatch.from_pylist(rows[:1], schema))
            writer.write_batch(pa.RecordBatch.from_pylist(rows[1:], schema))
        listed.append({"key": str(n), "path": name, "rows": len(blocks),
                       "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()})
    (folder / "_manifest.json").write_text(json.dumps({"schema": 1, "parts": listed}))


def write_mixture(folder: Path, train: list[list[Block]], validation: list[list[Block]], length: int = LENGTH) -> Path:
    end, digest = write_tokenizer(folder)
    facts = {"schema": "1", "mixture": "small", "block": str(length), "vocab_size": "300", "end_of_text": str(end),
             "tokenizer_sha256": digest}
    write_split(folder / "train", train, facts)
    write_split(folder / "validation", validation, facts)
    return folder


def name_tokenizer(folder: Path) -> None:
    """Say in the blocks of `folder` that the tokenizer.json beside them is theirs."""
    digest = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    for split in ("train", "validation"):
        manifest = json.loads((folder / split / "_manifest.json").read_text())
        for part in manifest["parts"]:
            path = folder / split / part["path"]
            with pa.ipc.open_stream(path.read_bytes()) as stream:      # not mapped: it is written anew
                table = stream.read_all()
            schema = table.schema.with_metadata({**table.schema.metadata, b"tokenizer_sha256": digest.encode()})
            with pa.ipc.new_stream(str(path), schema) as writer:
                for batch in table.to_batches():
                    writer.write_batch(batch)
            part["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        (folder / split / "_manifest.json").write_text(json.dumps(manifest))


def small_mixture(folder: Path, blocks: int = 24, length: int = LENGTH) -> Path:
    """Two entries that are easy to learn: counting up in letters, and counting down."""
    draw = random.Random(5)

    def block(n: int) -> Block:
        first, step = draw.randrange(26), 1 if n % 2 else -1
        cut = draw.randrange(4, length - 4)
        tokens = [299, *(LETTER_A + (first + step * i) % 26 for i in range(cut - 1)), 299]
        tokens += [LETTER_A + (first - step * i) % 26 for i in range(length - len(tokens))]
        return tokens, "up" if n % 2 else "down", [(0, cut), (cut, length)]

    made = [block(n) for n in range(blocks)]
    return write_mixture(folder, [made[:blocks // 2], made[blocks // 2:]], [[block(n) for n in range(6)]], length)


def test_a_target_is_the_next_token_of_the_same_span(tmp_path):
    tokens = [299, 10, 11, 12, 20, 21, *[299] * 26]
    mixture = PackedMixture(write_mixture(tmp_path / "b", [[(tokens, "web", [(0, 4), (4, 6)]), (list(range(LENGTH)), "web", [(0, LENGTH)])]],
                                    [[(tokens, "web", [(0, 4)])]]))
    batch = mixture.train.read([0, 1])
    assert batch.tokens[0].tolist() == tokens
    assert batch.targets[0].tolist() == [10, 11, 12, -100, 21, *[-100] * 27]
    assert batch.targets[1].tolist() == [*range(1, LENGTH), -100]
    assert batch.lengths == (4, 2, 26, LENGTH)
    assert batch.entries == ("web", "web") and batch.target_count == 4 + 31


def test_pieces_of_a_document_side_by_side_are_one_stretch(tmp_path):
    """Pieces 0 and 2 of a document (piece 1 gave no token), then another copy of it, then piece 4 behind a gap."""
    folder, tokens = tmp_path / "b", list(range(LENGTH))
    write_mixture(folder, [[(tokens, "web", [(0, LENGTH)])]], [[(tokens, "web", [(0, LENGTH)])]])
    spans = [("d", 0, 0, 5), ("d", 2, 5, 9), ("d", 0, 9, 12), ("d", 3, 12, 14), ("d", 4, 20, 24), ("e", 5, 24, 27)]
    rewrite_spans(folder / "train", [{"id": id, "piece": piece, "start": first, "end": last, "offset": 0}
                                     for id, piece, first, last in spans])
    batch = PackedMixture(folder).train.read([0])
    assert batch.lengths == (9, 5, 6, 4, 3, 5)
    without = (8, 13, *range(14, 20), 23, *range(26, LENGTH))
    assert batch.targets[0].tolist() == [-100 if n in without else n + 1 for n in range(LENGTH)]


def rewrite_spans(folder: Path, spans: list[dict]) -> None:
    """The one block of a split with these spans instead."""
    path = folder / "1.arrow"
    with pa.ipc.open_stream(path.read_bytes()) as reader:
        schema, row = reader.schema, reader.read_all().to_pylist()[0]
    with pa.ipc.new_stream(str(path), schema) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist([row | {"spans": spans}], schema))
    manifest = json.loads((folder / "_manifest.json").read_text())
    manifest["parts"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "_manifest.json").write_text(json.dumps(manifest))


LEARN = pa.list_(pa.struct([*SPANS.value_type, ("learn", pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32())])))]))


def dialogue_blocks(folder: Path, *blocks: list[tuple[str, int, int, list[tuple[int, int]] | None]], kind: pa.DataType = LEARN) -> Path:
    """Blocks of format 2 that count up, of these spans (id, from, to, learn), to train on and to validate."""
    end, digest = write_tokenizer(folder)
    facts = {"schema": "2", "mixture": "chat", "block": str(LENGTH), "vocab_size": "300", "end_of_text": str(end), "tokenizer_sha256": digest}
    schema = pa.schema([("tokens", pa.list_(pa.uint16(), LENGTH)), ("entry", pa.string()), ("spans", kind)], metadata=facts)
    rows = [{"tokens": list(range(LENGTH)), "entry": "chat", "spans": [
        {"id": id, "piece": 0, "start": first, "end": last, "offset": 0,
         "learn": None if learn is None else [{"start": a, "end": b} for a, b in learn]} for id, first, last, learn in spans]} for spans in blocks]
    for split in ("train", "validation"):
        (folder / split).mkdir(parents=True)
        with pa.ipc.new_stream(str(folder / split / "0.arrow"), schema) as writer:
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema))
        (folder / split / "_manifest.json").write_text(json.dumps({"schema": 1, "parts": [{
            "path": "0.arrow", "rows": len(rows), "sha256": hashlib.sha256((folder / split / "0.arrow").read_bytes()).hexdigest()}]}))
    return folder


def test_of_a_dialogue_only_what_learn_names_is_a_target(tmp_path):
    mixture = PackedMixture(dialogue_blocks(
        tmp_path / "b", [("a", 0, 10, [(0, 1), (3, 5), (8, 10)]), ("page", 10, 14, None), ("c", 20, 24, [])], [("d", 0, LENGTH, [(30, 32)])],
        [("page", 0, LENGTH, None)]))
    batch = mixture.train.read([0, 1, 2])
    assert batch.targets[0].tolist() == [n + 1 if n + 1 in (3, 4, 8, 9, 11, 12, 13) else -100 for n in range(LENGTH)]
    assert batch.targets[1].tolist() == [*[-100] * 29, 30, 31, -100] and batch.targets[2].tolist() == [*range(1, LENGTH), -100]
    assert batch.lengths[:5] == (10, 4, 6, 4, 8) and batch.target_count == 7 + 2 + LENGTH - 1
    assert [mixture.train.read([n]).targets[0].tolist() for n in (2, 1, 0)] == [batch.targets[n].tolist() for n in (2, 1, 0)]


@pytest.mark.parametrize("learn", [[(3, 3)], [(0, 11)], [(4, 6), (5, 7)], [(-1, 2)], [(12, 13)]])
def test_what_cannot_be_learned_is_refused(tmp_path, learn):
    mixture = PackedMixture(dialogue_blocks(tmp_path / "b", [("a", 0, 10, learn), ("b", 10, 20, None)]))
    with pytest.raises(ModelError, match="what is learned of block 0 overlaps or leaves its spans"):
        mixture.train.read([0])


def test_blocks_that_learn_without_saying_what_are_refused(tmp_path):
    with pytest.raises(ModelError, match="not in the format of blocks: spans are list<"):
        PackedMixture(dialogue_blocks(tmp_path / "b", [("a", 0, 10, None)], kind=SPANS))


class Copies(TorchDispatchMode):
    """Notes of every copy between devices whether it may still be under way when the call returns."""

    def __init__(self):
        super().__init__()
        self.under_way = []

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        if function is torch.ops.aten._to_copy.default:
            self.under_way.append((named or {}).get("non_blocking", False))
        return function(*arguments, **(named or {}))


def test_a_batch_is_on_its_device_when_it_is_handed_over(tmp_path):
    batch = PackedMixture(small_mixture(tmp_path / "b", blocks=4)).train.read([0])
    with Copies() as copies:
        batch.to(torch.device("meta"))
    assert copies.under_way == [False, False, False]        # tokens, targets, borders


def test_steps_follow_the_manifest_and_go_round(tmp_path):
    blocks = [([n] * LENGTH, "web", [(0, LENGTH)]) for n in range(5)]
    train = PackedMixture(write_mixture(tmp_path / "b", [blocks[:3], blocks[3:]], [blocks])).train
    seen = [[batch.tokens[:, 0].tolist() for batch in train.step(step, 2, 2)] for step in range(3)]
    assert seen == [[[0, 1], [2, 3]], [[4, 0], [1, 2]], [[3, 4], [0, 1]]]
    assert [batch.tokens[:, 0].tolist() for batch in train.in_order(2)] == [[0, 1], [2, 3], [4]]
    assert [batch.tokens[:, 0].tolist() for batch in train.in_order(2, limit=3)] == [[0, 1], [2]]


def test_identity_is_of_order_and_contents(tmp_path):
    blocks = [([n] * LENGTH, "web", [(0, LENGTH)]) for n in range(4)]
    one, same = (PackedMixture(write_mixture(tmp_path / name, [blocks[:2], blocks[2:]], [blocks])).identity() for name in "ab")
    other = PackedMixture(write_mixture(tmp_path / "c", [blocks[2:], blocks[:2]], [blocks])).identity()
    assert one == same != other


def edit_manifest(folder: Path, change) -> None:
    path = folder / "train" / "_manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def flip(folder: Path) -> None:
    path = folder / "train" / "1.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE = [
    (lambda b: (b / "train" / "_manifest.json").unlink(), "pack writes it last"),
    (lambda b: (b / "train" / "_manifest.json").write_text("[]"), "is not a manifest"),
    (lambda b: edit_manifest(b, lambda m: m.update(schema=2)), "was written in schema 2"),
    (lambda b: edit_manifest(b, lambda m: m.update(parts=[])), "holds no blocks; pack more tokens"),
    (lambda b: edit_manifest(b, lambda m: m["parts"][0].update(rows=7)), "the manifest says 7"),
    (lambda b: (b / "train" / "2.arrow").unlink(), "cannot be read (No such file"),
    (flip, "is damaged: its sha256"),
    (lambda b: (b / "tokenizer.json").unlink(), "the tokenizer belongs to it"),
    (lambda b: (b / "tokenizer.json").write_text("{}"), "is not the tokenizer"),
]


@pytest.mark.parametrize(("damage", "sentence"), DAMAGE, ids=[sentence for _, sentence in DAMAGE])
def test_a_folder_that_is_not_sound_is_refused(tmp_path, damage, sentence):
    folder = small_mixture(tmp_path / "b", blocks=4)
    PackedMixture(folder)
    damage(folder)
    with pytest.raises(ModelError) as error:
        PackedMixture(folder)
    assert sentence in str(error.value) and "\n" not in str(error.value)


FACTS = {"schema": "1", "mixture": "m", "block": "32", "vocab_size": "300", "end_of_text": "299", "tokenizer_sha256": "x"}
COLUMNS = {"tokens": pa.array([[1] * LENGTH], pa.list_(pa.uint16(), LENGTH)), "entry": pa.array(["web"]),
           "spans": pa.array([[{"id": "d", "piece": 0, "start": 0, "end": LENGTH, "offset": 0}]], SPANS)}


@pytest.mark.parametrize(("columns", "facts", "sentence"), [
    ({"tokens": pa.array([[1] * LENGTH], pa.list_(pa.float32(), LENGTH))}, {}, "not in the format of blocks: tokens are fixed_size_list<"),
    ({"tokens": pa.array([[1] * LENGTH], pa.list_(pa.uint16()))}, {}, "not in the format of blocks: tokens are list<"),
    ({"spans": pa.array([[1]])}, {}, "not in the format of blocks: spans are list<"),
    ({"entry": pa.array([7])}, {}, "not in the format of blocks: entry is int64"),
    ({"entry": None}, {}, "it has 0 columns entry"),
    ({"tokens": pa.array([None], pa.list_(pa.uint16(), LENGTH))}, {}, "it has nulls"),
    ({"spans": pa.array([[{"id": None, "piece": 0, "start": 0, "end": 1, "offset": 0}]], SPANS)}, {}, "it has nulls"),
    ({}, {"block": "x"}, "says of itself what is no number"), ({}, {"end_of_text": "300"}, "end_of_text 300, which cannot be"),
    ({}, {"block": "16"}, "tokens are fixed_size_list<")])
def test_a_strangers_stream_is_refused_in_words(tmp_path, columns, facts, sentence):
    """Its checksum fits; without the check these were tracebacks, or ended the process."""
    folder = small_mixture(tmp_path / "b", blocks=4)
    table = pa.table({name: column for name, column in (COLUMNS | columns).items() if column is not None})
    with pa.ipc.new_stream(str(folder / "train/2.arrow"), table.schema.with_metadata(FACTS | facts)) as writer:
        writer.write_table(table)
    digest = hashlib.sha256((folder / "train/2.arrow").read_bytes()).hexdigest()
    edit_manifest(folder, lambda manifest: manifest.update(parts=[{"path": "2.arrow", "rows": 1, "sha256": digest}]))
    with pytest.raises(ModelError) as error:
        PackedMixture(folder)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_another_block_format_and_bad_spans_are_refused(tmp_path):
    folder = small_mixture(tmp_path / "b", blocks=4)
    facts = {"schema": "5", "mixture": "m", "block": "32", "vocab_size": "300", "end_of_text": "299", "tokenizer_sha256": "x"}
    good = ([1] * LENGTH, "web", [(0, LENGTH)])
    write_split(folder / "train", [[good]], facts)
    with pytest.raises(ModelError, match="has block format 5, this version reads 1 and 2 and 3 and 4"):
        PackedMixture(folder)
    del facts["end_of_text"]
    write_split(folder / "train", [[good]], facts | {"schema": "1"})
    with pytest.raises(ModelError, match="does not say its end_of_text"):
        PackedMixture(folder)
    for spans in ([(0, 5), (4, 8)], [(3, 3)], [(0, 33)], [(-1, 3)]):
        mixture = PackedMixture(write_mixture(tmp_path / f"b{spans}", [[([1] * LENGTH, "web", spans)]], [[good]]))
        with pytest.raises(ModelError, match="overlap or leave it"):
            mixture.train.read([0])
