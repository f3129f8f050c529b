"""Takedown: nothing of what the list names is left, all else keeps its bytes, and the raw files would give the same."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.command_line import MIXTURE, ROOT, SETTINGS, hashes, manifest, refused, table
from textmill.cli import main
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.row_groups import rows_of
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.erasure.blocks import emptied_blocks, identity_of
from textmill.pipelines.erasure.carry_out import searched_line
from textmill.pipelines.erasure.passages import PER_TEXT, Passages, passages_of, window_hashes
from textmill.pipelines.extract.rows import DOCUMENTS
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.flow import STAGES
from textmill.pipelines.ledger.blocks import shards
from textmill.pipelines.ledger.lookup import find_pages
from textmill.pipelines.settings import read_config
from textmill.pipelines.takedown.copies import alike
from textmill.pipelines.takedown.emptying import STAYS
from textmill.pipelines.takedown.entries import TakedownEntry, parse_entries, takes
from textmill.pipelines.takedown.matching import Resolution, resolve
from textmill.pipelines.takedown.memory import ListedText, Memory, Taken, read_memory

URL = "https://en.quillop.example/en/notes/testing-the-till"
TIDES, TIDES_COPY = "76cbb30be7c555896391b37aea9e520e", "c0c95948e4014412f4d97e1bb38eae55"
OVEN, OVEN_COPY = "9cb96229", "6a08214a"               # an exact copy that steps in
LIST = """# what was asked for
url:{url}?utm_source=mail     # spelled otherwise
host:torvel.example
id:{oven}
text:{tides}
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """One pass of dedup: the bytes are those of four."""
    path = tmp_path_factory.mktemp("settings") / "settings.yaml"
    path.write_text(SETTINGS.read_text().replace("passes: 4", "passes: 1"))
    return path


def command(data: Path, settings: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "textmill", "takedown", "--data", str(data), "--config", str(settings), "--rules",
            str(ROOT / "rules.yaml"), "--mixture", str(MIXTURE), "--workers", "1", *more]


def takedown(data: Path, settings: Path, *more: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(data, settings, *more), capture_output=True, text=True, cwd=ROOT, timeout=300)


def copied(milled: Path, target: Path) -> Path:
    """A finished run with a list and a report of its own."""
    shutil.copytree(milled, target)
    (oven,) = {row for row in table(milled, "documents")["id"].to_pylist() if row.startswith(OVEN)}
    (target / "takedown.txt").write_text(LIST.format(url=URL, oven=oven, tides=TIDES))
    (target / "report").mkdir(exist_ok=True)
    (target / "report/index.html").write_text(f"<p>{URL}</p>")
    (target / "browse").mkdir()
    (target / "browse/0123456789abcdef-1.words").write_bytes(b"words of every text")
    return target


@pytest.fixture(scope="module")
def carried(milled, settings, tmp_path_factory):
    """(data folder, what the dry run said, what carrying it out said, hashes before)."""
    data = copied(milled[0], tmp_path_factory.mktemp("takedown") / "data")
    state = data / "checkpoints/mine/step-00000001/state.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"blocks": identity_of(Folder(str(data)) / "blocks/mixture")}))
    before = hashes(data)
    dry = takedown(data, settings)
    assert dry.returncode == 0, dry.stderr
    assert hashes(data) == before, "a dry run changes nothing"
    done = takedown(data, settings, "--carry-out")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stdout + done.stderr
    return data, dry.stdout, done.stdout, before


def taken_ids(data: Path) -> set[str]:
    return {one.id for one in read_memory(Folder(str(data))).taken if one.id}


def test_the_dry_run_lists_what_goes_what_steps_in_and_what_to_delete(carried):
    _, dry, _, _ = carried
    lines = dry.splitlines()
    assert lines[:4] == [f"line 2: url:{URL} takes 1 record", "line 3: host:torvel.example takes 21 records",
                         next(line for line in lines if line.startswith(f"line 4: id:{OVEN}")),
                         f"line 5: text:{TIDES} takes 2 records"]
    assert f"  {TIDES_COPY}  https://en.merelle.example/en/sea/reading-tide-tables" in lines, "the text's near copy goes too"
    at = next(n for n, line in enumerate(lines) if line.startswith(f"twins      of {OVEN}"))
    assert lines[at + 2].strip().startswith(OVEN_COPY)
    assert len([line for line in lines if line.startswith("twins")]) == 1
    assert "  sample/web/notebook.warc.gz, offset 12,248, length 2,376" in lines
    assert "  sample/web/damaged.warc.gz, offset 1,772, length 1,880" in lines, "a record that gave no document"
    assert "checkpoint checkpoints/mine was trained on these blocks" in " ".join(dry.split())
    assert lines[-1] == "nothing was changed; carry it out with `textmill takedown --carry-out`"


