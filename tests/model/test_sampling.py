"""The word `sample`: what its options ask for is what comes, as text and as JSON, and what cannot be is a sentence."""

import io
import json

import pytest

from tests.command_line import refused
from tests.model.test_evaluation import trained  # noqa: F401
from textmill.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture
def said(trained, capsys):  # noqa: F811
    def run(*arguments: str) -> list[str]:
        assert main(["sample", "--run", str(trained / "run"), "--device", "cpu", *arguments]) == 0
        return capsys.readouterr().out.splitlines()
    return run


def test_many_prompts_from_stdin_as_json(said, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("ABCDEF\nCDEFGH\n"))
    rows = [json.loads(line) for line in said("--prompt", "-", "--tokens", "3", "--temperature", "0", "--json", "--logprobs", "2", "--certainty")]
    assert [(row["prompt"], row["text"], row["finish_reason"]) for row in rows] == [("ABCDEF", "GHI", "length"), ("CDEFGH", "IJK", "length")]
    first = rows[0]["logprobs"][0]
    assert first["token"] == "G" == first["top"][0]["token"] and first["top"][0]["logprob"] == first["logprob"] > first["top"][1]["logprob"]
    assert rows[0]["usage"] == {"prompt": 7, "cached": 0, "generated": 3} and 0.1 < rows[0]["certainty"]["mean"] <= 1


def test_the_ways_to_draw_and_to_search(said):
    plain = ("--prompt", "ABCDEF", "--tokens", "6")
    assert said(*plain, "--temperature", "0", "--stop", "JK") == ["ABCDEFGHI"]
    assert said(*plain, "--temperature", "0", "--choice", "GHX", "--choice", "ZZ") == ["ABCDEFGHX"]
    assert said(*plain, "--beams", "2")[0] == "ABCDEFGHIJKL"
    assert said(*plain, "--best-of", "3")[1].endswith("18 tokens generated]")
    assert said(*plain, "--vote", "5", "--temperature", "0", "--final", "^(..)")[1] == "[5 answers agree (100%)]"
    assert said(*plain, "--tries", "9", "--valid", "H")[0].startswith("ABCDEF")
    assert said(*plain, "--abstain", "1")[0] == "(no answer: not sure enough)"
    assert said("--prompt", "ABCD", "--score", "EF")[0].startswith("log-probability -")
    assert said(*plain, "--changes")[0] == "ABCDEFGHIJKL"
    assert len(set(said(*plain, "--count", "4", "--temperature", "3"))) > 3
    banned = [f"--logit-bias={number}=-1000" for number in range(298)]
    assert said(*plain, "--temperature", "0", *banned) != said(*plain, "--temperature", "0")


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--logit-bias", "A=1"], "sample: --logit-bias A=1 is none; write ID=NUMBER, such as 17=-100"),
    (["--choice", "a", "--regex", "b"], "sample: an answer has one form; give only one of --choice, --regex, --json-schema, --grammar"),
    (["--best-of", "2", "--beams", "2"], "sample: one search at a time; give only one of --best-of, --beams, --vote, --tries, --race"),
    (["--tries", "2"], "sample: --tries and --race need to know what is valid; give --valid REGEX"),
    (["--valid", "(", "--tries", "2"], "sample: ( is no regular expression (missing ), unterminated subpattern at position 0); correct it"),
    (["--tries", "2", "--valid", "never!"], "sample: none of 2 answers is valid, after 8 tokens; give more tries, or another prompt"),
    (["--min-tokens", "9", "--tokens", "4"], "sample: min_tokens must be 0 to 4, is 9"),
    (["--json-schema", "none.json"], "sample: none.json cannot be written or read (No such file or directory); check the path, and who may write there"),
    (["--top-p", "0", "--min-p", "2"], "sample: top_p must be above 0 and at most 1, is 0.0; min_p must be above 0 and at most 1, is 2.0")])
def test_what_cannot_be_is_a_sentence(trained, capsys, arguments, sentence):  # noqa: F811
    assert refused(capsys, "sample", "--run", str(trained / "run"), "--device", "cpu", "--tokens", "4", *arguments) == sentence
