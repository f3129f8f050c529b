"""Scaling laws, ladders and sweeps: what the fit finds, what is predicted before it is known, what is kept and taken up."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from tests.command_line import refused
from tests.model.test_evaluation import SETTINGS, counting
from textmill.base.strict import SettingsError, parse
from textmill.cli import main
from textmill.model import ModelError
from textmill.model.architecture.shapes import SHAPES, shape_of
from textmill.model.data.blocks import PackedMixture
from textmill.model.evaluation import scaling_law
from textmill.model.evaluation.ladder import Ladder, Run, Rung, beside, lines, overtrained, points, rungs
from textmill.model.evaluation.ladder_picture import picture
from textmill.model.evaluation.scaling_law import DELTA, Law, Points, fit
from textmill.model.evaluation.sweep import Tried, combinations, reach, settings_of, sweep
from textmill.model.evaluation.sweep import lines as sweep_lines
from textmill.model.evaluation.trials import FILE, Trial, Trials, fitted, kept
from textmill.model.training.settings import TrainSettings

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
torch.set_num_threads(1)
# Hoffmann et al. 2022, approach 3.
CHINCHILLA = Law(*map(np.float64, (1.69, 406.4, 410.7, 0.34, 0.28)))
SIZES, TOKENS = np.repeat([44e6, 90e6, 300e6, 1e9, 3e9, 10e9], 5), np.tile([1e9, 4e9, 16e9, 60e9, 250e9], 6)


def observed(law: Law, noise: float, seed: int = 0, sizes=SIZES, tokens=TOKENS) -> Points:
    return Points(sizes, tokens, law.loss(sizes, tokens) * np.exp(np.random.default_rng(seed).normal(0, noise, len(sizes))))


def test_the_law_that_made_the_losses_is_found_again():
    found = fit(observed(CHINCHILLA, 0)).law
    assert [float(each) for each in found] == pytest.approx([float(each) for each in CHINCHILLA], rel=1e-5)


def test_a_few_wrong_runs_do_not_move_it_and_the_intervals_hold_the_truth():
    points = observed(CHINCHILLA, 0.003)
    points.loss[[3, 17]] *= 1.15                # Huber's loss: two runs that diverged
    found = fit(points)
    for name in ("e", "alpha", "beta"):
        each = found.interval(name)
        assert each.low < float(getattr(CHINCHILLA, name)) < each.high and each.value == pytest.approx(float(getattr(CHINCHILLA, name)), rel=0.06)
    said = found.predicted(70e9, 1.4e12)
    assert said.low < float(CHINCHILLA.loss(70e9, 1.4e12)) < said.high and said.high - said.low < 0.5
    size, tokens = found.optimal(5.76e23)
    assert size.low < float(CHINCHILLA.optimal(5.76e23)[0]) < size.high and 6 * size.value * tokens.value == pytest.approx(5.76e23)
    assert fit(points).interval("alpha") == found.interval("alpha")


def test_the_minimum_is_that_of_l_bfgs():
    """On a small ladder with noise, where the law is barely held: torch's L-BFGS from the same starts gets no lower."""
    sizes, tokens = np.repeat([2e5, 4e5, 8e5, 1.6e6], 3), np.tile([2e5, 4e5, 8e5], 4)
    points = observed(Law(*map(np.float64, (1.2, 60, 300, 0.4, 0.45))), 0.004, 0, sizes, tokens)
    starts = scaling_law._starts(points)
    _, costs = scaling_law._descend(points, starts, np.ones((len(starts), len(points.loss))))
    sizes, tokens, losses = (torch.tensor(each) for each in (*scaling_law._centred(points), np.log(points.loss)))
    lowest = np.inf
    for start in starts[::50]:
        values = torch.tensor(start, requires_grad=True)
        optimizer = torch.optim.LBFGS([values], max_iter=300, line_search_fn="strong_wolfe", tolerance_grad=1e-12, tolerance_change=1e-14)

        def loss(values=values):
            a, b, e, alpha, beta = values
            said = torch.logsumexp(torch.stack([a - alpha * sizes, b - beta * tokens, e.expand(len(sizes))]), 0)
            return torch.nn.functional.huber_loss(said, losses, delta=DELTA, reduction="sum")

        def closure(loss=loss, optimizer=optimizer):
            optimizer.zero_grad()
            value = loss()
            value.backward()
            return value

        optimizer.step(closure)
        lowest = min(lowest, loss().item())
    assert costs.min() <= lowest * (1 + 1e-6)


