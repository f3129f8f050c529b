"""A served model for tests: random weights, a tokenizer that can chat, in a process of its own."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer

from tests.model.test_blocks import write_tokenizer
from tests.servers import free_port, server
from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.shapes import Shape
from textmill.model.training.checkpoint import State, save
from textmill.model.training.settings import TrainSettings
from textmill.tokenizer.special import SPECIAL_TOKENS

SHAPE = Shape(layers=2, width=32, heads=4, head_width=16, kv_heads=2, mlp=48, tied=False)
CONTEXT = 4000


def write_run(run: Path, chat: bool = True, seed: int = 1) -> Path:
    """A run with one checkpoint that nobody trained."""
    end, _ = write_tokenizer(run)
    size = end + 1
    if chat:
        tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
        tokenizer.add_special_tokens([*SPECIAL_TOKENS[1:]])
        tokenizer.save(str(run / "tokenizer.json"))
        size = tokenizer.get_vocab_size()
    model = build(ARCHITECTURES["qwen3"].configuration(SHAPE, size, CONTEXT, end))
    model.initialise(seed)
    save(run, State(TrainSettings(), {"blocks": "none"}, 1), model, [])
    return run


@contextlib.contextmanager
def served(run: Path, folder: Path, *options: str, **environment: str) -> Iterator[str]:
    """`textmill serve` of a run; its address."""
    port = free_port()
    command = [sys.executable, "-m", "textmill", "serve", "--run", str(run), "--data", str(folder), "--port", str(port),
               "--device", "cpu", *options]
    with server(command, port, folder / "serve.log", host="127.0.0.1", OMP_NUM_THREADS="1", **environment):
        yield f"http://127.0.0.1:{port}"
