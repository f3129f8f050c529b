"""`textmill duplicates` and `textmill twins`: what they print is what lies in the datasets, masked, for any terminal."""

import subprocess
import sys
from collections import Counter

import pyarrow.compute as pc
import pytest
from rich.cells import cell_len

from tests.command_line import ROOT, table
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.dedup.stage import DEDUP
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.ledger.twins.diff import GREEN, PLAIN, RED, side_by_side, words_of
from textmill.pipelines.ledger.twins.pairs import twins
from textmill.pipelines.settings import read_config

TIDES = "https://en.merelle.example/en/sea/how-to-read-a-tide-table"
OTHER = "https://en.merelle.example/en/sea/reading-tide-tables"


def run(word, *arguments):
    return subprocess.run([sys.executable, "-m", "textmill", word, *arguments], capture_output=True, text=True, cwd=ROOT)


def test_totals_sizes_and_shares_are_those_of_the_table(milled):
    data, _ = milled
    ran = run("duplicates", "--data", str(data))
    assert ran.returncode == 0 and not ran.stderr
    said = [line.split() for line in ran.stdout.splitlines()]
    duplicates, kept = table(data, "duplicates"), table(data, "verdicts")["kept"]
    kinds = Counter(duplicates["kind"].drop_null().to_pylist())
    assert ["documents", "compared", str(pc.sum(kept).as_py())] in said and ["copies", str(kinds.total())] in said
    assert all([kind, str(n)] in said for kind, n in kinds.items())
    sizes = Counter(Counter(duplicates["cluster"].drop_null().to_pylist()).values())
    assert all([str(n), str(count), str(n * count)] in [line[:3] for line in said] for n, count in sizes.items())
    language = table(data, "signals")["language"]
    copies = Counter(language.filter(pc.is_valid(duplicates["kind"])).to_pylist())
    compared = Counter(language.filter(kept).to_pylist())
    for name, n in copies.items():
        assert [name, str(compared[name]), str(n), f"{n / compared[name]:.1%}"] in said
    hosts = Counter(table(data, "documents")["host"].filter(pc.is_valid(duplicates["kind"])).drop_null().to_pylist())
    assert all(any(line[:1] == [host] and line[2] == str(n) for line in said) for host, n in hosts.items())


def test_a_run_says_what_it_will_find_and_a_large_one_what_it_takes(milled, capsys):
    config = read_config(ROOT / "settings.yaml", ROOT / "rules.yaml", ROOT / "mixtures/demo.yaml", None)
    context = RunContext(Folder(str(milled[0])), config, BeamEngine(workers=2))
    DEDUP.announce(context, 126)
    DEDUP.announce(context, 3_000_000)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == said[1] == ("dedup: with 20 bands × 6 rows, 91.8 % of pairs at Jaccard 0.7 become candidates, 99.8 % at 0.8, "
                                  "100.0 % at 0.9")
    assert len(said) == 3 and said[2].startswith("dedup: 3,000,000 documents: ") and "with 2 workers" in said[2]


def test_nothing_there_is_one_sentence(tmp_path):
    for word, arguments, said in (("duplicates", (), "documents yet; run `textmill extract`\n"),
                                    ("twins", ("https://a.example/",), "duplicates yet; run `textmill dedup`\n")):
        ran = run(word, *arguments, "--data", str(tmp_path))
        assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"{word}: there is nothing in {tmp_path}/{said}")


def test_a_page_beside_its_copy_from_either_side(milled):
    data, _ = milled
    ran = run("twins", TIDES, "--data", str(data))
    assert ran.returncode == 0 and "\x1b" not in ran.stdout
    lines = ran.stdout.splitlines()
    assert lines[0] == "twins      nearly the same text: Jaccard 0.938, threshold 0.8"
    assert lines[1].split() == ["kept", TIDES] and lines[3].split() == ["removed", OTHER]
    assert "reason     it is longer" in lines
    assert "in winter time all year {+round, and   | in winter time all year [-round.-]" in lines
    assert all(len(line) <= 79 for line in lines)
    assert twins(Folder(str(data)), OTHER, colour=False) == lines
    assert any(RED in line for line in twins(Folder(str(data)), OTHER, colour=True))
    with pytest.raises(StageError, match="has no duplicates; "):
        twins(Folder(str(data)), pages_without(data), colour=False)


def pages_without(data):
    alone = pc.and_(pc.is_null(table(data, "duplicates")["cluster"]), pc.is_valid(table(data, "documents")["url"]))
    return table(data, "documents")["id"].filter(alone)[0].as_py()


def test_every_copy_of_the_sample_has_its_twin(milled):
    data, _ = milled
    duplicates = table(data, "duplicates")
    for row in duplicates.filter(pc.is_valid(duplicates["kind"])).to_pylist():
        said = "\n".join(twins(Folder(str(data)), row["id"], colour=False))
        assert row["kept_id"] in said and ("Jaccard" in said) == (row["similarity"] is not None)


def test_personal_data_is_masked(milled):
    data, _ = milled
    documents, duplicates = table(data, "documents"), table(data, "duplicates")
    near = pc.equal(duplicates["kind"], "near").fill_null(False)
    for id_ in documents["id"].filter(near).to_pylist():
        assert "@" not in "".join(twins(Folder(str(data)), id_, colour=False))


def test_words_that_differ_are_marked_on_their_side():
    assert side_by_side("a b c d", "a x c d", False) == ["a {+b+} c d".ljust(38) + " | a [-x-] c d"]
    assert side_by_side("a b c", "a c", True) == [f"a {GREEN}b {PLAIN}c".ljust(38 + len(GREEN + PLAIN)) + " | a c"]
    assert side_by_side("a", "a y z", True) == ["a".ljust(38) + f" | a {RED}y z{PLAIN}"]


def test_what_is_the_same_is_shortened_between_and_kept_near():
    same = " ".join(f"w{n}" for n in range(100))
    lines = side_by_side(f"{same} old end", f"{same} new end", False)
    assert lines[0] == "… 88 words the same …"
    assert " ".join(line.split(" | ")[0].strip() for line in lines[1:]) == " ".join(f"w{n}" for n in range(88, 100)) + " {+old+} end"


def test_long_words_and_wide_characters_stay_in_their_column():
    lines = side_by_side("x" * 100 + " 水車は川の流れで回る。" * 5, "y" * 90 + " 水車は川の流れで回った。" * 5, False)
    assert len(lines) > 4
    for line in lines:
        left, right = line.split(" | ") if " | " in line else (line.removesuffix(" |"), "")
        assert cell_len(left) == 38 and cell_len(right) <= 38
    assert words_of("水車 turns") == ["水", "車 ", "turns"]


def test_a_very_long_pair_is_compared_as_far_as_it_says():
    long = " ".join(f"w{n}" for n in range(5000))
    lines = side_by_side(f"x {long}", f"y {long} more", False)
    left, right = (" ".join(line.split(" | ")[side].strip() for line in lines[:-2]).split() for side in (0, 1))
    assert (left[0], right[0]) == ("{+x+}", "[-y-]") and left[1:] == right[1:] == [f"w{n}" for n in range(12)]
    assert lines[-2:] == ["… 3,987 words the same …", "(the first 4,000 words of each)"]