def test_the_best_size_and_what_a_smaller_one_takes():
    """By brute force over sizes; and a smaller model that is as good pays from where its savings are its further training."""
    flops = 1e21
    size, tokens = CHINCHILLA.optimal(flops)
    tried = np.geomspace(size / 10, size * 10, 20001)
    assert tried[np.argmin(CHINCHILLA.loss(tried, flops / (6 * tried)))] == pytest.approx(size, rel=1e-3)
    loss = float(CHINCHILLA.loss(size, tokens))
    assert float(CHINCHILLA.flops_for(loss)) == pytest.approx(flops, rel=1e-6)
    needed = float(CHINCHILLA.tokens_for(loss, size / 2))
    assert float(CHINCHILLA.loss(size / 2, needed)) == pytest.approx(loss)
    assert f"{size / 2 * needed / (size * tokens):.2f}x" in overtrained(CHINCHILLA, loss, float(size), float(tokens), 0.5)
    assert "none are enough" in overtrained(CHINCHILLA, loss, float(size), float(tokens), 0.01)
    assert CHINCHILLA.flops_for(1.6) == np.inf


def test_a_shape_by_layers_and_width():
    assert shape_of("ci") == SHAPES["ci"] == shape_of("4x128") and shape_of("6x96")[:5] == (6, 96, 3, 32, 3)
    assert [shape_of(name) for name in ("4x100", "0x64", "x", "4x", "tiny", "4x64x2")] == [None] * 6
    assert TrainSettings(shape="2x64").sizes().width == 64
    with pytest.raises(SettingsError, match="nor layers x width such as 6x192, the width a multiple of 32"):
        parse(TrainSettings, {"shape": "4x100"}, "train")


def ladder_of(name: str, law: Law, predicted=(2.0, 1.9, 2.1)) -> Ladder:
    runs = [Run(Rung(f"{n}x64", int(size), int(6 * size), SETTINGS, int(tokens)), float(law.loss(size, tokens)))
            for n, size in enumerate((2e5, 4e5, 8e5, 1.6e6), 1) for tokens in (2e5, 4e5, 8e5)]
    return Ladder(name, runs, fit(points(runs)), scaling_law.Interval(*predicted))


def test_two_ladders_in_words_and_in_one_picture(tmp_path):
    worse, better = (ladder_of(name, Law(*map(np.float64, (1.2, 60, b, 0.4, 0.45)))) for name, b in (("raw", 300), ("<b>", 200)))
    said = list(lines(worse))
    assert all(len(line) <= 80 for line in said if "  " in line) and "1.200 (1.200 to 1.200)" in "".join(said)
    assert re.search(r"^<b> is better at 7.7e\+12 FLOPs, \d\.\d+ against .* reaches what raw does with (\d+)% of its compute$", beside(worse, better))
    assert "<b> is better" in beside(better, worse)
    tree = ElementTree.fromstring(picture([worse, better]))
    drawn = [each.tag.partition("}")[2] for each in tree.iter()]
    assert drawn.count("circle") == 24 and "<b>: dots measured, lines the law" in [each.text for each in tree.iter()]
    assert all(0 < float(number) < 640 for path in tree.iter() for number in re.findall(r"[\d.]+", path.get("d", "")))


