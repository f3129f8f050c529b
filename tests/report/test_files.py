"""The report's files: the page's figures as JSON, Markdown and CSV, each with its columns explained, no text that acts."""

import csv
import io
import json
import re

import pytest

from tests.paths import ROOT
from tests.report.test_report import MIXTURE, A, C, world
from textmill.pipelines.contract.parts import Manifest, read_counts
from textmill.pipelines.report import bounds, examples, files, groups, provenance
from textmill.pipelines.report.contents import gather
from textmill.pipelines.report.dataset import open_datasets
from textmill.pipelines.report.page import publish
from textmill.pipelines.report.tables import Column, table


@pytest.fixture
def data(tmp_path):
    return world(tmp_path)


def test_every_table_is_the_same_in_json_csv_and_on_the_page(data):
    publish(data, MIXTURE)
    report, page = json.loads(data.read("report/report.json")), data.read("report/index.html").decode()
    contents = gather(data, MIXTURE)
    assert list(report["tables"]) == [one.name for one in contents.tables()] and len(report["tables"]) > 25
    for one in contents.tables():
        stored = report["tables"][one.name]
        names = [column["name"] for column in stored["columns"]]
        assert all(column["meaning"] for column in stored["columns"]) and stored["row"], one.name
        assert [list(row.values()) for row in stored["rows"]] == [list(row) for row in one.rows]
        header, *rows = csv.reader(io.StringIO(data.read(f"report/tables/{one.name}.csv").decode()))
        assert header == names == [column.name for column in one.columns] and len(rows) == len(one.rows)
        assert not one.rows or f'href="tables/{one.name}.csv"' in page
    assert report["tables"]["languages"]["rows"][0] == {
        "language": "en", "documents": 4, "page_bytes": None, "text_bytes": None, "words": 263, "passed": 3, "kept": 1,
        "keep_rate": 0.25, "tokens": 100, "bytes_per_token": 3.0}
    assert "25.0 %" in page and "| en | 4 | 263 | 3 | 1 | 25.0 % | 100 | 3 |" in data.read("report/report.md").decode()


def test_the_same_datasets_give_the_same_files_and_older_tables_go(tmp_path):
    one, two = (world(tmp_path / name) for name in ("one", "two"))
    two.write("report/tables/of_old.csv", b"")
    for data in (one, two):
        publish(data, MIXTURE)
    read = [{entry.path: data.read(f"report/{entry.path}") for entry in (data / "report").entries()} for data in (one, two)]
    assert read[0] == read[1] and {"index.html", "report.json", "report.md", "tables/rules.csv"} <= read[0].keys()


def test_hostile_cells_stay_text():
    hostile = table("t", "T", "a row", [Column("a", "a"), Column("n", "n", "number")], [
        ("=HYPERLINK(1)", 0.5), ("<script>|a_b\n`c`", None), ("a,\"b\"\u202e\x07", 3), ("-1", -1.0)])
    assert files.to_csv(hostile) == "a,n\n'=HYPERLINK(1),0.5\n<script>|a_b\n`c`,\n".replace("<script>|a_b\n`c`", '"<script>|a_b\n`c`"') + '"a,""b""",3\n\'-1,-1.0\n'
    assert files.to_markdown([hostile], provenance.provenance(no_datasets(), MIXTURE), []).count(r"\<script\>\|a\_b \`c\`") == 1


def no_datasets():
    from textmill.pipelines.contract.storage import Folder
    from textmill.pipelines.report.dataset import Datasets
    return Datasets(*[None] * 8, run=Folder("none"))


def test_the_documentation_explains_every_column(data):
    documented = [line for line in (ROOT / "docs/report.md").read_text("utf-8").splitlines() if re.match(r"\| `\w+` \| `\w+` \|", line)]
    assert documented == [f"| `{one.name}` | `{column.name}` | {column.kind} | {column.meaning} |"
                          for one in gather(data, MIXTURE).tables() for column in one.columns]


def test_provenance_has_no_clock_and_names_the_corpus(data, tmp_path):
    of = provenance.provenance(open_datasets(data, MIXTURE), MIXTURE)
    assert (of.first, of.last, of.dated, of.banding, of.recall) == (None, None, 0, None, [])
    assert of.rules == provenance.digest(Manifest.read(data / "verdicts").made_from["settings"])
    assert [stage for stage, *_ in of.stages] == ["extract", "measure", "screen", "dedup", "curate", "tokenizer", "tokenize", "pack"]
    assert of.citation == f"tiny: a corpus made with textmill {of.version}; corpus sha256:{of.corpus[:16]}; rules sha256:{of.rules[:16]}."
    assert of.bibtex.startswith("@misc{tiny,\n  title = {{tiny}: a corpus made with textmill},\n  version = ")
    assert provenance.digest({"b": 1, "a": [1.5]}) == provenance.digest({"a": [1.5], "b": 1})


def test_the_banding_comes_with_its_recall():
    assert provenance._banding({"bands": None, "rows": None, "threshold": 0.8, "recall": 0.99}) == (20, 6)
    assert provenance._banding({"bands": 14, "rows": 8, "threshold": 0.8, "recall": 0.99}) == (14, 8)


