"""SQL: it answers over the stored rows, and whatever is asked, nothing is written, read elsewhere, or endless."""

import os
import re
import resource
import time

import pytest

from tests.paths import ROOT
from textmill.pipelines.browse.sql import ROWS, SqlError
from textmill.pipelines.browse.sql_process import Questions


@pytest.fixture(scope="module")
def questions(browsed):
    asked = Questions(browsed.context.data)
    yield asked
    asked.end()


def test_counts_of_every_view(questions, browsed):
    assert questions.ask("SELECT count(*) FROM documents").rows == [[f"{browsed.indexes.snapshot.documents:,}"]]
    assert set(questions.views) == {"documents", "records_rejected", "signals", "verdicts", "duplicates", "curated", "documents_rejected", "tokens"}


def test_the_questions_of_the_documentation(questions):
    """docs/sql.md, word for word."""
    asked = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/sql.md").read_text("utf-8"), re.DOTALL)
    answered = 0
    for sql in asked:
        if "PIVOT" not in sql:
            assert questions.ask(sql).columns, sql
            answered += 1
    assert answered >= 10


@pytest.mark.parametrize("sql", [
    "'; DROP VIEW documents", "DROP VIEW documents", "SELECT 1; DROP VIEW documents", "CREATE TABLE a AS SELECT 1", "DELETE FROM documents",
    "COPY (SELECT 1) TO '{folder}/owned.csv'", "COPY documents TO '{part}'", "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/owned.csv'",
    "EXPORT DATABASE '{folder}'", "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')", "SELECT * FROM glob('/etc/*')", "SELECT * FROM parquet_metadata('/etc/passwd')", "SELECT getenv('HOME')",
    "SELECT * FROM read_parquet('https://a.example/x.parquet')", "INSTALL httpfs", "LOAD httpfs", "ATTACH '{folder}/x.db'", "SET enable_external_access = true",
    "SET memory_limit = '99GB'", "RESET lock_configuration", "PRAGMA enable_profiling", "CALL enable_logging()", "SELECT * FROM questions", "SELECT nothing FROM documents",
    "SELECT", "", "   ", "-- nothing", "\0", "SELECT " + "(" * 20_000, "VACUUM", "CHECKPOINT", "PREPARE a AS SELECT 1", "USE memory"])
def test_what_is_refused_is_a_sentence(questions, browsed, tmp_path, sql):
    data = browsed.context.data
    part = f"{data.uri}/signals/{browsed.indexes.snapshot.manifests['signals'].parts[0].path}"
    before = os.stat(part).st_mtime_ns, os.path.getsize(part)
    with pytest.raises(SqlError) as refused:
        questions.ask(sql.replace("{folder}", str(tmp_path)).replace("{part}", part), 5)
    assert str(refused.value) and "\n" not in str(refused.value) and "passwd:" not in str(refused.value)
    assert list(tmp_path.iterdir()) == [] and (os.stat(part).st_mtime_ns, os.path.getsize(part)) == before
    assert questions.ask("SELECT 1").rows == [["1"]]


@pytest.mark.parametrize("sql", [
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT sum(n) FROM t", "SELECT count(*) FROM range(100000000000) a, range(1000000) b",
    "SELECT list(range) FROM range(10000000000)", "SELECT repeat('x', 4000000000)", "SELECT length(repeat(repeat('x', 1000000), 100000))",
    "SELECT regexp_matches(repeat('a', 50000000), '(a*)*b')"])
def test_what_is_endless_or_too_large_is_stopped(questions, sql):
    """Hard caps far above: two seconds and their grace, and what the page itself takes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.monotonic()
    try:
        questions.ask(sql, 2)
    except SqlError as refused:
        assert re.search("was stopped|memory|Memory|maximum supported", str(refused)), refused
    assert time.monotonic() - begin < 60 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    assert questions.ask("SELECT 1").rows == [["1"]]


def test_a_thousand_rows_and_no_personal_data(questions):
    answer = questions.ask("SELECT * FROM range(5000)")
    assert len(answer.rows) == ROWS and answer.more
    texts = questions.ask("SELECT text, regexp_extract(text, '.{0,40}@.{0,20}') FROM documents WHERE text LIKE '%@%.example%'").rows
    assert texts and "<EMAIL>" in str(texts) and not re.search(r"[\w.]+@[\w.]+\.example", str(texts))
