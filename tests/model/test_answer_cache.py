"""The answer cache: what is found is what was kept for exactly this request, whatever happens to the process or the disk."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from tests.command_line import refused
from tests.model.served import write_run
from tests.paths import ROOT
from textmill.cli import main
from textmill.model.generation.constraints import Constraint
from textmill.model.generation.engine import Engine
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.serving.answer_cache import AnswerCache, model_digest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("kept") / "run")


@pytest.fixture(scope="module")
def model(run):
    torch.set_num_threads(1)
    return LanguageModel.load(run, torch.device("cpu"))


def request(model, seed=1, **more):
    return Request(model.ids("the river"), SamplingSettings(1.0, seed=seed), 20, top_logprobs=2, **more)


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_an_answer_comes_back_as_the_engine_gave_it(model, tmp_path):
    asked = [request(model, seed, stop=("e", "\n")) for seed in range(30)]
    cache = AnswerCache(tmp_path / "cache", model_digest(model))
    for answer in (drawn := Engine(model).run(asked)):
        cache.keep_answer(answer)
    again = AnswerCache(tmp_path / "cache", model_digest(model))
    for each, answer in zip(asked, drawn, strict=True):
        found = again.answer(each, model.pieces)
        assert (found.text, found.tokens, found.scores, found.finish_reason, found.generated) == (
            answer.text, answer.tokens, answer.scores, answer.finish_reason, answer.generated)


def test_whatever_it_depends_on_is_in_the_key(model, tmp_path):
    cache, asked = AnswerCache(tmp_path, "model"), request(model, stop=("a",), constraint=Constraint("json", {"a": 1, "b": 2}))
    cache.keep(asked, "text", (1,), (), "stop", 1)
    assert cache.find(replace(asked))["text"] == "text"
    others = [replace(asked, prompt=(1, 2)), replace(asked, max_tokens=21), replace(asked, stop=()), replace(asked, top_logprobs=None),
              replace(asked, stop_ids=frozenset({1})), replace(asked, constraint=Constraint("json", {"b": 2, "a": 1})),
              *(replace(asked, settings=replace(asked.settings, **{name: value})) for name, value in
                {"seed": 2, "temperature": 0.9, "top_k": 5, "logit_bias": {5: 1.0}, "presence_penalty": 0.1}.items())]
    assert [cache.find(other) for other in others] == [None] * len(others)
    assert AnswerCache(tmp_path, "another").find(asked) is None


def test_damage_is_no_answer_and_is_removed(model, tmp_path):
    cache, asked = AnswerCache(tmp_path, "model"), request(model)
    cache.keep(asked, "text", (1,), (), "stop", 1)
    path, = files(tmp_path)
    whole = path.read_bytes()
    for damaged in (b"", b"{}", whole[:-9], whole.replace(b"text", b"test", 1), b"\xff" * 9):
        path.write_bytes(damaged)
        assert cache.find(asked) is None and not path.exists()


def test_it_is_bounded_and_what_was_not_used_goes_first(model, tmp_path):
    cache = AnswerCache(tmp_path, "model", limit=20_000)
    for seed in range(60):
        cache.keep(request(model, seed), "x" * 1000, (1,), (), "stop", 1)
        os.utime(cache._path(request(model, seed)), (seed, seed))
        if seed >= 1:
            assert cache.find(request(model, 1)) is not None        # used again and again
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 20_000
    assert cache.find(request(model, 59)) is not None and cache.find(request(model, 2)) is None
    reopened = AnswerCache(tmp_path, "model", limit=5_000)
    reopened.keep(request(model, 100), "x" * 1000, (1,), (), "stop", 1)
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 5_000


def test_a_process_that_is_killed_leaves_no_half_answer(model, tmp_path):
    code = ("import sys, itertools; from pathlib import Path; from textmill.model.serving.answer_cache import AnswerCache; "
            "from textmill.model.generation.request import Request; cache = AnswerCache(Path(sys.argv[1]), 'model', 300_000)\n"
            "for n in itertools.count(): cache.keep(Request((n,)), 'x' * 20_000, tuple(range(2000)), (), 'stop', 1)")
    for moment in (0.02, 0.1, 0.3):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=os.environ | {"PYTHONPATH": str(ROOT)})
        deadline = time.monotonic() + 60
        while not files(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        cache = AnswerCache(tmp_path, "model", 300_000)
        kept = [cache.find(Request((n,))) for n in range(3000)]
        assert any(kept) and all(each["text"] == "x" * 20_000 for each in kept if each)
        for path in files(tmp_path):
            if path.name.startswith("."):
                os.utime(path, (0, 0))
        assert not any(path.name.startswith(".") for path in files(AnswerCache(tmp_path, "model").folder))


def test_sample_takes_what_was_kept(run, tmp_path, capsys):
    asked = ["sample", "--run", str(run), "--device", "cpu", "--prompt", "the", "--count", "2", "--tokens", "9", "--cache", str(tmp_path)]
    assert main(asked) == 0
    said, stored = capsys.readouterr().out, files(tmp_path)
    assert len(stored) == 2
    before = [path.stat().st_mtime_ns for path in stored]
    assert main(asked) == 0 and capsys.readouterr().out == said
    assert [path.stat().st_mtime_ns for path in stored] != before and files(tmp_path) == stored
    assert "a search draws many" in refused(capsys, *asked, "--best-of", "3")