def test_a_milled_corpus_says_when_it_was_captured_and_what_the_banding_finds(milled):
    from textmill.pipelines.contract.storage import Folder
    from textmill.pipelines.pack.mixture import read_mixture
    folder, _ = milled
    mixture = read_mixture(ROOT / "tests/mixture.yaml")
    data = Folder(str(folder))
    datasets = open_datasets(data, mixture)
    of = provenance.provenance(datasets, mixture)
    assert of.first[:7] == of.last[:7] == "2026-01" and of.first < of.last and of.dated > 100
    assert {round(level, 2): round(found, 3) for level, found in of.recall} == {0.7: 0.918, 0.8: 0.998, 0.9: 1.0}
    assert {library for library, _, _ in of.libraries} >= {"trafilatura", "numpy", "pyarrow"}
    (first, *_) = pages = examples.extractions(data, datasets)
    assert len(pages) == examples.PAGES and any(line.kept for line in first.visible) and not all(line.kept for line in first.visible)
    kinds = {one.kind: one for one in examples.redactions(datasets.curated)}
    assert "EMAIL" in kinds and examples.BAR not in kinds["EMAIL"].after and "<EMAIL>" in kinds["EMAIL"].after
    near = bounds.near_bounds(datasets.documents, datasets.signals, datasets.verdicts)
    words = [(one.broken, one.value, one.bound) for one in near if one.rule == "word_count" and one.bound == 50]
    assert words and all((value < bound) == broken for broken, value, bound in words)
    assert "@" not in "".join(re.findall(r"\S+@\S+\.\w+", " ".join(one.text for one in near)))


def test_a_funnel_of_each_source_and_language_balances(data):
    funnels = groups.group_funnels(open_datasets(data, MIXTURE))
    assert funnels == [
        groups.GroupFunnel("crawl", "en", 4, 1, 2, 0, 1, (("nearly the same text", 1), ("same text", 1), ("word_count", 1))),
        groups.GroupFunnel("crawl", "de", 1, 0, 0, 0, 1, ()), groups.GroupFunnel("wiki", "fr", 1, 0, 0, 1, 0, ()),
        groups.GroupFunnel("wiki", "und", 1, 1, 0, 0, 0, (("word_count", 1),))]
    assert all(one.documents == one.broke + one.copies + one.curated + one.kept for one in funnels)
    (crawl, wiki) = groups.merged(funnels, "source")
    assert (crawl.source, crawl.documents, crawl.kept, crawl.reasons[-1]) == ("crawl", 5, 2, ("word_count", 1)) and wiki.keep_rate == 0
    only = groups.funnel_table(funnels).only("source", "wiki")
    assert only.values("language") == ["fr", "und"] and "source" not in [column.name for column in only.shown]


def test_documents_near_a_bound_are_the_nearest_on_either_side(data):
    found = open_datasets(data, MIXTURE)
    near = bounds.near_bounds(found.documents, found.signals, found.verdicts)
    assert [(one.broken, one.value, one.kept, one.text) for one in near if one.rule == "word_count"] == [
        (False, 60.0, True, "text 3"), (False, 70.0, True, "text 5"), (True, 3.0, False, "text 2"), (True, 3.0, False, "text 6")]
    # German has no bound of link density; of the flag noindex there is nothing near.
    links = [(one.broken, one.value) for one in near if one.rule == "link_density"]
    assert links == [(False, 0.6), (False, 0.1), (True, 0.9), (True, 0.9)] and {one.rule for one in near} == {"word_count", "link_density", "stop_words"}


def test_no_text_is_shown_of_what_was_taken_down_or_is_reserved(tmp_path):
    from tests.report.test_report import IDS, RULES, SIGNALS, VERDICTS, in_parts, put
    data = world(tmp_path)
    taken = [{"id": i, "kept": i not in (A, C), "broken": [{"rule": "takedown", "value": 1.0, "bound": 0.0}] if i == A else []} for i in IDS]
    put(data, "verdicts", "screen", in_parts(VERDICTS, taken), read_counts(data / "verdicts"), RULES)
    put(data, "signals", "measure", in_parts(SIGNALS, [
        {"id": i, "language": "en", "word_count": 60, "tdm_reservation": float(n == 1)} for n, i in enumerate(IDS)]),
        read_counts(data / "signals"))
    found = open_datasets(data, MIXTURE)
    shown = {one.text for one in bounds.near_bounds(found.documents, found.signals, found.verdicts)}
    assert shown == {"text 2", "text 3"}


def test_personal_data_across_the_end_of_an_excerpt_is_not_shown_in_part():
    from textmill.pipelines.report.samples import CHARACTERS, LOOKED_AT, excerpt
    for before in range(CHARACTERS - 30, CHARACTERS + 5):
        assert "anna" not in excerpt("x" * (before - 1) + " anna.maria@mail.example.de and more")
    mails = " ".join(f"anna{n}.maria.of.the.mill@mail.somewhere.example.de" for n in range(100))
    assert "anna" not in excerpt(mails) and len(mails) > LOOKED_AT


