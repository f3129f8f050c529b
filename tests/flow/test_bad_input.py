"""Bad input gets a clear sentence and exit 1, and loses nothing."""

import json
import os
import shutil
import subprocess
import time

import pytest

from tests.command_line import MIXTURE, ROOT, SETTINGS, command, copy_dataset, hashes, put_sample, run
from tests.command_line import refused as said
from tests.servers import free_port, s3, s3_environment
from textmill.cli import main

pytestmark = pytest.mark.slow


def refused(ran: subprocess.CompletedProcess, *said: str) -> None:
    assert ran.returncode == 1 and "Traceback" not in ran.stderr + ran.stdout, ran.stderr
    for words in said:
        assert words in ran.stderr, ran.stderr


def test_nothing_to_read(tmp_path):
    refused(run("extract", tmp_path / "data"), "extract: nothing to read in", "put pages there")
    (tmp_path / "data/raw/web").mkdir(parents=True)
    refused(run("extract", tmp_path / "data"), "nothing to read in")


def test_a_file_that_cannot_be_opened_stops_the_run_before_work_starts(tmp_path):
    data = put_sample(tmp_path)
    (data / "raw/sample/gone.warc.gz").symlink_to(tmp_path / "nowhere.warc.gz")
    refused(run("extract", data), "gone.warc.gz cannot be opened", "take it out of raw/")
    assert not list(data.glob("documents/*.parquet"))


