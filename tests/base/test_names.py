"""Names that become files: one rule, asked by every command and every setting."""

import pytest

from tests.command_line import put_sample, refused
from tests.paths import ROOT
from textmill.base.names import name_problem

WRONG = ["../../evil", "", "a/b", ".hidden", "a b", "$(touch x)", "a\nb", "-rf", "é", "x" * 101, "con\x00"]


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_a_file_name(name):
    assert "cannot be a file name" in name_problem("name", name)


@pytest.mark.parametrize("name", ["a", "test-1k", "web.v2", "2026_11", "A" * 100])
def test_what_can(name):
    assert name_problem("name", name) is None


@pytest.mark.parametrize("name", [name for name in WRONG if "\0" not in name])
@pytest.mark.parametrize("word", ["background", "classifier", "tokenize", "settings", "recipe"])
def test_no_command_writes_by_such_a_name(word, name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_sample(tmp_path / "data")
    before = sorted(tmp_path.rglob("*"))
    texts = str(ROOT / "sample/raw/loose")
    arguments = {"background": ["background", f"--name={name}", f"--texts={texts}"],
                 "classifier": ["classifier", f"--name={name}", f"--good={texts}", f"--bad={texts}"],
                 "tokenize": ["tokenize", f"--tokenizer={name}"],
                 "settings": ["measure", f"--set=measure.background={name!r}"],
                 "recipe": ["pack", f"--set=mixture.tokenizer={name!r}"]}[word]
    said = refused(capsys, *arguments)
    assert "cannot be a file name" in said or "is no change" in said or ("--set" in said and "text" in said), said
    assert sorted(tmp_path.rglob("*")) == before
