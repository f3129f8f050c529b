"""The house in figures: rooms, floors, circles, arrows that go up, mains and roots of errors, of any checkout.

    python -m benchmarks.house [FOLDER …]

A room is a folder of Python files, or a file that lies beside such folders in `pipelines/` or `model/`. It
stands one floor above the highest room that it imports from; rooms that import each other in a circle share a floor. An
arrow goes up where it leads into a room of the same circle, other than its own. Imports within functions and for types
count: an import is an import.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("pipelines", "tokenizer", "model", "textmill/base", "textmill/cli", "textmill/api")
HALLS = ("pipelines", "model")
Graph = dict[str, set[str]]


def modules(root: Path) -> dict[str, Path]:
    """Dotted name as the code imports it, without `textmill.`, → file."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            parts = parts[1:] if parts[0] == "textmill" else parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: Iterable[str]) -> set[str]:
    """The modules of the house that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    names = {name.removeprefix("textmill.") for name in names}
    deepest = {name for name in names if name in known}
    return {name for name in deepest if not any(other.startswith(f"{name}.") for other in deepest)}


def room(name: str, path: Path) -> str:
    """The folder that a module lies in, at most one below its package; a file that lies in a hall is a room of its own."""
    parts = name.split(".")
    inside = parts if path.name == "__init__.py" else parts[:-1]
    return name if len(inside) == 1 and inside[0] in HALLS else ".".join(inside[:2])


def circles(graph: Graph) -> list[set[str]]:
    """The strongly connected components of more than one node (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for below in sorted(graph[node]):
            if below not in index:
                visit(below)
            if below in stack:
                low[node] = min(low[node], low[below])
        if low[node] == index[node]:
            cut = stack.index(node)
            found.append(set(stack[cut:]))
            del stack[cut:]

    sys.setrecursionlimit(10_000)
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return [component for component in found if len(component) > 1]


def floors(graph: Graph) -> int:
    """How many floors the rooms stand on."""
    of = {node: frozenset(circle) for circle in circles(graph) for node in circle}
    height: dict[frozenset[str], int] = {}

    def floor(node: str) -> int:
        group = of.get(node, frozenset({node}))
        if group not in height:
            below = {other for member in group for other in graph[member] if other not in group}
            height[group] = 1 + max(map(floor, below), default=0)
        return height[group]

    return max(map(floor, graph), default=0)


def errors(paths: Iterable[Path]) -> set[str]:
    """Classes of errors that derive from one of Python's own."""
    builtin = {"Exception", "ValueError", "RuntimeError", "OSError", "KeyError", "TypeError"}
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    classes = (node for node in nodes if isinstance(node, ast.ClassDef))
    return {node.name for node in classes if any(isinstance(base, ast.Name) and base.id in builtin for base in node.bases)}


def figures(root: Path) -> dict[str, int]:
    """The figures of the checkout at `root`."""
    files = modules(root)
    starts = {name: path for name, path in files.items() if path.name == "__main__.py"}     # nothing imports where it starts
    files = {name: path for name, path in files.items() if name not in starts}
    below = {name: imports(path, files) - {name} for name, path in files.items()}
    of = {name: room(name, path) for name, path in files.items()}
    graph: Graph = defaultdict(set)
    for name, named in below.items():
        graph[of[name]] |= {of[other] for other in named} - {of[name]}
    ring = {node: number for number, circle in enumerate(circles(graph)) for node in circle}
    mains = sum(isinstance(node, ast.FunctionDef) and node.name == "main" for path in (*files.values(), *starts.values())
                for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    return {
        "files": len(files), "rooms": len(graph), "floors": floors(graph),
        "arrows between rooms": sum(map(len, graph.values())),
        "circles of rooms": len(circles(graph)),
        "arrows within circles of rooms": sum(ring.get(one) == ring.get(other, -1) for one in graph for other in graph[one]),
        "circles of files": len(circles(below)), "files in circles": sum(map(len, circles(below))),
        "main() functions": mains, "error classes straight from Python's": len(errors(files.values())),
        "files over 250 lines": sum(len(path.read_text("utf-8").splitlines()) > 250 for path in files.values())}


if __name__ == "__main__":
    columns = {folder: figures(Path(folder)) for folder in sys.argv[1:] or ["."]}
    for figure in next(iter(columns.values())):
        print(f"{figure:40}", *(f"{column[figure]:>8}" for column in columns.values()))
