"""The log of a run: figures while it runs, norms by layer, spikes with the documents in them, trackers."""

import json
import math
from dataclasses import replace

import pytest
import torch

from tests.model.test_blocks import small_mixture
from tests.model.test_training import CPU, SETTINGS
from textmill.model import ModelError
from textmill.model.data.ahead import Ahead
from textmill.model.data.blocks import PackedMixture
from textmill.model.training.log import FEWEST, Log, Spikes, flat, open_trackers
from textmill.model.training.pretrain import pretrain

pytestmark = pytest.mark.slow


def lines(home, key):
    return [line for line in map(json.loads, (home / "log.jsonl").read_text().splitlines()) if key in line]


def test_figures_and_norms_by_layer(tmp_path):
    pretrain(small_mixture(tmp_path / "blocks"), tmp_path / "run", replace(SETTINGS, gradient_norms=True), CPU)
    rate = lines(tmp_path / "run", "tokens_per_second")[-1]
    assert rate["tokens_per_second"] > 0 and rate["memory"] > 50e6 and "mfu" not in rate
    updates = lines(tmp_path / "run", "norms")
    assert len(updates) == SETTINGS.steps
    assert list(updates[0]["norms"]) == ["layers.0", "layers.1", "layers.2", "layers.3", "embed_tokens.weight", "norm.weight"]
    for update in updates:
        assert math.sqrt(sum(norm ** 2 for norm in update["norms"].values())) == pytest.approx(update["norm"], rel=1e-3)


def test_a_spike_is_named_with_the_documents_of_its_batch(tmp_path, monkeypatch, capsys):
    """One block's tokens are made strange to a model that has learned to count."""
    blocks = small_mixture(tmp_path / "blocks", blocks=40)
    read = PackedMixture(blocks).train.read.__func__

    def strange(self, numbers):
        batch = read(self, numbers)
        if numbers[0] == 60 % 40 and strange.calls > 55:
            batch.targets.masked_fill_(batch.targets >= 0, 1)
        strange.calls += 1
        return batch

    strange.calls = 0
    monkeypatch.setattr("textmill.model.data.blocks.Blocks.read", strange)
    settings = replace(SETTINGS, steps=64, batch=1, accumulate=1, validation_every=64, save_every=64)
    pretrain(blocks, tmp_path / "run", settings, CPU)
    spikes = lines(tmp_path / "run", "spike")
    assert [spike["step"] for spike in spikes] == [61]
    expected = PackedMixture(blocks).train.spans(20).field("id").to_pylist()
    assert spikes[0]["documents"] == list(dict.fromkeys(expected))
    assert f"the loss jumps to {spikes[0]['spike']:.3f} at step 61, in which are {expected[0]}" in capsys.readouterr().err


def test_what_a_spike_is():
    spikes = Spikes()
    assert not any(spikes.is_one(loss) for loss in [9.0] * (FEWEST - 1) + [50.0]), "too few before it"
    spikes = Spikes()
    for n in range(200):
        assert not spikes.is_one(5 - n / 100 + 0.1 * (n % 3))
    assert spikes.is_one(6.0) and not spikes.is_one(3.0)


def test_tensorboard_has_the_figures(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    pretrain(small_mixture(tmp_path / "blocks"), tmp_path / "run", replace(SETTINGS, trackers=("tensorboard",)), CPU)
    events = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    assert {"loss", "norm", "lr", "validation", "tokens_per_second", "entries/up"} <= set(events.Tags()["scalars"])
    logged = {line["step"]: line["loss"] for line in lines(tmp_path / "run", "loss")}
    assert {event.step: event.value for event in events.Scalars("loss")} == pytest.approx(logged, rel=1e-6)


def test_a_tracker_that_is_not_installed_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(ModelError, match="trackers: wandb is not installed"):
        open_trackers(["wandb"], tmp_path, {})


def test_a_library_with_init_and_log_gets_the_same(tmp_path, monkeypatch):
    """As W&B and trackio have them; a module of ours in their place, since they want an account or a server."""
    import sys
    import types

    said = []
    library = types.ModuleType("trackio")
    library.init = lambda **given: said.append(given)
    library.log = lambda figures, step: said.append((step, figures))
    library.finish = lambda: said.append("end")
    monkeypatch.setitem(sys.modules, "trackio", library)
    with Log(tmp_path / "log.jsonl", 0, open_trackers(["trackio"], tmp_path / "run", {"lr": 1})) as log:
        log.write({"step": 3, "loss": 2.0, "entries": {"web": 1.0}, "documents": ["a"]})
    assert said == [{"project": "textmill", "name": "run", "config": {"lr": 1}}, (3, {"loss": 2.0, "entries/web": 1.0}), "end"]
    assert dict(flat({"a": {"b": {"c": 1}}})) == {"a/b/c": 1}


def test_batches_come_ahead_in_order_and_errors_come_through():
    made = []

    class Item:
        def __init__(self, step):
            self.step = step

        def to(self, device):
            return self.step, device

    def batches(step):
        made.append(step)
        if step == 3:
            raise ModelError("token 9 is outside the vocabulary")
        return [Item(step)]

    ahead = Ahead(batches, torch.device("cpu"), 5)
    assert [ahead(step)[0][0] for step in range(3)] == [0, 1, 2]
    with pytest.raises(ModelError, match="outside the vocabulary"):
        ahead(3)
    assert made[:4] == [0, 1, 2, 3]
    assert ahead(4)[0][0] == 4
    ahead.close()
