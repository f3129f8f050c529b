"""The sample crawl, run once through all data stages, for every test that only looks."""

import os

import pytest

from tests.command_line import put_sample, run_all
from tests.paths import ROOT

# Workers import nothing from the folder they are started in; those of stages that tests define need this one.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

FIRST = ("test_crash", "test_elsewhere", "test_same_bytes", "test_recipes", "test_reader")


def pytest_collection_modifyitems(items):
    """A test that looks at a finished run is a slow one; those that take longest come first, so that none is left at the end."""
    for item in items:
        if "milled" in item.fixturenames:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: not item.module.__name__.endswith(FIRST))


@pytest.fixture(scope="session")
def milled(tmp_path_factory):
    """(data folder, summary lines by stage) of a finished run: one worker, small parts, four passes of dedup."""
    data = put_sample(tmp_path_factory.mktemp("milled"))
    said = run_all(data)
    return data, {line.split(":")[0]: line for line in said}


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A test on bytes is named by its parameter: what compressors write holds the time, and pytest-xdist wants equal names."""
    return argname if isinstance(val, bytes) else None