def test_a_file_of_no_known_kind_is_named(tmp_path):
    data = put_sample(tmp_path)
    (data / "raw/sample/movie.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (data / "raw/loose.txt").write_text("no source")
    refused(run("extract", data, 1, "--set", "extract.unknown=stop"), "movie.mp4", "loose.txt")


def test_every_problem_of_every_configuration_file_at_once(tmp_path):
    put_sample(tmp_path)
    settings, rules, mixture = tmp_path / "s.yaml", tmp_path / "r.yaml", tmp_path / "m.yaml"
    settings.write_text(SETTINGS.read_text().replace("  bands: 20", "  band: 20").replace("  max_quarantined: 0.1", "  max_quarantined: many"))
    rules.write_text((ROOT / "rules.yaml").read_text().replace("\n  word_count:", "\n  word_cuont:", 1))
    mixture.write_text(MIXTURE.read_text().replace("share: 0.3", "share: 0.4"))
    ran = run("extract", tmp_path, 0, "--rules", str(rules), "--mixture", str(mixture), settings=settings)
    refused(ran, "unknown key 'band'; did you mean 'bands'?", "extract.max_quarantined: must be a number", "word_cuont",
            "did you mean 'word_count'?", "add up to 1", "--workers is 0")


def test_a_mixture_entry_that_selects_nothing(milled, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(milled[0], data)
    mixture = tmp_path / "m.yaml"
    mixture.write_text(MIXTURE.read_text().replace("[ru, zh, ja, ar]", "[xx]"))
    before = hashes(data)
    refused(run("pack", data, 1, "--mixture", str(mixture)), "rest", "language=xx")
    assert hashes(data) == before


def test_a_mixture_that_asks_for_more_than_there_is(milled, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(milled[0], data)
    mixture = tmp_path / "m.yaml"
    mixture.write_text(MIXTURE.read_text().replace("tokens: 40_000", "tokens: 4_000_000"))
    refused(run("pack", data, 1, "--mixture", str(mixture)), "latin", "rest", "repeat")


def test_a_dataset_of_a_newer_schema(milled, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(milled[0], data)
    manifest = data / "ledger/signals/manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema": 2', '"schema": 3'))
    refused(run("screen", data), "written by a newer textmill", "ledger/signals/manifest.json")


def test_an_unknown_stage_flag_or_tokenizer(milled, tmp_path):
    assert run("extract", tmp_path, 1, "--wokers", "2").returncode == 2
    refused(run("tokenize", milled[0], 1, "--tokenizer", "none"), "there is no tokenizer 'none'", "textmill tokenizer")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_a_sentence_and_the_next_run_goes_on(milled, tmp_path, workers):
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(small)],
                                      capture_output=True).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        put_sample(small)
        refused(run("extract", small, workers), "no space left on the disk", "run the same command again")
        subprocess.run(["mount", "-o", "remount,size=100m", str(small)], check=True)
        ran = run("extract", small, workers)
        assert ran.returncode == 0, ran.stderr
        documents = {p: h for p, h in hashes(milled[0]).items() if "documents/" in p}
        assert {p: h for p, h in hashes(small).items() if "documents/" in p} == documents
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_tokenizer_that_is_not_the_recipes_is_refused_before_any_work(tmp_path, capsys):
    put_sample(tmp_path / "data")
    arguments = ["--data", str(tmp_path / "data"), "--mixture", str(MIXTURE), "--tokenizer", "other"]
    for word in ("pack", "train", "all"):
        assert said(capsys, word, *arguments) == (f"{word}: the mixture mixture names the tokenizer test-1k, not other; leave "
                                                  "--tokenizer out, or change the recipe")
    assert not (tmp_path / "data/documents").exists()


def test_what_there_is_instead_of_what_an_entry_selects(milled, tmp_path):
    shutil.copytree(milled[0], tmp_path / "data")
    (tmp_path / "m.yaml").write_text(MIXTURE.read_text().replace("[ru, zh, ja, ar]", "[xx]"))
    ran = run("pack", tmp_path / "data", 1, "--mixture", str(tmp_path / "m.yaml"))
    refused(ran, "no token row has source=sample, language=xx; change its `where` (there is source: sample; language: ar, de, en, es, fr, ")


def test_a_missing_bucket_and_a_store_that_is_away_are_told_soon(tmp_path, monkeypatch, capsys):
    with s3(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for word in (["extract"], ["report"], ["duplicates"], ["why", "x"]):
            assert said(capsys, *word, "--data", "s3://nowhere/data") == (
                f"{word[0]}: s3://nowhere/data: there is no bucket nowhere; check its name, or make it")
        assert said(capsys, "extract", "--data", "s3://mill/data").startswith("extract: nothing to read in s3://mill/data/raw; ")


@pytest.mark.parametrize("arguments", [
    ["report"], ["why", "x"], ["trace", "0"], ["where", "x"], ["duplicates"], ["twins", "x"], ["what-if", "--rules", str(ROOT / "rules.yaml")],
    ["plan"], ["takedown"], ["background", "--name", "a"], ["classifier", "--name", "a", "--good", "b", "--bad", "c"], ["extract"],
    ["pack"], ["all"]], ids=lambda arguments: arguments[0])
def test_a_store_that_is_away_is_told_soon(arguments, monkeypatch, capsys):
    for name, value in s3_environment("127.0.0.1", free_port()).items():
        monkeypatch.setenv(name, value)
    assert said(capsys, *arguments, "--data", "s3://mill/data").startswith(
        f"{arguments[0]}: the store of s3://mill/data does not answer (AWS Error NETWORK_CONNECTION")


def test_the_sample_alone_ends_well_and_a_folder_of_broken_files_does_not(tmp_path, capsys):
    put_sample(tmp_path / "data")
    for _ in range(2):          # and when it is up to date
        assert main(["extract", "--data", str(tmp_path / "data"), "--workers", "1"]) == 0
    assert "4 quarantined" in capsys.readouterr().out
    broken = tmp_path / "broken/raw/web"
    broken.mkdir(parents=True)
    (broken / "a.jsonl").write_text('{"text": "a text of its own"}\n' * 8 + "{\n" * 2)
    for _ in range(2):
        assert said(capsys, "extract", "--data", str(tmp_path / "broken"), "--workers", "1").startswith(
            "extract: 2 of 10 records could not be read, more than max_quarantined")
    assert main(["extract", "--data", str(tmp_path / "broken"), "--workers", "1", "--set", "extract.max_quarantined=0.2"]) == 0


def test_one_section_and_a_change_are_enough(tmp_path, capsys):
    put_sample(tmp_path / "data")
    (tmp_path / "s.yaml").write_text("extract: {part_bytes: 64MB}\n")
    arguments = ["extract", "--data", str(tmp_path / "data"), "--config", str(tmp_path / "s.yaml"), "--workers", "1"]
    assert main([*arguments, "--set", "extract.split_bytes=8MiB", "--set", "mixture.tokens=1M"]) == 0
    made = json.loads((tmp_path / "data/ledger/documents/manifest.json").read_text())["made_from"]["settings"]
    assert (made["part_bytes"], made["split_bytes"], made["max_nodes"]) == (64_000_000, 8 << 20, 60_000)
    assert said(capsys, *arguments, "--set", "extract.split_byte=1").startswith(
        f"extract: {tmp_path / 's.yaml'} with --set.extract: unknown key 'split_byte'; did you mean 'split_bytes'?")
    assert "blocks and checkpoints are found by the name" in said(capsys, *arguments, "--set", "mixture.name=x")


def test_raw_files_that_change_while_they_are_read_end_the_run(milled, tmp_path):
    """What was read before the change is proved by no receipt: with the old file back, it would be taken for that file's."""
    data = put_sample(tmp_path)
    letters = sorted((data / "raw/sample").rglob("*.jsonl"))[0]
    content = letters.read_bytes()
    started = subprocess.Popen(command("extract", data), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while started.poll() is None and not list((data / "ledger/documents").glob("receipts/*")):
        time.sleep(0.005)
    letters.write_bytes(content + b'{"text": "one more, written while the others were read"}\n')
    _, said = started.communicate(timeout=120)
    assert started.returncode == 1 and said.endswith(
        "extract: the input of extract changed while it was read; run the same command again\n"), said
    assert not list((data / "ledger/documents/receipts").iterdir())
    letters.write_bytes(content)
    assert run("extract", data).returncode == 0
    documents = {p: h for p, h in hashes(milled[0]).items() if "documents/" in p}
    assert {p: h for p, h in hashes(data).items() if "documents/" in p} == documents


def test_a_tokenizer_put_there_by_hand_is_used_or_refused_and_never_written_over(milled, tmp_path, capsys):
    data = tmp_path / "data"
    for name in ("documents", "signals", "verdicts", "duplicates", "curated", "raw"):
        copy_dataset(milled[0], name, data)
    own = data / "tokenizers/own"
    shutil.copytree(milled[0] / "tokenizers/test-1k", own, ignore=shutil.ignore_patterns("_*"))
    before = {path: path.read_bytes() for path in own.iterdir()}
    arguments = ["--data", str(data), "--config", str(SETTINGS), "--workers", "1", "--tokenizer", "own"]
    assert main(["tokenize", *arguments]) == 0
    assert "tokenizer: tokenizers/own is there, put there by hand" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in own.iterdir()} == before
    assert "has a tokenizer that was put there by hand; move it away" in said(capsys, "tokenizer", *arguments)
    assert {path: path.read_bytes() for path in own.iterdir()} == before
    (own / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "WordPiece", "vocab": {"a": 0}}}')
    assert said(capsys, "tokenize", *arguments).splitlines()[-1] == (
        "tokenize: tokenizers/own: this tokenizer.json has no BPE; train one (`textmill tokenizer`, `textmill train-tokenizer`)")
    (own / "tokenizer.json").write_text('{"version": ')
    assert said(capsys, "tokenize", *arguments).splitlines()[-1].startswith(
        "tokenize: tokenizers/own: the tokenizer's file cannot be read as tokenizer.json (")
