"""What comes from elsewhere to a machine that trains or samples: a tokenizer, blocks, a checkpoint.

A file's checksum is made to fit after the change, as in a folder that a stranger wrote.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import pyarrow as pa
import torch

import textmill
from tests.fuzz.target import Target
from tests.model.test_blocks import small_mixture
from textmill.base.errors import TextmillError
from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.shapes import Shape
from textmill.model.data.blocks import PackedMixture
from textmill.model.data.tokenizer import document_ids, open_tokenizer
from textmill.model.training.checkpoint import State, latest, load_model, load_state, save
from textmill.model.training.checkpoint_files import CONFIG, FILES, STATE, SUMS, WEIGHTS, sha256_of
from textmill.model.training.optimizers import OPTIMIZERS
from textmill.model.training.settings import TrainSettings
from textmill.model.training.validate import token_bytes
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.tokens.encode import tokenizer_json
from textmill.tokenizer.bpe import END_OF_TEXT, character_of_byte
from textmill.tokenizer.bpe import tokenizer_json as bpe_json
from textmill.tokenizer.chat import chat_template, check_configuration
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.files import export_files, standard_files
from textmill.tokenizer.special import SPECIAL_TOKENS

TEXT = "A quay, 水 <|endoftext|>"
TINY = Shape(layers=1, width=8, heads=1, head_width=8, kv_heads=1, mlp=8, tied=True)
JSON = (b'{"', b'": ', b'", "', b'"}', b"null", b"true", b"[]", b"{}", b'"\\ud800"', b"1e999", b"NaN", b"-1", b"[[", b'""')
SCHEMA = (b"item", b"tokens", b"entry", b"spans", b"piece", b"start", b"end", b"offset", b"from", b"to", b"id", b"block", b"vocab_size", b"end_of_text", b"shares", b"-1")


def each(*readings: Callable[[], object]) -> None:
    """Every reading, whatever the ones before it refused."""
    refused = None
    for reading in readings:
        try:
            reading()
        except TextmillError as error:
            refused = error
    if refused:
        raise refused


def tokenizers() -> list[bytes]:
    letters = [character_of_byte[byte] for byte in b"the quay"]
    merges = [(letters[0], letters[1]), (letters[0] + letters[1], letters[2]), (letters[4], letters[5])]
    return [bpe_json(merges, pattern, [END_OF_TEXT, "<|user|>"]).encode() for pattern in ("qwen2", "gpt-2")]


def tokenizer(data: bytes) -> None:
    with TemporaryDirectory() as home:
        folder = Path(home, "tokenizers/t")
        folder.mkdir(parents=True)
        (folder / "tokenizer.json").write_bytes(data)
        (folder / "tokenizer_config.json").write_text("{}")

        def encoded() -> None:
            encoder = Encoder(tokenizer_json(Folder(home), "t"))
            encoder.decode(encoder.encode(pa.array([TEXT, None]))[0].as_py())
            export_files(data.decode(), "t")

        each(encoded, lambda: Encoder.load(folder), lambda: textmill.load_tokenizer(folder).encode(TEXT),
             lambda: document_ids(open_tokenizer(folder, 261), TEXT, 259), lambda: token_bytes(folder / "tokenizer.json", 261))


def chat(data: bytes) -> None:
    each(lambda: check_configuration(data), lambda: check_configuration(b"{}", data))


@cache
def blocks() -> Path:
    return small_mixture(Path(mkdtemp()) / "blocks", blocks=4)


@cache
def blocks_to_change() -> tuple[Path, dict]:
    folder = small_mixture(Path(mkdtemp()) / "blocks", blocks=4)
    return folder, json.loads((folder / "train/_manifest.json").read_text())


def stream(data: bytes) -> None:
    """A stream of two blocks beside a sound one."""
    folder, manifest = blocks_to_change()
    (folder / "train/2.arrow").write_bytes(data)
    manifest["parts"][0]["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "train/_manifest.json").write_text(json.dumps(manifest))
    read_all(folder)


def listing(data: bytes) -> None:
    (blocks_to_change()[0] / "train/_manifest.json").write_bytes(data)
    read_all(blocks_to_change()[0])


def read_all(folder: Path) -> None:
    mixture = PackedMixture(folder)
    for split in (mixture.train, mixture.validation):
        split.documents()
        for batch in split.in_order(2):
            assert sum(batch.lengths) == batch.tokens.numel()


@cache
def checkpoint(architecture: str = "qwen3") -> Path:
    run, settings = Path(mkdtemp()), TrainSettings(optimizer="adamw")
    model = build(ARCHITECTURES[architecture].configuration(TINY, 300, 32, 299))
    model.initialise(1)
    return save(run, State(settings, {"blocks": "0" * 64}, 4, 99, 1.5, 3.0, 2.0), model, OPTIMIZERS["adamw"](model, 0.1, 0.1))


def part_of_checkpoint(name: str) -> Callable[[bytes], None]:
    """A checkpoint in which this file is the input."""
    def parse(data: bytes) -> None:
        copy = copied_checkpoint(name)
        (copy / name).write_bytes(data)
        (copy / SUMS).write_text("".join(f"{sha256_of(copy / file)}  {file}\n" for file in FILES))
        assert latest(copy.parent) == copy
        each(lambda: load_state(copy, TrainSettings), lambda: load_model(copy, torch.device("cpu")))

    return parse


def sums(data: bytes) -> None:
    (copied_checkpoint(SUMS) / SUMS).write_bytes(data)
    latest(copied_checkpoint(SUMS).parent)


@cache
def copied_checkpoint(name: str) -> Path:
    return Path(shutil.copytree(checkpoint(), Path(mkdtemp()) / checkpoint().name))


def of_both(name: str) -> Callable[[], list[bytes]]:
    return lambda: [(checkpoint(architecture) / name).read_bytes() for architecture in ("qwen3", "gpt2")]


TARGETS = {
    "tokenizer.json": Target(tokenizers, tokenizer, words=(*JSON, b'"special": true', b'"normalizer"', b'"merges"', b'"vocab"', b'"added_tokens"')),
    "chat-template": Target(lambda: [(chat_template(SPECIAL_TOKENS) or "").encode(), standard_files(bpe_json([], "qwen2", SPECIAL_TOKENS))[
        "tokenizer_config.json"]], chat, words=(*JSON, b"{%", b"%}", b"{{", b"}}", b"{#", b"-%}", b" ** 99", b"| tojson", b"generation", b"endfor")),
    "blocks": Target(lambda: [(blocks() / "train/2.arrow").read_bytes()], stream, words=SCHEMA),
    "blocks-manifest": Target(lambda: [(blocks() / "train/_manifest.json").read_bytes()], words=(*JSON, b'"rows"', b'"parts"', b'"path"', b"../"),
                              parse=listing),
    "checkpoint-state": Target(of_both(STATE), part_of_checkpoint(STATE), words=JSON),
    "checkpoint-decoder": Target(of_both(CONFIG), part_of_checkpoint(CONFIG), words=(*JSON, b'"gpt2"', b'"qwen3"', b'"sinusoidal"', b'"learned"')),
    "checkpoint-weights": Target(of_both(WEIGHTS), part_of_checkpoint(WEIGHTS), words=(*JSON, b'"dtype"', b'"F32"', b'"BF16"', b'"data_offsets"', b'"shape"')),
    "checkpoint-sums": Target(lambda: [(checkpoint() / SUMS).read_bytes()], sums),
}