def test_rows_stay_and_say_nothing(carried, milled):
    data, *_ = carried
    gone = taken_ids(data)
    assert len(gone) == 23 and TIDES_COPY in gone
    documents, before = table(data, "documents"), table(milled[0], "documents")
    assert documents["id"].to_pylist() == before["id"].to_pylist()
    kept = {"id", "source", "file", "offset", "length"}
    for row, was in zip(documents.to_pylist(), before.to_pylist(), strict=True):
        if row["id"] in gone:
            assert {name for name in row if row[name] not in (None, "", 0, [])} <= kept
            assert {name: row[name] for name in kept} == {name: was[name] for name in kept}
        else:
            assert row == was
    (lost,) = [row for row in table(data, "documents", rejected=True).to_pylist() if row["rule"] == "damaged"]
    assert lost["url"] is None and lost["detail"] is None and lost["offset"] == 1772
    verdicts = {row["id"]: row for row in table(data, "verdicts").to_pylist()}
    assert all(verdicts[id_]["broken"] == [{"rule": "takedown", "value": 1.0, "bound": 0.0}] and not verdicts[id_]["kept"]
               for id_ in gone)
    empty = {row["id"]: row for row in table(data, "signals").to_pylist()}
    assert all(empty[id_]["word_count"] == 0 and empty[id_]["findings"] == [] for id_ in gone)
    assert len({bytes(empty[id_]["content_hash"]) for id_ in gone}) == 1
    assert not gone & {row["id"] for name in ("curated", "tokens/test-1k") for row in table(data, name).to_pylist()}


def test_the_copy_steps_in_and_every_stage_balances(carried):
    data, *_ = carried
    assert OVEN_COPY in {row["id"][:8] for row in table(data, "curated").to_pylist()}
    for name in ("documents", "signals", "verdicts", "duplicates", "curated"):
        stats = json.loads((Folder(str(data)) / name).read("_stats.json"))
        assert stats["read"] == stats["kept"] + sum(stats.get("rejected", {}).values()) + sum(
            stats.get("quarantined", {}).values())
    assert json.loads((data / "ledger/verdicts/stats.json").read_text())["rejected"]["takedown"] == 24   # one record is stored twice


def test_only_parts_that_an_entry_touches_have_another_name(carried):
    data, _, _, before = carried
    after, gone = hashes(data), taken_ids(data)
    documents = table(data, "documents").to_pylist()
    touched = {row["file"] for row in documents if row["id"] in gone} | {"sample/web/damaged.warc.gz"}
    for dataset in ("documents", "signals", "verdicts"):
        changed = {path for path in before if path.startswith(f"{dataset}/") and before[path] != after.get(path)}
        keys = {path.split("/")[1].split(".")[0] for path in changed if path.endswith(".parquet") and "/rejected/" not in path}
        rows = {part["key"]: part for part in manifest(data, dataset)["parts"]}
        assert keys and keys < rows.keys()
        if dataset == "documents":
            of_key = {}
            start = 0
            for part in manifest(data, dataset)["parts"]:
                of_key[part["key"]] = {row["file"] for row in documents[start:start + part["rows"]]}
                start += part["rows"]
            assert all(of_key[key] & touched for key in keys)


def test_blocks_lose_the_spans_and_every_other_block_keeps_its_bytes(carried, milled):
    data, _, done, _ = carried
    gone = taken_ids(data)

    def blocks(folder: Path) -> list[tuple]:
        return [(shard.split, row["tokens"], row["entry"], row["spans"])
                for shard in shards(Folder(str(folder)) / "blocks/mixture") for row in shard.rows.to_pylist()]

    after, before = blocks(data), blocks(milled[0])
    changed = 0
    end = int(next(shards(Folder(str(data)) / "blocks/mixture")).rows.schema.metadata[b"end_of_text"])
    for now, was in zip(after, before, strict=True):
        out = [span for span in was[3] if span["id"] in gone]
        assert now[3] == [span for span in was[3] if span["id"] not in gone] and now[::2] == was[::2]
        expected = np.array(was[1])
        for span in out:
            expected[span["start"]:span["end"]] = end
        assert now[1] == expected.tolist()
        changed += bool(out)
    assert changed > 3
    assert f"spans emptied in {changed - 1} of train, 1 of validation" in done
    model = pytest.importorskip("textmill.model.data.blocks")
    opened = model.PackedMixture(data / "blocks/mixture")
    assert len(opened.train) + len(opened.validation) == len(after)
    assert opened.identity() == identity_of(Folder(str(data)) / "blocks/mixture")
    number = next(n for n, (split, _, _, spans) in enumerate(after) if split == "train" and len(spans) < len(before[n][3]))
    batch = opened.train.read([number])
    was = model.PackedMixture(milled[0] / "blocks/mixture").train.read([number])
    out = [span for span in before[number][3] if span["id"] in gone]
    lost = sum(span["end"] - span["start"] for span in out) - len({span["id"] for span in out})    # pieces of one are one stretch
    assert was.target_count - batch.target_count == lost > 0, "what was taken gives no target"


