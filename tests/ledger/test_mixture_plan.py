"""mixture-plan: what is told before is what pack then writes; a recipe that cannot be met comes with one that can."""

import re
import shutil
from collections import Counter

import pyarrow as pa
import pytest
import yaml

from tests.command_line import run
from tests.house.test_command import textmill
from textmill.base.sealed import unseal
from textmill.base.strict import parse
from textmill.pipelines.pack.mixture import Entry, Mixture
from textmill.pipelines.pack.nearest import as_yaml

HEAD = {"name": "asked", "block": 512, "tokens": 60_000, "seed": 3, "validation": 0.1, "tokenizer": "test-1k"}
ALL = {"where": {"source": ["sample", "loose", "crawl"]}, "share": 1.0, "repeat": 9}
EN, OTHER = {"language": "en"}, {"not": {"language": "en"}}


def two(first, second, **more):
    return {"entries": {"en": {"where": EN, "share": first, "repeat": 9}, "other": {"where": OTHER, "share": second, "repeat": 9}}} | more


RECIPES = {
    "two shares": two(0.7, 0.3),
    "concat": two(0.5, 0.5, fill="concat"),
    "available": two("available", "available", tokens=30_000),
    "by language": {"entries": {"all": {"where": {"word_count": {"low": 1}}, "share": {"by": "language", "temperature": 0.5}, "repeat": 9}}},
    "by script, equal": {"entries": {"all": {"where": {"word_count": {"low": 1}}, "share": {"by": "script", "temperature": 0}, "repeat": 99}},
                         "tokens": 20_000},
    "schedule": {"entries": {"en": {"where": EN, "repeat": 9}, "other": {"where": OTHER, "repeat": 9}},
                 "schedule": [{"part": 0.75, "shares": {"en": 0.9, "other": 0.1}}, {"part": 0.25, "shares": {"en": 0.2, "other": 0.8}}]},
    "nothing held out": two(0.6, 0.4, validation=0),
    "longest blocks": two(0.6, 0.4, block=8192),
    "long documents": {"entries": {"long": {"where": {"tokens": {"low": 300}}, "share": 1.0, "repeat": 9}}, "block": 128},
    "popular twice": {"entries": {"en": {"where": EN, "share": 1.0, "repeat": 9, "repeat_by_cluster_size": {2: 3}}}},
}


