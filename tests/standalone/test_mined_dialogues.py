"""Mining of dialogues: what the published heuristic takes and refuses, and rows that extract reads as they stand."""

import json

import pyarrow as pa
import pytest

from tests.command_line import manifest, run
from textmill.cli import main
from textmill.pipelines.contract.part_files import PartWriter
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.curate.rows import CURATED
from textmill.pipelines.standalone.mined_dialogues import MinedCounts, dialogues


def talk(*speakers, separator=": ", between="\n\n", count=6):
    return between.join(f"{speakers[n % len(speakers)]}{separator}turn {n}" for n in range(count))


def mined(text):
    counts = MinedCounts()
    return [[(turn.speaker, text[turn.start:turn.end]) for turn in one.turns] for one in dialogues(text, counts)], counts


@pytest.mark.parametrize("between", ["\n\n", "\n", "\n \n"])
@pytest.mark.parametrize(("speakers", "separator"), [
    (("Gopher", "User"), ": "), (("Dr Smith", "Patient"), " - "), (("Q", "A"), ". "), (("Q.", "A."), ": "), (("ANNA K.", "Ben"), " – "),
    (("記者", "大臣"), "：")])
def test_two_speakers_in_turn_are_a_dialogue(speakers, separator, between):
    text = f"An introduction.{between}{talk(*speakers, separator=separator, between=between, count=7)}{between}The end of it."
    found, counts = mined(text)
    assert found == [[(speakers[n % 2], f"turn {n}") for n in range(7)]]
    assert (counts.candidates, dict(counts.refused)) == (1, {})


def test_a_paragraph_of_several_lines_and_what_stands_in_it_is_one_turn():
    (found,), _ = mined("Ask: one\nmore: of it\n\nSay: two\n\nAsk: three\n\nSay: https://a.example/x: no\n\nAsk: five\n\nSay: six")
    assert found == [("Ask", "one\nmore: of it"), ("Say", "two"), ("Ask", "three"), ("Say", "https://a.example/x: no"), ("Ask", "five"), ("Say", "six")]


@pytest.mark.parametrize(("text", "refused"), [
    (talk("Q", "A", count=5), {}), (talk("Q"), {"one prefix": 2}), (talk("Q", "A", "A"), {"two prefixes, not in turn": 2}),
    (talk("Q", "A", "B", count=9), {"more prefixes": 2}), (talk("Q", "A", separator=":"), {}), (talk("x" * 41, "A"), {}),
    ("\n\n".join(f"{name}:" for name in "QAQAQA"), {}), (f"{talk('Q', 'A', count=4)}\n\nno prefix here\n\n{talk('Q', 'A', count=4)}", {}), ("", {})])
def test_what_does_not_go_back_and_forth_is_none(text, refused):
    assert mined(text)[0] == [] and dict(mined(text)[1].refused) == refused


def test_the_longest_stretch_in_turn_of_a_run_is_taken():
    text = f"{talk('Host', 'Host')}\n\n{talk('Guest', 'Host', count=8)}\n\n{talk('Ann', 'Ben', count=6)}"
    found, _ = mined(text)
    assert [(len(one), one[0][0], one[1][0]) for one in found] == [(9, "Host", "Guest"), (6, "Ann", "Ben")]


@pytest.fixture
def curated(tmp_path):
    """A data folder with curated texts: a page in two pieces with a dialogue across them, a page without, a dialogue already."""
    data = Folder(str(tmp_path / "data"))
    whole = f"A talk.\n\n{talk('Gopher', 'User')}\n\nWrite to <EMAIL>."
    rows = [{"id": "1" * 32, "text": whole[:40], "piece": 0, "pieces": 2}, {"id": "1" * 32, "text": whole[40:], "piece": 1, "pieces": 2},
            {"id": "2" * 32, "text": "Nothing is said.", "piece": 0, "pieces": 1},
            {"id": "3" * 32, "text": talk("Q", "A"), "piece": 0, "pieces": 1, "turns": [{"role": "user", "start": 0, "end": 3}]}]
    with PartWriter(data / "curated", "a", "a.parquet", CURATED) as writer:
        writer.write(pa.RecordBatch.from_pylist([row | {"url": f"https://h.example/{row['id'][0]}", "source": "web"} for row in rows], CURATED))
    data.write("ledger/curated/manifest.json", Manifest("curate", 4, "x", (writer.part,), (), (), {}).to_json())
    return tmp_path, whole


def test_what_is_mined_is_a_source_that_extract_reads(curated, capsys):
    folder, whole = curated
    mined_to = folder / "other/raw/mined"
    assert main(["dialogues", "--data", str(folder / "data"), "--to", str(mined_to)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"dialogues: 2 texts, 1 candidates, 1 dialogues of 6 turns in 1 texts, written to {mined_to / 'dialogues.jsonl'}\n")
    assert "https://h.example/1, characters 9 to" in said and "  user       (Gopher) turn 0\n  assistant  (User) turn 1\n" in said
    (row,) = map(json.loads, (mined_to / "dialogues.jsonl").read_text().splitlines())
    assert whole[row["start"]:row["end"]] == talk("Gopher", "User") and row["speakers"] == ["Gopher", "User"]
    assert [path.name for path in mined_to.iterdir()] == ["dialogues.jsonl"]
    ran = run("extract", folder / "other")
    assert ran.returncode == 0 and "1 dialogues (messages 1)" in ran.stdout, ran.stderr
    (part,) = manifest(folder / "other", "documents")["parts"]
    assert part["rows"] == 1


def test_nothing_curated_is_a_sentence(tmp_path, capsys):
    assert main(["dialogues", "--data", str(tmp_path), "--to", str(tmp_path / "to")]) == 1
    assert capsys.readouterr().err == f"dialogues: there is nothing in {tmp_path}/curated yet; run `textmill curate`\n"
    assert not list((tmp_path / "to").glob("*"))