def test_what_a_redaction_removed_is_drawn_as_one_bar():
    (seen,) = examples._redacted("EMAIL", A, "Ask\n  <EMAIL>, or <PHONE> of " + "the mill " * 30)
    assert seen.before[0] == "Ask " and seen.before[1].startswith(f", or {examples.BAR} of the mill")
    assert seen.after.startswith("Ask <EMAIL>, or <PHONE> of the mill") and seen.after.endswith("…")


HTML = """<html><head><title>t</title></head><body><nav><a href=/>Home of the mill</a></nav>
<p>The miller grinds the corn of the village. <script>alert(1)</script></p><footer>Write to anna@mail.example.de</footer></body></html>"""


def extraction(data, row):
    from textmill.pipelines.extract.pages.reader import Reader
    from textmill.pipelines.extract.settings import ExtractSettings
    from textmill.pipelines.extract.stored_record import READ_VISIBLE
    settings = ExtractSettings()
    with Reader(settings, settings.max_page_seconds, settings.max_page_memory_mb, READ_VISIBLE) as reader:
        return examples._extraction(data, A, "en", row, settings, reader)


def test_a_page_beside_its_text_is_read_from_warc_and_html_files(tmp_path):
    from textmill.pipelines.contract.storage import Folder
    from textmill.pipelines.extract.files.codings import payload_digest
    data = Folder(str(tmp_path))
    data.write("raw/web/page.html", HTML.encode())
    response = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{HTML}".encode()
    record = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n" % (len(response), response)
    data.write("raw/web/two.warc", record * 2)
    row = {"text": "The miller grinds the corn of the village.", "host": None, "url": None, "source": "web", "payload_digest": payload_digest(HTML.encode())}
    for path, offset in (("web/page.html", 0), ("web/two.warc", len(record))):
        seen = extraction(data, row | {"file": path, "offset": offset})
        assert [(line.text, line.kept) for line in seen.visible] == [
            ("Home of the mill", False), ("The miller grinds the corn of the village.", True), ("Write to <EMAIL>", False)]
    assert all(extraction(data, row | {"file": path, "offset": 0}) is None for path in ("web/gone.html", "web/rows.jsonl", "https://mill.example/a.html"))


def test_runs_of_one_figure_are_drawn_over_each_other_and_lives_are_linked(data):
    for name, state in (("tiny", None), ("longer", {"blocks": "d"}), ("dpo", {"comparisons": "d"})):
        log = [{"step": 0, "validation": 8.0, "entries": {}}, {"step": 1, "loss": 5.0}, {"step": 2, "validation": 6.5, "entries": {}}]
        data.write(f"checkpoints/{name}/log.jsonl", "".join(json.dumps(line) + "\n" for line in log).encode())
        if state:
            data.write(f"checkpoints/{name}/step-00000002/state.json", json.dumps(state).encode())
    data.write("checkpoints/broken/log.jsonl", b"{")
    data.write("assistant/life/life.html", b"<html>")
    contents = gather(data, MIXTURE)
    assert [(run.name, run.figure) for run in contents.runs] == [
        ("tiny", "bits per byte"), ("dpo", "share of pairs ranked right"), ("longer", "bits per byte")]
    publish(data, MIXTURE)
    page = data.read("report/index.html").decode()
    assert '<a href="../assistant/life/life.html">assistant/life/life.html</a>' in page
    assert page.count('aria-label="bits per byte by step, one line a run"') == 1 and "Runs over each other" in page
    rows = list(csv.DictReader(io.StringIO(data.read("report/tables/curves.csv").decode())))
    assert {row["run"] for row in rows} == {"tiny", "longer", "dpo"} and len(rows) == 9


def test_a_raw_file_that_has_changed_is_passed_over(tmp_path):
    from textmill.pipelines.contract.storage import Folder
    from textmill.pipelines.extract.files.codings import payload_digest
    data = Folder(str(tmp_path))
    data.write("raw/web/page.html", HTML.encode())
    row = {"text": "corn", "host": None, "url": None, "file": "web/page.html", "offset": 0, "source": "web", "payload_digest": payload_digest(HTML.encode())}
    assert extraction(data, row)
    data.write("raw/web/page.html", HTML.replace("corn", "gold").encode())
    assert extraction(data, row) is None
    for content in (b"", b"\x1f\x8b\x08damaged", b"WARC/1.0\r\nContent-Length: x\r\n\r\n", b"\xff" * 100):
        data.write("raw/web/page.warc.gz", content)
        assert extraction(data, row | {"file": "web/page.warc.gz"}) is None


def test_a_log_with_what_is_no_number_is_read_without_it(data):
    data.write("checkpoints/tiny/log.jsonl", b'{"step": 0, "validation": 8.0}\n{"step": 1, "loss": NaN}\n{"step": 2, "loss": 4.0}\n')
    (run,) = gather(data, MIXTURE).runs
    assert run.training.loss == ((2.0, 4.0),) and run.training.validation == ((0, 8.0),) and run.training.entries == ()
    publish(data, MIXTURE)
    json.loads(data.read("report/report.json"), parse_constant=pytest.fail)
