"""CurateSettings's rows: each document becomes pieces or one rejection, and the curated schema is FineWeb's first."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.base.strict import SettingsError, parse
from textmill.pipelines.curate.edits import apply_edits
from textmill.pipelines.curate.rows import CURATED, EDITS, REJECTED, curate_batch
from textmill.pipelines.curate.settings import CurateSettings
from textmill.pipelines.extract.rows import TURNS
from textmill.pipelines.measure.personal.find import find_personal_data
from textmill.pipelines.screen.policies import KindPolicy, PersonalDataPolicy

LONG = "First paragraph is here.\n" + "second one " * 30
DOCUMENTS = pa.schema([
    ("id", pa.string()), ("record_id", pa.string()), ("source", pa.string()), ("url", pa.string()), ("date", pa.string()),
    ("text", pa.string()), ("file", pa.string()), ("offset", pa.int64()), ("length", pa.int64()), ("extra", pa.string()),
    ("turns", TURNS), ("pair", pa.string()), ("preferred", pa.bool_())])
VERDICTS = pa.schema([("id", pa.string()), ("kept", pa.bool_()), ("broken", pa.list_(pa.struct(
    [("rule", pa.string()), ("value", pa.float64()), ("bound", pa.float64())])))])
DUPLICATES = pa.schema([("id", pa.string()), ("cluster", pa.string()), ("kept_id", pa.string()), ("kind", pa.string()),
                        ("similarity", pa.float64()), ("cluster_size", pa.int32())])
SIGNALS = pa.schema([("id", pa.string()), ("language", pa.string()), ("language_score", pa.float32()), ("findings", EDITS)])


def finding(kind, start, end):
    return {"kind": kind, "start": start, "end": end}


def world(*rows):
    """Aligned batches of (text, findings, broken rules, (kind, kept id)) rows; ids are d0, d1, …"""
    documents, signals, verdicts, duplicates = [], [], [], []
    for n, (text, findings, broken, copy) in enumerate(rows):
        documents.append({"id": f"d{n}", "record_id": f"r{n}", "source": "crawl", "url": f"https://h.example/{n}",
                          "date": "2024-03-01T00:00:00Z", "text": text, "offset": 100 * n, "length": 100, "extra": None,
                          "file": "crawl/CC-MAIN-2024-10/a.warc.gz" if n % 2 else "crawl/a.warc.gz"})
        signals.append({"id": f"d{n}", "language": "en", "language_score": 0.5, "findings": findings})
        verdicts.append({"id": f"d{n}", "kept": not broken,
                         "broken": [{"rule": r, "value": v, "bound": b} for r, v, b in broken]})
        duplicates.append({"id": f"d{n}", "cluster": "c" if copy else None, "kept_id": copy and copy[1],
                           "kind": copy and copy[0], "similarity": 0.9 if copy else None, "cluster_size": 2 if copy else None})
    return tuple(pa.RecordBatch.from_pylist(rows, schema) for rows, schema in (
        (documents, DOCUMENTS), (signals, SIGNALS), (verdicts, VERDICTS), (duplicates, DUPLICATES)))


MIXED = world(
    ("plain text", [], [], None),
    ("write to a@b.example", [finding("EMAIL", 9, 20)], [], None),
    ("thin", [], [("word_count", 1.0, 50.0), ("mean_word_length", 2.25, 3.0)], ("near", "d0")),
    ("plain text", [], [], ("exact", "d0")),
    (LONG, [finding("PHONE", 28, 38)], [], None),
    ("8.8.8.8 9.9.9.9", [finding("IP", 0, 7), finding("IP", 8, 15)], [], None),
    ("plain texts", [], [], ("near", "d0")),
    ("spam", [], [("spam", None, None)], None))
POLICY = PersonalDataPolicy({"IP": KindPolicy(drop_above=1)})


def test_texts_are_edited_cut_and_carried_in_order():
    curated, _ = curate_batch(*MIXED, CurateSettings(256), POLICY)
    assert curated.schema.equals(CURATED) and curated.schema.names[:8] == [
        "text", "id", "dump", "url", "date", "file_path", "language", "language_score"]
    rows = curated.to_pylist()
    assert [(row["id"], row["piece"], row["pieces"]) for row in rows] == [("d0", 0, 1), ("d1", 0, 1), ("d4", 0, 2), ("d4", 1, 2)]
    assert rows[0] == {
        "text": "plain text", "id": "d0", "dump": "crawl", "url": "https://h.example/0", "date": "2024-03-01T00:00:00Z",
        "file_path": "crawl/a.warc.gz", "language": "en", "language_score": 0.5, "piece": 0, "pieces": 1, "start": 0, "end": 10,
        "source": "crawl", "edits": [], "evaluation_items": [], "cluster_size": None, "extra": None,
        "turns": None, "pair": None, "preferred": None}
    assert (rows[1]["text"], rows[1]["dump"], rows[1]["edits"]) == (
        "write to <EMAIL>", "CC-MAIN-2024-10", [finding("EMAIL", 9, 20)])
    first, second = rows[2], rows[3]
    assert (first["start"], second["end"]) == (0, len(LONG)) and first["end"] == second["start"]
    assert first["text"] + second["text"] == LONG[:28] + "<PHONE>" + LONG[38:]
    assert first["edits"] == [finding("PHONE", 28, 38)] and second["edits"] == []


def test_every_other_document_has_one_rejection_with_its_reason():
    curated, rejected = curate_batch(*MIXED, CurateSettings(256), POLICY, threshold=0.8)
    assert rejected.schema.equals(REJECTED)
    assert [tuple(row[name] for name in ("id", "rule", "value", "bound", "detail")) for row in rejected.to_pylist()] == [
        ("d2", "word_count", "1", "50", "mean_word_length"),
        ("d3", "duplicate_exact", "d0", None, "cluster c"),
        ("d5", "personal_data", "IP 2", "1", None),
        ("d6", "duplicate_near", "d0", "0.8", "cluster c"),
        ("d7", "spam", None, None, None)]
    assert rejected.to_pylist()[0] | {"rule": "", "value": "", "bound": "", "detail": ""} == {
        "file": "crawl/a.warc.gz", "offset": 200, "length": 100, "record_id": "r2", "url": "https://h.example/2", "id": "d2",
        "outcome": "rejected", "rule": "", "value": "", "bound": "", "detail": ""}
    assert len(set(curated.column("id").to_pylist())) + rejected.num_rows == MIXED[0].num_rows


def test_slices_give_the_same_rows_as_the_whole():
    whole = [pa.Table.from_batches([batch]) for batch in curate_batch(*MIXED, CurateSettings(256), POLICY)]
    halves = [curate_batch(*(batch.slice(start, 4) for batch in MIXED), CurateSettings(256), POLICY) for start in (0, 4)]
    for table, parts in zip(whole, zip(*halves, strict=True), strict=True):
        assert pa.Table.from_batches(parts).equals(table)


def test_nothing_removed_is_stored_in_either_output():
    for batch in curate_batch(*MIXED, CurateSettings(256), POLICY):
        assert "a@b.example" not in str(batch.to_pylist()) and "8.8.8.8" not in str(batch.to_pylist())


def test_an_empty_batch_gives_empty_batches_of_the_right_schema():
    curated, rejected = curate_batch(*(batch.slice(0, 0) for batch in MIXED), CurateSettings(), POLICY)
    assert (curated.num_rows, rejected.num_rows) == (0, 0)
    assert curated.schema.equals(CURATED) and rejected.schema.equals(REJECTED)


def test_batches_that_are_not_aligned_are_refused():
    documents, signals, verdicts, duplicates = MIXED
    with pytest.raises(ValueError, match="verdicts and documents are not aligned"):
        curate_batch(documents, signals, verdicts.slice(1), duplicates, CurateSettings(), POLICY)


def test_a_document_not_kept_without_a_rule_is_an_error():
    documents, signals, verdicts, duplicates = world(("x", [], [("spam", 1.0, 0.0)], None))
    verdicts = verdicts.set_column(2, VERDICTS.field("broken"), pa.array([[]], VERDICTS.field("broken").type))
    with pytest.raises(ValueError, match="broken no rule"):
        curate_batch(documents, signals, verdicts, duplicates, CurateSettings(), POLICY)


def test_a_piece_too_short_for_sentences_is_refused():
    with pytest.raises(SettingsError, match="max_piece_bytes is 10"):
        parse(CurateSettings, {"max_piece_bytes": 10}, "settings.yaml: curate")


def places(*texts):
    ends = [sum(len(one) + 2 for one in texts[:n + 1]) - 2 for n in range(len(texts))]
    return [{"role": ("user", "assistant")[n % 2], "start": end - len(text), "end": end} for n, (text, end) in enumerate(zip(texts, ends, strict=True))]


def of_turns(*texts, findings=()):
    """A world of one dialogue, chosen of a pair."""
    documents, *others = world(("\n\n".join(texts), list(findings), [], None))
    (row,) = documents.to_pylist()
    return pa.RecordBatch.from_pylist([row | {"turns": places(*texts), "pair": "p", "preferred": True}], DOCUMENTS), *others


def spoken(row):
    return [(turn["role"], row["text"][turn["start"]:turn["end"]]) for turn in row["turns"]]


def test_edits_move_the_turns_of_a_dialogue():
    curated, _ = curate_batch(*of_turns("write to a@b.example or", "| a | b |\n| | |\n8.8.8.8", "no", findings=[finding("EMAIL", 9, 20), finding("IP", 41, 48)]),
                              CurateSettings(), PersonalDataPolicy())
    (row,) = curated.to_pylist()
    assert spoken(row) == [("user", "write to <EMAIL> or"), ("assistant", "| a | b |\n<IP>"), ("user", "no")]
    assert row["text"] == "\n\n".join(text for _, text in spoken(row)) and (row["pair"], row["preferred"]) == ("p", True)
    curated, _ = curate_batch(*of_turns("plain", "text"), CurateSettings(), PersonalDataPolicy())
    assert curated["turns"].to_pylist() == [places("plain", "text")]


@pytest.mark.parametrize(("action", "expected"), [
    ("replace", [("user", "call <PHONE>"), ("assistant", " now")]), ("tag", [("user", "call 030 23"), ("assistant", "125 014 now")])])
def test_what_replaces_a_stretch_of_two_turns_belongs_to_the_first(action, expected):
    curated, _ = curate_batch(*of_turns("call 030 23", "125 014 now", findings=[finding("PHONE", 5, 20)]), CurateSettings(),
                              PersonalDataPolicy({"PHONE": KindPolicy(action)}))
    assert spoken(curated.to_pylist()[0]) == expected


def test_a_dialogue_is_one_piece_however_long():
    curated, _ = curate_batch(*of_turns("why " * 200, "so " * 900, findings=[finding("IP", 0, 3)]), CurateSettings(256), PersonalDataPolicy())
    (row,) = curated.to_pylist()
    assert (row["piece"], row["pieces"]) == (0, 1) and spoken(row) == [("user", "<IP> " + "why " * 199), ("assistant", "so " * 900)]


SCRAPS = st.sampled_from((
    "anna@mail.harbour.example", "tel. 030 23125 014", "+49 171 3920 065", "8.8.8.8", "4111 1111 1111 1111", "DE58 1234 5678 0123 4567 89",
    "ISBN 978-3-16-148410-0", "| | |\n", "| a | b |\n", "|---|---|\n", "漢字。", "e\u0301", "👩\u200d🔬", "नमस्ते। ", "مرحبا؟ ", " ", "\n", "\n\n",
    "A sentence. ", "word ", "x" * 40))
ACTIONS = st.dictionaries(st.sampled_from(("EMAIL", "PHONE", "IP", "CREDIT_CARD", "IBAN")),
                          st.builds(KindPolicy, st.sampled_from(("replace", "tag", "keep"))))


@given(st.lists(SCRAPS, max_size=60).map("".join), ACTIONS, st.booleans(), st.integers(256, 400))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_recorded_edits_on_the_stored_text_give_the_pieces_byte_for_byte(text, actions, clean, max_bytes):
    found, = find_personal_data([text], ["de"], [None])
    batches = world((text, [finding(*one) for one in found], [], None))
    curated, rejected = curate_batch(*batches, CurateSettings(max_bytes, clean), PersonalDataPolicy(actions))
    rows = curated.to_pylist()
    assert rejected.num_rows == 0 and [row["piece"] for row in rows] == list(range(len(rows))) and {row["pieces"] for row in rows} == {len(rows)}
    assert [row["start"] for row in rows] == [0, *(row["end"] for row in rows[:-1])] and rows[-1]["end"] == len(text)
    edits = [(edit["kind"], edit["start"], edit["end"]) for row in rows for edit in row["edits"]]
    for row in rows:
        inside = [edit for edit in edits if row["start"] <= edit[1] < row["end"]]
        assert row["text"].encode() == apply_edits(text, inside, row["start"], row["end"]).encode()
    whole = "".join(row["text"] for row in rows)
    assert whole == apply_edits(text, edits)
    at = 0                                                 # between edits, nothing has changed
    for (_, _, before), (kind, after, end) in zip([("", 0, 0), *edits], [*edits, ("", len(text), len(text))], strict=True):
        assert whole[at:at + after - before] == text[before:after]
        at += after - before + len(text[after:end] if kind.startswith("tag:") else "" if kind[:1].islower() or not kind else f"<{kind}>")
    replaced = {kind for kind, _, _ in found if actions.get(kind, KindPolicy()).action == "replace"}
    assert replaced == {kind for kind, _, _ in edits if kind.isupper()}
    assert not clean or all(kind == "clean:table" or not kind.startswith("clean") for kind, _, _ in edits)