SMALL = ["--sizes", "1x32,1x64,2x64,2x96", "--tokens", "256,512,1024", "--device", "cpu"]


def test_a_ladder_predicts_before_it_knows_and_goes_on_where_it_was_stopped(tmp_path, capsys, monkeypatch):
    blocks = counting(tmp_path / "count", 1, blocks=40)
    (tmp_path / "s.json").write_text(json.dumps({"train": {"batch": 2, "optimizer": "adamw"}}))
    arguments = ["ladder", str(blocks), "--data", str(tmp_path), "--config", str(tmp_path / "s.json"), *SMALL]
    home, trained = tmp_path / "ladder/count", []
    run = Trials.run

    def stopping(self, name, settings):
        trained.append(name)
        if len(trained) == 10:
            raise KeyboardInterrupt
        return run(self, name, settings)

    monkeypatch.setattr(Trials, "run", stopping)
    with pytest.raises(SystemExit):
        stopped(arguments, monkeypatch)
    said = json.loads((home / "ladder.json").read_text())
    assert len(kept(home / FILE)) == 9 and said["before"] is True and len(said["predicted"]) == 3
    monkeypatch.setattr(Trials, "run", run)
    with (home / FILE).open("a") as file:
        file.write('{"name": "1x32-256", "key": "torn')
    capsys.readouterr()
    assert main(arguments) == 0
    ran = capsys.readouterr()
    assert json.loads((home / "ladder.json").read_text()) == said and len(kept(home / FILE)) == 10
    assert ran.err.count(": validation") == 1 and "2x96-1.02k: validation" in ran.err
    assert f"{said['predicted'][0]:.4f}" in ran.out and "was predicted from the smaller ones" in ran.out
    assert ElementTree.parse(tmp_path / "ladder/count.svg").getroot().tag.endswith("svg")
    assert main(arguments) == 0
    assert capsys.readouterr().err.count(": validation") == 0
    assert "give four sizes or more (--sizes)" in refused(capsys, *arguments[:-4], "--tokens", "256")
    assert "shape: '2x33' is not one of" in refused(capsys, *arguments[:6], "--sizes", "2x33", "--device", "cpu")


def stopped(arguments, monkeypatch):
    """The word, ended by Ctrl-C as a process would be."""
    def end(status):
        raise SystemExit(status)

    monkeypatch.setattr("os._exit", end)
    main(arguments)


def test_the_rungs_of_a_ladder():
    found = rungs(["4x128", "1x64", "2x64", "2x96"], [1000, 2000, 4000], SETTINGS, 300, 32)
    assert [rung.name for rung in found] == [f"{size}-{count}" for size in ("1x64", "2x64", "2x96") for count in
                                             ("1.02k", "1.98k", "3.97k")] + ["4x128-3.97k"]
    assert found[0].settings.steps == 16 and found[0].settings.warmup == 1 and found[0].tokens == 16 * 2 * 32
    with pytest.raises(ModelError, match="give four sizes or more"):
        rungs(["1x64", "2x64"], [1000, 2000], SETTINGS, 300, 32)


def test_every_combination_and_some_that_are_drawn():
    over = {"lr": [0.01, 0.02], "batch": [1, 2, 4]}
    assert len(combinations(over)) == 6 and combinations(over)[1] == {"lr": 0.01, "batch": 2}
    some = combinations(over, 3, 1)
    assert len(some) == 3 and some == combinations(over, 3, 1) and all(each in combinations(over) for each in some)
    drawn = combinations({"lr": ["0.003..0.03"], "batch": ["1..4", 8], "optimizer": ["muon"]}, 50)
    assert all(0.003 <= each["lr"] <= 0.03 and each["batch"] in (1, 2, 3, 4, 8) and each["optimizer"] == "muon" for each in drawn)
    assert len({each["lr"] for each in drawn}) > 40
    for wrong, problem in (({"lr": ["0.003..0.03"]}, "give --random and how many"), ({"lr": list(range(40)), "batch": list(range(40))}, "1,600 combinations")):
        with pytest.raises(SettingsError, match=problem):
            combinations(wrong)
    with pytest.raises(SettingsError, match="is no range"):
        combinations({"lr": ["0..1"]}, 2)
    own = settings_of({"batch": 4, "shape": "1x32"}, SETTINGS, 4096, 32)
    assert (own.steps, own.batch, own.warmup) == (32, 4, 2) and settings_of({"warmup": 9}, SETTINGS, 640, 32).warmup == 9
    for name, problem in (("steps", "is not swept over"), ("rate", "there is no such setting")):
        with pytest.raises(SettingsError, match=problem):
            settings_of({name: 1}, SETTINGS, 4096, 32)


