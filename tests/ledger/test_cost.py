"""The plan of a run: arithmetic on measured rates, which grows with the input, and says what will not fit."""

import dataclasses
import math

import pytest

from tests.command_line import ROOT, refused
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.ledger.cost import CostEstimate, amount, read_rates, size_of
from textmill.pipelines.settings import read_config

CONFIG = read_config(str(ROOT / "settings.yaml"), str(ROOT / "rules.yaml"), str(ROOT / "mixtures/demo.yaml"), None)
RATES = read_rates()


def plan(stored: int, runner: str = "local", workers: int = 2, memory: float = 8e9) -> CostEstimate:
    return CostEstimate(RATES, CONFIG, BeamEngine(runner, workers), stored, memory)


def test_costs_and_storage_grow_with_the_input():
    assert plan(RATES.stored_bytes).documents == RATES.documents
    assert plan(RATES.stored_bytes).hours()["extract"] == pytest.approx(RATES.cpu_seconds["extract"] / 3600)
    assert plan(10 * RATES.stored_bytes).storage()["curate"] == 10 * RATES.dataset_bytes["curate"]
    exact, bands = plan(10 * RATES.stored_bytes).steps()[:2]
    assert (exact.name, bands.name) == ("exact", "bands")
    assert bands.bytes == 10 * RATES.documents * CONFIG[DedupSettings].banding()[0] * 16


def test_an_engine_that_spills_needs_one_pass_and_one_that_does_not_as_many_as_memory_asks():
    assert {step.passes for step in plan(10**13, "flink", 64).steps()} == {1}
    bands = plan(10**13).steps()[1]
    assert bands.passes == math.ceil(bands.bytes * 6 / 2e9) > 1
    assert plan(10**9).steps()[1].passes == 1


def test_what_does_not_fit_is_said_with_what_to_do():
    assert list(plan(10**9).limits()) == []
    said = list(plan(100 * 10**12, "flink", 1000, memory=4e9).limits())
    assert any(line.startswith("the spanning forest needs ") and line.endswith("a data folder of its own") for line in said)
    assert any(line.startswith("a job of ") and "gRPC carries 2.1 GB" in line for line in said)
    assert not any("a job of" in line for line in plan(100 * 10**12, "local").limits())      # there the message is a variable


def test_sizes_are_read_and_written_for_people():
    assert [size_of(text) for text in ("100TB", "1.5gb", "7")] == [100 * 10**12, 1_500_000_000, 7]
    assert [amount(size) for size in (1_500, 7_640_000, 123e9, 2e12)] == ["1.5 kB", "7.6 MB", "123 GB", "2.0 TB"]


def test_the_command_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert refused(capsys, "plan", "--data", str(tmp_path)) == f"plan: there is nothing in {tmp_path}/raw; put pages there, or give --stored"
    assert refused(capsys, "plan", "--stored", "many") == "plan: --stored many is not a size; write it like 100TB"


def test_rates_measured_on_nothing_are_refused():
    assert list(dataclasses.replace(RATES, records=0).problems()) == ["rates.yaml was measured on nothing"]
