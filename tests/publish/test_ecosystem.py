"""docs/ecosystem.md holds: every piece of code on it runs on the sample crawl, where its library is installed."""

import sys

import pytest
import torch

from benchmarks.ecosystem import SECTIONS, run, run_section

NAMES = {"blocks/demo": "blocks/mixture", "tokenizers/demo-8k": "tokenizers/test-1k", "tokens/demo-8k": "tokens/test-1k",
         "ledger/tokens/demo-8k": "ledger/tokens/test-1k", "ledger/pretokens/demo-8k": "ledger/pretokens/test-1k"}


@pytest.fixture(scope="module")
def here(milled, tmp_path_factory):
    """A working folder whose data/ is the finished run under the names of the demo, with a model trained for two steps."""
    from textmill.model.training.pretrain import pretrain
    from textmill.model.training.settings import TrainSettings

    folder = tmp_path_factory.mktemp("ecosystem")
    data = folder / "data"
    for name in ("documents", "signals", "verdicts", "duplicates", "curated"):
        for place in (name, f"ledger/{name}"):
            (data / place).parent.mkdir(parents=True, exist_ok=True)
            (data / place).symlink_to(milled[0] / place)
    for name, target in NAMES.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).symlink_to(milled[0] / target)
    settings = TrainSettings(steps=2, batch=1, accumulate=1, validation_blocks=1, optimizer="adamw")
    pretrain(data / "blocks/demo", data / "checkpoints/demo", settings, torch.device("cpu"))
    assert run([sys.executable, "-m", "textmill", "card"], folder).returncode == 0
    return folder


@pytest.mark.parametrize("title", SECTIONS)
def test_the_code_of_a_section_runs(here, title):
    outcome = run_section(title, here)
    if outcome.missing:
        pytest.skip(f"{', '.join(outcome.missing)} is not installed")
    assert not outcome.error, outcome.error


def test_tools_that_it_names_have_a_section():
    assert set(SECTIONS) >= {"pandas", "polars", "DuckDB", "Dask", "Ray Data", "Hugging Face datasets", "Spark", "PyTorch", "nanoGPT", "litgpt",
                             "MosaicML", "Megatron", "Hugging Face Trainer", "vLLM", "llama.cpp", "Cards", "Publishing"}