def test_the_manifests_say_so(carried):
    data, *_ = carried
    blocks = manifest(data, "blocks/mixture")["made_from"]["takedown"]
    assert set(blocks["ids"]) <= taken_ids(data) and blocks["runs"] == ["mine"] and "the tokenizer was trained" in blocks["what"]
    tokenizer = manifest(data, "tokenizers/test-1k")["made_from"]["takedown"]
    assert set(tokenizer["ids"]) == taken_ids(data) and "not retrained" in tokenizer["what"]


def test_a_search_of_our_own_finds_nothing(carried, milled):
    """Not by the search under test: sentences of what was taken, in all stored columns and decoded blocks, and names."""
    data, _, done, _ = carried
    gone = taken_ids(data)
    before = {row["id"]: row["text"] for row in table(milled[0], "documents").to_pylist()}
    others = "\n".join(text for id_, text in before.items() if id_ not in gone)
    sentences = {line for id_ in gone for line in before[id_].splitlines() if len(line) > 60 and line not in others}
    assert len(sentences) > 40
    from textmill.tokenizer.encoder import Encoder
    encoder = Encoder((data / "blocks/mixture/tokenizer.json").read_text())
    stored = [encoder.decode(row["tokens"]).decode(errors="replace")
              for shard in shards(Folder(str(data)) / "blocks/mixture") for row in shard.rows.to_pylist()]
    stored += [encoder.decode(row["tokens"]).decode() for row in table(data, "tokens/test-1k").to_pylist()]
    stored += [str(row) for name in ("documents", "signals", "verdicts", "duplicates", "curated") for side in (False, True)
               if manifest(data, name)["rejected"] or not side for row in table(data, name, side).to_pylist()]
    whole = "\n".join(stored)
    assert [sentence for sentence in sentences if sentence in whole] == []
    assert "torvel.example" not in whole and URL not in whole
    assert "report: deleted" in done and not (data / "report/index.html").exists()
    assert "browse: deleted" in done and not list((data / "browse").iterdir())
    assert "pretokens: deleted" in done and not any((data / "pretokens").rglob("*.parquet"))
    assert done.splitlines()[-2].startswith("takedown: searched ") and "ids: nothing" in done.splitlines()[-2]


def test_the_ledger_tells_of_it(carried, capsys):
    data, *_ = carried
    flags = ["--data", str(data), "--mixture", str(MIXTURE), "--config", str(SETTINGS)]
    assert refused(capsys, "why", *flags, URL).endswith("(it is taken down: takedown.txt, line 2)")
    assert main(["why", *flags, TIDES_COPY]) == 0
    assert " ".join(capsys.readouterr().out.split()).endswith(f" takedown its text was taken down, by text:{TIDES} (line 5)")


def test_a_second_run_changes_nothing_and_the_raw_files_give_the_same_bytes(carried, settings):
    """The stages are current afterwards, extract too; without the raw files a takedown goes on all the same."""
    data, *_ = carried
    once = hashes(data)
    here = RunContext(Folder(str(data)), read_config(str(settings), str(ROOT / "rules.yaml"), str(MIXTURE), None), BeamEngine())
    assert bring_up_to_date(EXTRACT, here).startswith("extract: up to date")
    aside = data.parent / "raw-aside"
    (data / "raw").rename(aside)
    again = takedown(data, settings, "--carry-out")
    aside.rename(data / "raw")
    assert again.returncode == 0, again.stderr
    assert "25 records taken down before, nothing new" in again.stdout
    assert [line for line in again.stdout.splitlines() if " built, " in line] == [], "no stage had anything to do"
    assert hashes(data) == once
    shutil.rmtree(data / "documents")
    assert "20 parts (20 built, 0 reused)" in bring_up_to_date(EXTRACT, here)
    assert hashes(data) == once, "extract from raw files, with the list and what was taken beside them"


