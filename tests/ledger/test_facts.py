"""Documents of blocks by source, language and address; a model's evaluation joined with them."""

import pytest
import torch

from textmill.cli import main
from textmill.model.data.blocks import PackedMixture
from textmill.model.evaluation.compare import ids_in
from textmill.model.training.pretrain import pretrain
from textmill.model.training.settings import TrainSettings
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.ledger.facts import facts_of

pytestmark = pytest.mark.slow


def test_every_document_in_the_blocks_is_known(milled, tmp_path):
    ids = ids_in(PackedMixture(milled[0] / "blocks/mixture").validation)
    found = facts_of(Folder(str(milled[0])), ids)
    assert found.keys() == ids and all(each.source == "sample" and each.language and each.url for each in found.values())
    assert facts_of(Folder(str(milled[0])), ["0" * 32]) == {} and facts_of(Folder(str(tmp_path)), ids) == {}


def test_figures_by_source_and_language_and_the_worst_pages(milled, tmp_path, capsys):
    blocks = milled[0] / "blocks/mixture"
    settings = TrainSettings(steps=1, optimizer="adamw", validation_blocks=1)
    pretrain(blocks, tmp_path / "run", settings, torch.device("cpu"))
    arguments = ["--run", str(tmp_path / "run"), "--blocks", str(blocks), "--data", str(milled[0]), "--validation-blocks", "4",
                 "--device", "cpu"]
    capsys.readouterr()
    assert main(["evaluate", *arguments]) == 0
    names = [line[:32].strip() for line in capsys.readouterr().out.splitlines()]
    assert "source sample" in names and "language en" in names
    assert main(["worst", *arguments, "--count", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all("bits per byte" in line and "  http" in line for line in lines)
