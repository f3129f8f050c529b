"""Same input, same bytes: whatever the order of files, the workers and the passes; and only what changed is made again."""

import shutil

import pytest

from tests.command_line import MIXTURE, ROOT, SETTINGS, hashes, manifest, run, run_all

pytestmark = pytest.mark.slow


def test_other_order_two_workers_one_pass_same_bytes(milled, tmp_path):
    data, _ = milled
    raw = data / "raw/sample"
    for path in sorted(raw.rglob("*"), reverse=True):
        if path.is_file():
            target = tmp_path / "data/raw/sample" / path.relative_to(raw)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    one_pass = tmp_path / "settings.yaml"
    one_pass.write_text(SETTINGS.read_text().replace("passes: 4", "passes: 1"))
    assert one_pass.read_text() != SETTINGS.read_text()
    run_all(tmp_path / "data", 2, settings=one_pass)
    assert hashes(tmp_path / "data") == hashes(data)


def test_a_second_run_changes_nothing_and_a_new_file_redoes_its_own_parts(milled, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(milled[0], data)
    before = hashes(data)
    assert all(": up to date, " in line for line in run_all(data))
    assert hashes(data) == before
    (data / "raw/more").mkdir()
    words = " ".join(f"The {n}th morning of the walk began with rain that nobody had asked for." for n in range(1, 40))
    (data / "raw/more/page.txt").write_text(f"{words}\n")
    parts = len(manifest(data, "documents")["parts"]) + 1
    said = {line.split(":")[0]: line for line in run_all(data)}
    for stage in ("extract", "measure", "screen", "dedup", "curate"):
        assert f"{parts} parts (1 built, {parts - 1} reused)" in said[stage], said[stage]
    after = hashes(data)
    kept = [p for p in before if p.split("/")[0] in ("documents", "signals", "verdicts", "duplicates", "curated") and "/_" not in p]
    assert kept and all(after.get(path) == before[path] for path in kept)
    shutil.rmtree(data / "raw/more")
    run_all(data)
    assert hashes(data) == before


def test_a_changed_bound_reruns_screen_and_what_follows_but_nothing_before(milled, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(milled[0], data)
    rules = tmp_path / "rules.yaml"
    rules.write_text((ROOT / "rules.yaml").read_text().replace("low: 50", "low: 120", 1))
    assert rules.read_text() != (ROOT / "rules.yaml").read_text()
    for stage, expected in (("extract", "up to date"), ("measure", "up to date"), ("screen", "built"), ("dedup", "built")):
        ran = run(stage, data, 1, "--rules", str(rules), "--mixture", str(MIXTURE))
        assert ran.returncode == 0 and expected in ran.stdout, ran.stdout + ran.stderr


def test_upstream_that_changed_is_refused(milled, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(milled[0], data)
    (data / "raw/sample/new.txt").write_text("A new page. " * 40)
    ran = run("screen", data)
    assert ran.returncode == 1 and "documents is stale" in ran.stderr and "textmill extract" in ran.stderr
