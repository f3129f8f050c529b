"""Import of the running Python's documentation as raw text: real prose that every machine has.

One document for each topic of `pydoc_data.topics`, and one for each module of the standard library that has
docstrings: its own, then those of its classes and functions in source order, each under its signature. The sources are
parsed, never imported or run. What is written depends on the interpreter's version alone, so nothing pins its hash. An
interpreter that comes without its sources (some embedded and frozen ones) gives a notice, not an error.
"""

import ast
import json
import os
import platform
import warnings
from collections.abc import Iterator
from pathlib import Path

# Not prose, or third-party text that happens to be installed there.
_LEFT_OUT = {"test", "tests", "idlelib", "idle_test", "lib2to3", "turtledemo", "site-packages", "dist-packages",
             "__pycache__", "pydoc_data", "_vendor", "ensurepip", "lib-dynload"}


def import_docs(library: Path, folder: Path) -> str:
    """Write `folder`/python-docs.jsonl from the standard library in `library`; the summary line.

    The file is written atomically; one with the same content is left alone."""
    rows = [*topics(library), *modules(library)]
    python = f"Python {platform.python_version()}"
    if not rows:
        return f"notice: {python} comes without topics and library sources, so there is nothing to import"
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path = folder / "python-docs.jsonl"
    said = f"{path}: {len(rows):,} documents, {len(content) / 1e6:.1f} MB, from {python}"
    if path.exists() and path.read_bytes() == content:
        return f"{said} (unchanged)"
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".python-docs.{os.getpid()}"      # extract reads no hidden files
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return said


def topics(library: Path) -> Iterator[dict[str, str]]:
    """id, title and text of each topic of the language reference, by name; none where the file is missing."""
    tree = _parsed(library / "pydoc_data" / "topics.py")
    for statement in tree.body if tree else []:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "topics":
            found: dict[str, str] = ast.literal_eval(statement.value)
            for name in sorted(found):
                yield {"id": f"python-docs:topic:{name}", "title": name, "text": found[name].strip()}


def modules(library: Path) -> Iterator[dict[str, str]]:
    """id, title and text of each module under `library` that has docstrings, by name."""
    named = {}
    for folder, below, files in os.walk(library):
        below[:] = [name for name in below if name not in _LEFT_OUT and name.isidentifier()]
        for name in files:
            if name.endswith(".py") and name[:-3].isidentifier() and not name.startswith(("test_", "_sysconfigdata")):
                path = Path(folder, name)
                named[".".join(path.relative_to(library).with_suffix("").parts).removesuffix(".__init__")] = path
    for name in sorted(named):
        tree = _parsed(named[name])
        if tree and (text := "\n\n".join(_docstrings(tree, name))):
            yield {"id": f"python-docs:module:{name}", "title": name, "text": text}


def _docstrings(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Iterator[str]:
    """The docstring of `node`, called `name`, then those of what it defines, in source order."""
    if documented := (ast.get_docstring(node) or "").strip():
        arguments = f"({ast.unparse(node.args)})" if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else ""
        yield f"{name}{arguments}\n\n{documented}"
    for below in node.body:
        if isinstance(below, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _docstrings(below, f"{name}.{below.name}")


def _parsed(path: Path) -> ast.Module | None:
    """The syntax tree of a source file; None where there is none or this interpreter cannot parse it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")             # invalid escapes in old sources are not ours to fix
            return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
