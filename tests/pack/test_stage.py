"""The stage pack on the sample crawl: recipes that ask for what other datasets store of a text."""

import json
import shutil

import pyarrow as pa
import pytest

from tests.command_line import manifest, run, table
from textmill.base.blocks_format import SHARES
from textmill.base.sealed import unseal
from textmill.pipelines.pack.plan import outcome, plan_blocks
from textmill.pipelines.pack.stage import PACK

HEAD = "name: asked\nblock: 512\ntokens: {tokens}\nseed: 3\nvalidation: {validation}\ntokenizer: test-1k\nentries:\n"


@pytest.fixture
def data(milled, tmp_path):
    """A copy of the finished run, without blocks."""
    shutil.copytree(milled[0], tmp_path / "data", ignore=shutil.ignore_patterns("blocks", "checkpoints"))
    return tmp_path / "data"


def pack(data, entries, tokens="20_000", validation=0.1, more=""):
    (data.parent / "asked.yaml").write_text(HEAD.format(tokens=tokens, validation=validation) + entries + more)
    return run("pack", data, 1, "--mixture", str(data.parent / "asked.yaml"))


def counts(data):
    return unseal((data / "blocks/asked/_stats.json").read_bytes())


def packed_ids(data):
    """The ids in each entry's blocks, of both splits."""
    ids = {}
    for split in ("train", "validation"):
        for part in unseal((data / f"blocks/asked/{split}/_manifest.json").read_bytes())["parts"]:
            for row in pa.ipc.open_stream((data / f"blocks/asked/{split}/{part['path']}").read_bytes()).read_all().to_pylist():
                ids.setdefault(row["entry"], set()).update(span["id"] for span in row["spans"])
    return ids


def test_entries_by_measurement_host_and_date_hold_exactly_those_documents(data):
    ran = pack(data, """  latin: {where: {script: Latn, word_count: {low: 60}, not: {tags: noindex}}, share: available, repeat: 9}
  other: {where: {not: {script: Latn}, any: [{date: {from: 2000}}, {url: {prefix: "http"}}]}, share: available, repeat: 9}
""", tokens="150_000", validation=0)
    assert ran.returncode == 0, ran.stderr
    kept = set(table(data, "tokens/test-1k")["id"].to_pylist())
    signals = {row["id"]: row for row in table(data, "signals").select(["id", "script", "word_count"]).to_pylist()}
    tags = {row["id"]: row["tags"] for row in table(data, "verdicts").to_pylist()}
    stored = {row["id"]: row for row in table(data, "documents").select(["id", "date", "url"]).to_pylist()}
    latin = {id for id in kept if signals[id]["script"] == "Latn" and signals[id]["word_count"] >= 60 and "noindex" not in tags[id]}
    other = {id for id in kept if signals[id]["script"] != "Latn" and ((stored[id]["date"] or "") >= "2000"
                                                                      or (stored[id]["url"] or "").startswith("http"))}
    assert latin and other and len(latin | other) < len(kept)
    entries = counts(data)["train"]["entries"]
    assert {name: entry["documents"] for name, entry in entries.items()} == {"latin": len(latin), "other": len(other)}
    assert packed_ids(data) == {"latin": latin, "other": other}


def test_the_counts_are_exact_and_the_plan_is_the_outcome(data):
    from tests.command_line import MIXTURE, SETTINGS
    from tests.paths import ROOT
    from textmill.pipelines.contract.stage import RunContext
    from textmill.pipelines.contract.storage import Folder
    from textmill.pipelines.settings import read_config
    ran = pack(data, "  web: {where: {source: sample}, share: {by: language, temperature: 0.5}, repeat: 9}\n")
    assert ran.returncode == 0, ran.stderr
    assert "; little to validate with: web-" in ran.stdout
    counted = counts(data)
    tokens = table(data, "tokens/test-1k").select(["piece", "token_count", "pieces"]).to_pylist()
    total = sum(row["token_count"] + (row["piece"] == 0) + (row["piece"] == row["pieces"] - 1) for row in tokens)
    assert counted["tokens"]["read"] == total == sum(counted["tokens"][name] for name in ("packed", "left_out", "no_entry"))
    schema = pa.ipc.open_stream((data / "blocks/asked" / manifest(data, "blocks/asked")["parts"][0]["path"]).read_bytes()).schema
    shares = json.loads(schema.metadata[SHARES.encode()])
    assert len(shares) > 3 and abs(sum(shares.values()) - 1) < 1e-9 and shares.keys() == counted["train"]["entries"].keys()
    config = read_config(str(SETTINGS), str(ROOT / "rules.yaml"), str(data.parent / "asked.yaml"))
    plan = plan_blocks(PACK.index(RunContext(Folder(str(data)), config, None))[0])
    planned = outcome(plan)
    for split in planned:
        assert planned[split] | {"near_copies": 0} == counted[split] | {"near_copies": 0}
    assert counted["validation"]["near_copies"] == 0
    assert MIXTURE.exists()


def test_only_what_is_asked_for_is_opened(data):
    entries = "  web: {where: {source: sample}, share: 1.0, repeat: 4}\n"
    for dataset in ("documents", "signals", "verdicts"):    # parts that cannot be read; their manifests are as they were
        for part in (data / dataset).glob("*.parquet"):
            part.write_bytes(b"x" * part.stat().st_size)
    ran = pack(data, entries)
    assert ran.returncode == 0, ran.stderr
    ran = pack(data, entries.replace("{source: sample}", "{source: sample, script: Latn}"))
    assert ran.returncode == 1 and "signals" in ran.stderr and "Traceback" not in ran.stderr