def test_killed_anywhere_and_run_again_the_same_bytes(carried, milled, settings, tmp_path):
    """kill -9 in the middle of emptying documents, and while the stages follow."""
    data, *_ = carried
    killed = copied(milled[0], tmp_path / "killed")
    shutil.copytree(data / "checkpoints", killed / "checkpoints")
    for seen in (lambda: len(list((killed / "ledger/documents/receipts").glob("*"))) > len(manifest(killed, "documents")["receipts"]),
                 lambda: (killed / "ledger/duplicates/work").exists()):
        process = subprocess.Popen(command(killed, settings, "--carry-out"), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, cwd=ROOT)
        while process.poll() is None and not seen():
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = takedown(killed, settings, "--carry-out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert hashes(killed) == hashes(data)


def test_a_new_copy_of_a_text_that_is_gone_is_refused(carried):
    """Only the signature is left: equal ones go, one far away stays, one that was compared with the text itself stays."""
    data, *_ = carried
    folder = Folder(str(data))
    remembered = read_memory(folder)
    signature = remembered.texts[TIDES].minhash
    other = table(data, "signals").to_pylist()[0]
    known = Memory((), {TIDES: ListedText(tuple(other["minhash"]))})
    copies, texts = alike(folder, [TakedownEntry(5, "text", TIDES)], known)
    assert other["id"] in copies[f"text:{TIDES}"] and texts[TIDES].minhash == tuple(other["minhash"])
    spared = Memory((), {TIDES: ListedText(tuple(other["minhash"]), (other["id"],))})
    assert alike(folder, [TakedownEntry(5, "text", TIDES)], spared)[0] == {f"text:{TIDES}": []}
    assert len(signature) == 120 and alike(folder, [TakedownEntry(5, "text", TIDES)], remembered)[0] == {f"text:{TIDES}": []}
    with pytest.raises(StageError, match=r"line 5: text:76cbb30\w+ names no text that is stored here"):
        alike(folder, [TakedownEntry(5, "text", TIDES)], Memory())


def test_a_page_of_a_listed_host_that_comes_later_is_rejected_until_it_is_emptied(carried, settings, tmp_path):
    data = tmp_path / "later"
    shutil.copytree(carried[0], data)
    new = data / "raw/sample/letters/later.jsonl"
    new.write_text(json.dumps({"url": "https://nl.torvel.example/later", "text": "Een heel nieuwe bladzijde van dezelfde site."}) + "\n")
    here = RunContext(Folder(str(data)), read_config(str(settings), str(ROOT / "rules.yaml"), str(MIXTURE), None), BeamEngine())
    for stage in ("extract", "measure", "screen"):
        bring_up_to_date(STAGES[stage], here)
    (found,) = find_pages(Folder(str(data)), "https://nl.torvel.example/later").documents
    (verdict,) = rows_of(Folder(str(data)), "verdicts", [found])
    assert verdict and [broken["rule"] for broken in verdict["broken"]] == ["takedown"]
    pending = [row.taken.id for row in resolve(Folder(str(data))).rows if row.pending]
    assert pending == [found.id]


def test_the_search_finds_what_is_left_and_names_the_file(carried, tmp_path):
    data = tmp_path / "data"
    (data / "report").mkdir(parents=True)
    passages = tuple(f"{hash_:016x}" for hash_ in passages_of("A sentence that nobody else would ever have written here."))
    memory = Memory((Taken("t", "a" * 32, "f", 0, None, ("host:gone.example",), passages),))
    entries = (TakedownEntry(1, "host", "gone.example"), TakedownEntry(2, "url", "https://half.example/page"))
    resolution = Resolution(entries, (), {})
    (data / "report/index.html").write_text("<a href='https://notgone.example/'>https://half.example/pages</a>")
    assert "nothing" in searched_line(Folder(str(data)), memory, resolution)
    for left, what in (("x A sentence that nobody else would ever have written here. y", f"a passage of {'a' * 32}"),
                       ("see https://www.gone.example/1", "a name"), ("https://half.example/page", "a name")):
        (data / "report/index.html").write_text(left)
        with pytest.raises(StageError, match=f"report/index.html still contains {what}"):
            searched_line(Folder(str(data)), memory, resolution)


def test_no_list_and_a_list_with_mistakes(tmp_path, settings):
    said = takedown(tmp_path, settings)
    assert said.returncode == 1 and said.stderr.startswith(f"takedown: there is no {tmp_path}/takedown.txt; put an entry a line")
    (tmp_path / "takedown.txt").write_text("host:example.com\n")
    said = takedown(tmp_path, settings, "--carry-out")
    assert (said.returncode, said.stderr) == (1, f"takedown: there is nothing in {tmp_path}/documents yet; run `textmill extract`\n")
    with pytest.raises(StageError) as error:
        parse_entries("url:example.com/a\nhost:com\nid:123\n\n# fine\nhost:Example.COM # so is this\nsite:x\nhost:example.com\n"
                      "text:" + "A" * 32, "takedown.txt")
    assert [line.split(": ")[0].split(", ")[1] for line in str(error.value).splitlines()] == [
        "line 1", "line 2", "line 3", "line 7", "line 8"]
    assert "says the same as line 6; take one out" in str(error.value)


def test_of_a_document_only_what_says_where_its_record_lies_stays():
    assert STAYS & set(DOCUMENTS.names) == {"id", "source", "file", "offset", "length"}


@pytest.mark.parametrize("module", ["screen.stage", "extract.stage", "ledger.why", "erasure.search"])
def test_any_module_can_be_the_first_that_a_process_imports(module):
    """A worker unpickles a stage first of all, whichever it is."""
    ran = subprocess.run([sys.executable, "-c", f"import textmill.pipelines.{module}"], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr


def test_entries_are_compared_in_one_spelling():
    (url, host, text) = parse_entries("URL: HTTP://Example.com:80/a?b=1&a=2&utm_source=x#top\nhost:Bücher.example\n"
                                      f"text:{'A' * 32}\n", "takedown.txt")
    assert (url.name, host.name, text.name) == ("url:http://example.com/a?a=2&b=1", "host:xn--bcher-kva.example", f"text:{'a' * 32}")
    assert takes(host, "https://www.bücher.example/x") and not takes(host, "https://xbücher.example/")
    assert takes(url, "http://EXAMPLE.com/a?a=2&b=1") and not takes(url, "https://example.com/a?a=2&b=1")


def test_an_entry_that_was_taken_out_takes_nothing():
    taken = Taken("t", "a" * 32, "f", 0, 1, ("host:x.example", "id:" + "a" * 32))
    memory = Memory((taken,), {"b" * 32: ListedText((1,))})
    assert memory.under([TakedownEntry(1, "id", "a" * 32)]).keys_by_task() == {"t": ("a" * 32,)}
    assert memory.under([TakedownEntry(1, "url", "https://x.example/")]) == Memory()


def test_passages_are_found_wherever_they_stand_and_nowhere_else():
    text = "Fourteen hens and one very proud cockerel live behind the bakery, where the flour dust settles at noon."
    hashes_ = passages_of(text)
    assert len(hashes_) == PER_TEXT and passages_of("too short") == []
    around = np.frombuffer(b"x" * 5_000_000 + text.encode() + b"y" * 77, np.uint8)       # across two steps of the search
    assert Passages(iter(hashes_)).found(around).tolist() == sorted(hashes_)
    assert Passages(iter(hashes_)).found(np.frombuffer(text.replace("e", "a").encode(), np.uint8)).tolist() == []
    assert Passages(iter([])).found(around).tolist() == [] and len(window_hashes(around[:31])) == 0


def test_blocks_are_emptied_span_by_span():
    spans = [[{"id": "a", "piece": 0, "start": 0, "end": 2, "offset": 0}, {"id": "b", "piece": 0, "start": 2, "end": 4, "offset": 0}],
             [{"id": "b", "piece": 0, "start": 0, "end": 4, "offset": 2}], []]
    kind = pa.list_(pa.struct([("id", pa.string()), *((name, pa.int32()) for name in ("piece", "start", "end", "offset"))]))
    schema = pa.schema([("tokens", pa.list_(pa.uint16(), 4)), ("entry", pa.string()), ("spans", kind)], {"end_of_text": "9"})
    rows = pa.table([pa.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 9, 9]], schema.field("tokens").type), ["e"] * 3,
                     pa.array(spans, kind)], schema=schema)
    made = emptied_blocks(rows, pa.array(["b"]))
    assert made["tokens"].to_pylist() == [[1, 2, 9, 9], [9, 9, 9, 9], [9, 9, 9, 9]]
    assert made["spans"].to_pylist() == [spans[0][:1], [], []] and made.schema.equals(rows.schema, check_metadata=True)
