"""The documentation inside Python as raw text: parsed, never run; written only when it changed."""

import json

from tests.command_line import refused
from textmill.cli import main
from textmill.pipelines.demo.python_docs import import_docs

LIBRARY = {
    "pydoc_data/topics.py": "topics = {'b': 'About ' 'b\\n', 'a': 'About a'}\n",
    "mill.py": '"""Grinds."""\nraise SystemExit("was run")\nclass Stone:\n    """Turns."""\n    def turn(self, times=1):\n        """Turn it."""\n',
    "corn/__init__.py": 'async def grow():\n    """Grow."""\n',
    "bare.py": "x = 1\n", "broken.py": "def (\n",
    "test/mill.py": '"""A test."""', "corn/tests/x.py": '"""A test."""', "site-packages/y.py": '"""Not ours."""',
}


def library(tmp_path):
    for name, content in LIBRARY.items():
        (tmp_path / "lib" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lib" / name).write_text(content)
    return tmp_path / "lib"


def test_topics_then_modules_by_name_each_a_document(tmp_path):
    said = import_docs(library(tmp_path), tmp_path / "raw")
    assert "4 documents" in said
    rows = [json.loads(line) for line in (tmp_path / "raw/python-docs.jsonl").read_text("utf-8").splitlines()]
    assert rows == [
        {"id": "python-docs:topic:a", "title": "a", "text": "About a"},
        {"id": "python-docs:topic:b", "title": "b", "text": "About b"},
        {"id": "python-docs:module:corn", "title": "corn", "text": "corn.grow()\n\nGrow."},
        {"id": "python-docs:module:mill", "title": "mill",
         "text": "mill\n\nGrinds.\n\nmill.Stone\n\nTurns.\n\nmill.Stone.turn(self, times=1)\n\nTurn it."}]


def test_an_unchanged_file_is_left_alone_and_a_changed_one_replaced(tmp_path):
    lib, path = library(tmp_path), tmp_path / "raw/python-docs.jsonl"
    import_docs(lib, tmp_path / "raw")
    before = path.stat()
    assert import_docs(lib, tmp_path / "raw").endswith("(unchanged)")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    (lib / "bare.py").write_text('"""Now documented."""')
    assert "5 documents" in import_docs(lib, tmp_path / "raw")
    assert [p.name for p in path.parent.iterdir()] == ["python-docs.jsonl"]


def test_an_interpreter_without_sources_gives_a_notice(tmp_path):
    assert import_docs(tmp_path / "nothing", tmp_path / "raw").startswith("notice: Python")
    assert not (tmp_path / "raw").exists()


def test_the_command_imports_this_python_and_says_where_it_cannot_write(tmp_path, capsys):
    assert main(["python-docs", "--to", str(tmp_path / "raw")]) == 0 and "documents" in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(capsys, "python-docs", "--to", str(tmp_path / "file"))