def test_a_dataset_that_lacks_a_part_or_a_document_is_named(data, monkeypatch):
    from textmill.pipelines.contract.filesystems import StageError
    from textmill.pipelines.contract.parts import Part
    from textmill.pipelines.contract.storage import Folder
    from textmill.pipelines.pack.stored import Source, token_rows
    tokens = [Part(**part) for part in manifest(data, "tokens/test-1k")["parts"]]
    signals = [Part(**part) for part in manifest(data, "signals")["parts"]]
    one = next(number for number, part in enumerate(tokens) if part.rows)
    folder, source = Folder(str(data)) / "tokens/test-1k", Folder(str(data)) / "signals"
    rows = token_rows(folder, tokens[one], {"script"}, {"signals": Source(source, tuple(signals), ("script",))})
    assert rows.num_rows == tokens[one].rows and rows["script"].null_count == 0
    with pytest.raises(StageError, match=rf"signals has no part {tokens[one].key}, which the tokens have; run `textmill measure`"):
        token_rows(folder, tokens[one], {"script"}, {"signals": Source(source, (), ("script",))})
    other = next(part for part in signals if part.key != tokens[one].key and part.rows)
    wrong = Part(tokens[one].key, *[getattr(other, name) for name in ("path", "rows", "bytes", "sha256", "footer")])
    with pytest.raises(StageError, match=r"document [0-9a-f]{32} of .*tokens/test-1k is not in .*signals; run `textmill measure`"):
        token_rows(folder, tokens[one], {"script"}, {"signals": Source(source, (wrong,), ("script",))})


def test_tokens_and_bytes_of_a_condition_are_those_of_the_whole_document(data):
    from textmill.pipelines.contract.parts import Part
    from textmill.pipelines.contract.storage import Folder
    from textmill.pipelines.pack.stored import token_rows
    rows = [row for part in manifest(data, "tokens/test-1k")["parts"]
            for row in token_rows(Folder(str(data)) / "tokens/test-1k", Part(**part), {"tokens", "bytes"}, {}).to_pylist()]
    whole = {}
    for row, stored in zip(rows, table(data, "tokens/test-1k").select(["id", "bytes"]).to_pylist(), strict=True):
        tokens, size = whole.get(row["id"], (0, 0))
        whole[row["id"]] = tokens + row["token_count"], size + stored["bytes"]
    assert any(row["pieces"] > 1 for row in rows)
    assert all((row["tokens"], row["bytes"]) == whole[row["id"]] for row in rows)


def test_blocks_are_the_same_whether_tokens_were_scattered_or_not(data):
    """With small shards there are many, and scattering pays; with one large shard there is none."""
    from tests.command_line import SETTINGS
    entries = "  web: {where: {source: sample}, share: 1.0, repeat: 2}\n"
    blocks = {}
    for shard_bytes in ("8KiB", "64MiB"):
        (data.parent / f"{shard_bytes}.yaml").write_text(SETTINGS.read_text().replace("shard_bytes: 8192", f"shard_bytes: {shard_bytes}"))
        (data.parent / "asked.yaml").write_text(HEAD.format(tokens="30_000", validation=0.1) + entries)
        ran = run("pack", data, 1, "--mixture", str(data.parent / "asked.yaml"), settings=data.parent / f"{shard_bytes}.yaml")
        assert ran.returncode == 0, ran.stderr
        listed = unseal((data / "blocks/asked/train/_manifest.json").read_bytes())["parts"]
        blocks[shard_bytes] = [row for part in listed for row in pa.ipc.open_stream(
            (data / f"blocks/asked/train/{part['path']}").read_bytes()).read_all().to_pylist()]
        assert (len(listed) > 4) == (shard_bytes == "8KiB") and not (data / "blocks/asked/_work").exists()
    assert blocks["8KiB"] == blocks["64MiB"]


@pytest.mark.parametrize("way", ["fit", "concat"])
def test_both_fillings_give_back_every_token_of_the_crawl_as_often_as_planned(data, way):
    ran = pack(data, "  web: {where: {source: sample}, share: 1.0, repeat: 9}\n", tokens="150_000", more=f"fill: {way}\n")
    assert ran.returncode == 0, ran.stderr
    stored = {(row["id"], row["piece"]): row for row in table(data, "tokens/test-1k").to_pylist()}
    end, times = None, {}
    for split in ("train", "validation"):
        for part in unseal((data / f"blocks/asked/{split}/_manifest.json").read_bytes())["parts"]:
            stream = pa.ipc.open_stream((data / f"blocks/asked/{split}/{part['path']}").read_bytes())
            end = int(stream.schema.metadata[b"end_of_text"])
            for block in stream.read_all().to_pylist():
                for span in block["spans"]:
                    row = stored[span["id"], span["piece"]]
                    packed = [end] * (row["piece"] == 0) + row["tokens"] + [end] * (row["piece"] == row["pieces"] - 1)
                    stop = span["offset"] + span["end"] - span["start"]
                    assert block["tokens"][span["start"]:span["end"]] == packed[span["offset"]:stop]
                    for place in range(span["offset"], stop):
                        key = split, span["id"], span["piece"], place
                        times[key] = times.get(key, 0) + 1
    counted = counts(data)
    for split in ("train", "validation"):
        (entry,) = counted[split]["entries"].values()
        mine = [count for (of, *_), count in times.items() if of == split]
        assert len(mine) == entry["available"] - entry["left_out"] and sum(mine) == entry["tokens"]
        assert set(mine) <= {entry["passes"], entry["passes"] - 1} - {0}
    assert counted["train"]["entries"]["web"]["passes"] > 1
