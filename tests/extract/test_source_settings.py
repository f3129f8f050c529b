"""source.yaml: columns that a source names, what holds for all of it, and what is wrong with either."""

import json

import pytest

from tests.command_line import refused, table
from textmill.cli import main
from textmill.pipelines.extract.source_settings import SourceSettings


def put(tmp_path, source_yaml: str, **files: str):
    folder = tmp_path / "raw/mine"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.yaml").write_text(source_yaml)
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)
    return tmp_path


ROWS = [{"body": "Words of the mill.", "link": "https://a.example/1", "when": "2021-05-06", "rights": "CC-BY-4.0", "head": "One", "key": "k1",
         "text": "teaser", "prompt": "p", "response": "r"}, {"body": "More words of it.", "rights": "", "text": "teaser"}]
ALL = """columns: {text: body, url: link, date: when, license: rights, title: head, id: key}
license: https://creativecommons.org/publicdomain/zero/1.0/
language: en
date: 2020-01-01
"""


def extract(data) -> list[dict]:
    assert main(["extract", "--data", str(data), "--workers", "1"]) == 0
    return table(data, "documents").to_pylist()


def test_the_columns_and_the_rest_that_a_source_names(tmp_path, capsys):
    data = put(tmp_path, ALL, a_jsonl="".join(json.dumps(row) + "\n" for row in ROWS), b_html="<p>A page of the mill, which is old and by the river.</p>")
    rows = {row["text"]: [row[name] for name in ("url", "date", "title", "record_id", "license", "license_from", "declared_language", "extra")]
            for row in extract(data)}
    assert rows["Words of the mill."] == ["https://a.example/1", "2021-05-06T00:00:00Z", "One", "k1", "CC-BY-4.0", "column", "en",
                                          '{"head":"One","key":"k1","link":"https://a.example/1","prompt":"p","response":"r","rights":"CC-BY-4.0",'
                                          '"text":"teaser","when":"2021-05-06"}']
    zero = "https://creativecommons.org/publicdomain/zero/1.0/"
    assert rows["More words of it."] == [None, "2020-01-01T00:00:00Z", None, None, zero, "source", "en", '{"rights":"","text":"teaser"}']
    assert rows["A page of the mill, which is old and by the river."][1:] == ["2020-01-01T00:00:00Z", None, None, zero, "source", "en", None]


def test_a_change_redoes_that_source_alone(tmp_path, capsys):
    data = put(tmp_path, "language: en\n", a_txt="Words of the mill.")
    (tmp_path / "raw/other").mkdir()
    (tmp_path / "raw/other/b.txt").write_text("Other words.")
    assert {row["declared_language"] for row in extract(data)} == {"en", None}
    capsys.readouterr()
    put(tmp_path, "language: de\n")
    assert {row["declared_language"] for row in extract(data)} == {"de", None}
    assert "(1 built, 1 reused)" in capsys.readouterr().out


@pytest.mark.parametrize(("source_yaml", "said"), [
    ("columns: {text: bodi}\n", "raw/mine/source.yaml: columns.text: no row of the source has 'bodi'; did you mean 'body'?"),
    ("columns: {url: meta.lnk}\n", "raw/mine/source.yaml: columns.url: no row of the source has 'meta.lnk'; did you mean 'meta.link'?"),
    ("column: {text: body}\n", "raw/mine/source.yaml: unknown key 'column'; did you mean 'columns'?"),
    ("columns: {txt: body}\n", "raw/mine/source.yaml.columns: unknown key 'txt'; did you mean 'text'?"),
    ("date: soon\n", "raw/mine/source.yaml: date is 'soon'; give one such as 2024-01-31"),
    ("license: ' '\n", "raw/mine/source.yaml: license is empty; give it, or take the key out"),
    ("[1\n", "raw/mine/source.yaml: not valid YAML")])
def test_what_is_wrong_is_a_sentence_before_anything_is_read(tmp_path, capsys, source_yaml, said):
    data = put(tmp_path, source_yaml, a_json=json.dumps([{"body": "Words.", "meta": {"link": "x"}}]))
    assert said in refused(capsys, "extract", "--data", str(data), "--workers", "1")
    assert not (tmp_path / "documents").exists() or not list((tmp_path / "documents").glob("*.parquet"))


def test_a_source_without_tables_has_no_columns(tmp_path, capsys):
    data = put(tmp_path, "columns: {text: body}\n", a_txt="Words.")
    assert "names columns, but the source has no table with rows" in refused(capsys, "extract", "--data", str(data), "--workers", "1")


def test_a_named_text_is_the_text():
    assert SourceSettings().recognised["url"][0] == "url"
