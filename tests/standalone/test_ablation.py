"""Ablations: what is left out, which stages are made anew, and the comparison of a mixture with itself without something."""

import os
import shutil

import pytest

from tests.command_line import MIXTURE, SETTINGS, hashes, manifest, refused, table
from tests.paths import ROOT
from textmill.base.strict import SettingsError, read_yaml
from textmill.cli import main
from textmill.model.data.blocks import PackedMixture
from textmill.model.evaluation.compare import ids_in
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.settings import read_config
from textmill.pipelines.standalone.ablation import RIGHTS, changed_stages, without, write_rules

TABLE = read_yaml(ROOT / "rules.yaml")
AFTER_SCREEN = ["screen", "dedup", "curate", "tokenizer", "tokenize", "pack"]


@pytest.mark.parametrize(("names", "stages"), [
    (["screen"], AFTER_SCREEN), (["word_count"], AFTER_SCREEN), (["dedup"], AFTER_SCREEN[1:]), (["near", "url"], AFTER_SCREEN[1:]),
    (["personal_data"], AFTER_SCREEN[2:]), (["EMAIL"], AFTER_SCREEN[2:]), (["screen", "dedup", "personal_data"], AFTER_SCREEN)])
def test_what_is_left_out_and_what_is_made_anew(names, stages, tmp_path):
    ablation = without(names, TABLE, DedupSettings())
    write_rules(tmp_path, ablation)
    changes = {key: read_value(value) for key, _, value in (change.partition("=") for change in ablation.changes)}
    base = read_config(str(SETTINGS), str(ROOT / "rules.yaml"), str(MIXTURE))
    other = read_config(str(SETTINGS), str(tmp_path / "rules.yaml"), str(MIXTURE), changes=changes)
    assert ablation.name == "without-" + "-".join(names)
    assert [stage.name for stage in changed_stages(base, other)] == stages
    kinds = [kind for kind in ("record", "url", "exact", "near") if kind == "record" or not {kind, "dedup"} & set(names)]
    assert list(other[DedupSettings].kinds) == kinds
    with pytest.raises(SettingsError, match="nothing changes"):
        changed_stages(base, base)


def read_value(text: str) -> list[str]:
    return [name for name in text.strip("[]").split(", ") if name]


def test_what_pages_say_of_their_use_stays_where_screening_is_left_out():
    ablation = without(["screen"], TABLE, DedupSettings())
    assert set(ablation.rules["rules"]) == set(RIGHTS) == set(ablation.rules["dialogues"])
    assert TABLE["rules"]["word_count"] and "word_count" in TABLE["dialogues"]          # the table itself is as it was


@pytest.mark.parametrize(("name", "said"), [("dedupe", "did you mean dedup?"), ("word_cuont", "did you mean word_count?"),
                                            ("qqq", "give screen, dedup, personal_data, url, exact, near")])
def test_what_cannot_be_left_out(name, said, capsys):
    assert f"--without {name}: there is nothing of this name to leave out; " in (
        found := refused(capsys, "compare", str(MIXTURE), "--without", name)) and said in found
    assert not os.path.exists("data/compare")


@pytest.mark.parametrize(("arguments", "status", "said"), [
    (["a.yaml", "b.yaml", "--without", "dedup"], 2, "take one recipe, which is compared with itself"),
    ([str(MIXTURE), "--set", "tokenizer.vocab_size=2048"], 1, "models with different tokenizers do not compare here")])
def test_what_cannot_be_compared(arguments, status, said, tmp_path, capsys):
    assert main(["compare", *arguments, "--data", str(tmp_path)]) == status
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_mixture_without_a_stage_is_prepared_beside_it_and_compared(milled, tmp_path, capfd):
    data = tmp_path / "data"
    shutil.copytree(milled[0], data)
    before = hashes(data)
    arguments = ["compare", str(MIXTURE), "--data", str(data), "--config", str(SETTINGS), "--workers", "1", "--device", "cpu",
                 "--without", "screen,dedup", "--seeds", "1", "--set", "train.steps=1", "--set", "train.validation_blocks=1"]
    assert main(arguments) == 0
    said = capfd.readouterr().out.splitlines()
    name, own = "without-screen-dedup", data / "compare/without-screen-dedup"
    assert said[-1].startswith(f"{name} less mixture: ") and "with one seed each" in said[-1]
    assert any(line.startswith("each model reads 16,384 tokens, passes: ") for line in said)
    assert {path: digest for path, digest in hashes(data).items() if not path.startswith("compare/")} == before
    assert all((own / link).resolve() == data / link for link in ("documents", "signals", "raw", "tokenizers"))
    assert not (own / "verdicts").is_symlink() and (own / "rules.yaml").is_file()
    # Rows that have no copy with them: the ones left out by rules and by dedup are in, and none has been removed as a copy.
    assert manifest(own, "curated")["stage"] == "curate"
    ids, base = ({row["id"] for row in table(folder, "curated").to_pylist()} for folder in (own, data))
    assert ids > base and {row["kind"] for row in table(own, "duplicates").to_pylist()} == {None, "record"}
    # Copies are known from a run of dedup on the documents that were never screened; none is trained on and judged by.
    rows = table(data / "compare/without-screen", "duplicates").to_pylist()
    assert any(row["kind"] == "near" for row in rows)
    trained = set[str]().union(*(ids_in(PackedMixture(folder / "blocks/mixture").train) for folder in (own, data)))
    clusters = {row["cluster"] for row in rows if row["cluster"] and row["id"] in trained}
    both = set[str].intersection(*(ids_in(PackedMixture(folder / "blocks/mixture").validation) for folder in (own, data)))
    judged = int(next(line for line in said if line.startswith("overall")).split()[-1])
    assert judged <= len(both - {row["id"] for row in rows if row["cluster"] in clusters}) < len(ids)
    assert main(arguments) == 0
    again = capfd.readouterr()
    assert again.out.splitlines()[-1] == said[-1] and "(0 built" not in again.out and "built" not in again.out
    assert again.err.count("up to date; validation") == 2