@pytest.fixture(scope="module")
def data(milled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan") / "data"
    shutil.copytree(milled[0], folder, ignore=shutil.ignore_patterns("blocks", "checkpoints"))
    return folder


def plan(data, recipe, *more):
    path = data.parent / "asked.yaml"
    path.write_text(recipe if isinstance(recipe, str) else yaml.safe_dump(HEAD | recipe, sort_keys=False))
    return textmill("mixture-plan", "--data", data, "--mixture", path, "--config", "tests/settings.yaml", *more)


def told(output):
    """The table of a plan: each entry's wanted and available tokens, passes, blocks, cut documents."""
    rows = re.findall(r"^  (\S+) +[\d.]+%? +([\d,]+) +([\d,]+) +([\d.]+) of (\d+) +([\d,]+) +([\d,]+) +[\d.]+%$", output, re.MULTILINE)
    return {name: tuple(int(value.replace(",", "")) for value in (wanted, available, blocks, cut))
            for name, wanted, available, _, _, blocks, cut in rows}


def written(data):
    """What lies in the blocks: by split, blocks and tokens of each entry."""
    found = {}
    for split in ("train", "validation"):
        blocks, tokens = Counter(), Counter()
        for part in unseal((data / f"blocks/asked/{split}/_manifest.json").read_bytes())["parts"]:
            for row in pa.ipc.open_stream((data / f"blocks/asked/{split}/{part['path']}").read_bytes()).read_all().to_pylist():
                blocks[row["entry"]] += 1
                tokens[row["entry"]] += sum(span["end"] - span["start"] for span in row["spans"])
        found[split] = blocks, tokens
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_the_plan_is_the_outcome(data, name):
    before = sorted(str(path) for path in data.rglob("*"))
    planned = plan(data, RECIPES[name])
    assert planned.returncode == 0, planned.stderr
    assert sorted(str(path) for path in data.rglob("*")) == before, "a plan has written something"
    assert all(len(line) <= 80 for line in planned.stdout.splitlines()), planned.stdout
    said = " ".join(planned.stdout.split())
    packed = run("pack", data, 1, "--mixture", str(data.parent / "asked.yaml"))
    assert packed.returncode == 0, packed.stderr
    (blocks, tokens), (held, held_tokens) = written(data).values()
    table = told(planned.stdout)
    assert {entry: row[2] for entry, row in table.items()} == dict(blocks) and len(table) >= len(RECIPES[name]["entries"])
    assert f": {tokens.total():,} tokens in {blocks.total():,} blocks of " in said
    assert re.search(f"validation: {held_tokens.total():,} tokens of [0-9,]+ documents in {held.total():,} blocks ", said)
    stats = unseal((data / "blocks/asked/_stats.json").read_bytes())
    assert {entry: (row["wanted"], row["available"], row["blocks"], row["cut"]) for entry, row in stats["train"]["entries"].items()} == table
    assert f"of {stats['tokens']['read']:,} tokens there are, {stats['tokens']['packed']:,} are packed" in said
    if "schedule" in RECIPES[name]:
        phases = [sum(row["phases"][str(n)] for row in stats["train"]["entries"].values()) for n in range(2)]
        assert re.findall(r"phase \d, \d+% of the tokens: ([\d,]+) blocks", said) == [f"{count:,}" for count in phases]


UNMET = {
    "too little": two(0.5, 0.5, tokens=9_000_000),
    "one has little": {"entries": {"en": {"where": EN, "share": 0.2, "repeat": 9}, "other": {"where": OTHER, "share": 0.8, "repeat": 1}},
                       "tokens": 100_000},
    "one has nothing": {"entries": {"en": {"where": EN, "share": 0.5, "repeat": 9}, "none": {"where": {"source": "nowhere"}, "share": 0.5}}},
    "schedule": {"entries": {"en": {"where": EN, "repeat": 1}, "other": {"where": OTHER, "repeat": 1}}, "tokens": 5_000_000,
                 "schedule": [{"part": 0.5, "shares": {"en": 0.9, "other": 0.1}}, {"part": 0.5, "shares": {"en": 0.2, "other": 0.8}}]},
    "spread": {"entries": {"all": {"where": {"word_count": {"low": 1}}, "share": {"by": "language", "temperature": 0.5}}}, "tokens": 5_000_000},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", UNMET)
def test_what_cannot_be_met_comes_with_a_recipe_that_can(data, name):
    refused = plan(data, UNMET[name])
    assert refused.returncode == 1 and refused.stdout.startswith("mixture-plan asked: cannot be met\n")
    assert refused.stderr.startswith("mixture-plan: entry ") and "Traceback" not in refused.stderr
    nearest = refused.stdout.partition("to paste:\n\n")[2]
    given, near = HEAD | UNMET[name], yaml.safe_load(nearest)
    assert parse(Mixture, near, "nearest") and near != given and near["tokens"] <= given["tokens"]
    again = plan(data, nearest)
    assert again.returncode == 0, again.stderr
    if name == "one has little":
        assert near["tokens"] == given["tokens"] and near["entries"]["other"]["share"] < 0.8, "only the shares had to change"


def test_a_recipe_goes_to_yaml_and_back():
    mixture = Mixture("m", 512, 10_000, 1, 0.1, "t", {"a": Entry({"source": "s", "not": {"tags": "x"}}, 0.25, 2, {2: 2}),
                                                     "b": Entry({"date": {"from": "2020"}}, 0.75)})
    assert parse(Mixture, yaml.safe_load(as_yaml(mixture)), "yaml") == mixture


def test_a_plan_of_what_is_stale_or_not_there_is_refused(tmp_path):
    refused = textmill("mixture-plan", "--data", tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "") and "textmill " in refused.stderr and "Traceback" not in refused.stderr