def test_what_is_as_good_as_the_best_by_its_seeds():
    def trials(*figures):
        return [Trial("t", "k", figure, 1000, 1.0) for figure in figures]

    best = Tried({"lr": 0.02}, trials(2.00, 2.01, 2.02))
    assert reach(best) == pytest.approx(4.303 * 0.01 * (4 / 3) ** 0.5, rel=1e-3)
    said = list(sweep_lines([best, Tried({"lr": 0.01}, trials(2.05)), Tried({"lr": 0.3}, trials(3.1))], 1000))
    assert [line.endswith(" *") for line in said[2:5]] == [True, True, False] and "so 1 others may be as good" in said[-1]
    assert "with one seed nothing is said of chance" in list(sweep_lines([best._replace(trials=trials(2.0))], 1000))[-1]


def test_a_sweep_finds_the_rate_that_learns_and_keeps_every_figure(tmp_path, capsys):
    blocks = counting(tmp_path / "count", 1)
    (tmp_path / "s.json").write_text(json.dumps({"train": {"steps": 20, "batch": 2, "warmup": 2, "optimizer": "adamw", "shape": "1x64"}}))
    arguments = ["sweep", "--blocks", str(blocks), "--data", str(tmp_path), "--config", str(tmp_path / "s.json"), "--device", "cpu",
                 "--over", "lr=0.01,0.00001", "--over", "batch=1,2"]
    assert main(arguments) == 0
    ran = capsys.readouterr()
    table = ran.out.splitlines()
    assert table[1].split()[:2] == ["lr", "batch"] and [line.split()[0] for line in table[2:6]] == ["0.01", "0.01", "1e-05", "1e-05"]
    assert table[-1].startswith("best: lr 0.01, batch ") and "over 3 seeds" in table[-1]
    rows = [json.loads(line) for line in (tmp_path / "sweep/count/results.jsonl").read_text().splitlines()]
    assert len(rows) == 6 and {row["tokens"] for row in rows} == {20 * 2 * 32} and {row["settings"]["steps"] for row in rows} == {20, 40}
    assert main(arguments) == 0
    again = capsys.readouterr()
    assert again.out == ran.out and ": validation" not in again.err
    assert refused(capsys, *arguments[:-4], "--over", "lr=0") == "sweep: --over: lr: must be above 0, is 0.0"


def test_a_figure_of_other_settings_or_texts_is_not_taken(tmp_path):
    mixture = PackedMixture(counting(tmp_path / "a", 1))
    settings = fitted(replace(SETTINGS, shape="1x32"), 200, 32)
    trials = Trials(mixture, tmp_path / "t", CPU, {"100-a", "101-a"})
    trial = trials.run("one", settings)
    assert trials.run("two", settings) == trial._replace(name="two") and Trials(mixture, tmp_path / "t", CPU, {"100-a", "101-a"}).find(settings) == trial
    assert trials.find(replace(settings, lr=0.02)) is None and Trials(mixture, tmp_path / "t", CPU, {"100-a"}).find(settings) is None
    assert sweep(trials, [{"lr": settings.lr}], settings, 192, 1)[0].trials[0].key == trial.key
