"""Bad input gets a clear sentence and exit 1, and loses nothing."""

import os
import shutil
import subprocess
import time

import pytest

from tests.command_line import MIXTURE, ROOT, SETTINGS, command, hashes, put_sample, run

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
    refused(run("extract", data), "movie.mp4", "loose.txt")


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
    manifest = data / "signals/_manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema": 2', '"schema": 3'))
    refused(run("screen", data), "written by a newer textmill", "signals/_manifest.json")


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
        documents = {p: h for p, h in hashes(milled[0]).items() if p.startswith("documents/")}
        assert {p: h for p, h in hashes(small).items() if p.startswith("documents/")} == documents
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_raw_files_that_change_while_they_are_read_end_the_run(milled, tmp_path):
    """What was read before the change is proved by no receipt: with the old file back, it would be taken for that file's."""
    data = put_sample(tmp_path)
    letters = sorted((data / "raw/sample").rglob("*.jsonl"))[0]
    content = letters.read_bytes()
    started = subprocess.Popen(command("extract", data), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while started.poll() is None and not list((data / "documents").glob("_receipts/*")):
        time.sleep(0.005)
    letters.write_bytes(content + b'{"text": "one more, written while the others were read"}\n')
    _, said = started.communicate(timeout=120)
    assert started.returncode == 1 and said.endswith(
        "extract: the input of extract changed while it was read; run the same command again\n"), said
    assert not list((data / "documents/_receipts").iterdir())
    letters.write_bytes(content)
    assert run("extract", data).returncode == 0
    documents = {p: h for p, h in hashes(milled[0]).items() if p.startswith("documents/")}
    assert {p: h for p, h in hashes(data).items() if p.startswith("documents/")} == documents
