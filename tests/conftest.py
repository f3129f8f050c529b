"""The sample crawl, run once through all data stages, for every test that only looks."""

import pytest

from tests.command_line import put_sample, run_all

SLOW = ("test_crash", "test_flow_elsewhere", "test_same_bytes", "test_recipes")


def pytest_collection_modifyitems(items):
    """The slow ones first: what runs last should not be what takes longest."""
    items.sort(key=lambda item: not item.module.__name__.endswith(SLOW))


@pytest.fixture(scope="session")
def milled(tmp_path_factory):
    """(data folder, summary lines by stage) of a finished run: one worker, small parts, four passes of dedup."""
    data = put_sample(tmp_path_factory.mktemp("milled"))
    said = run_all(data)
    return data, {line.split(":")[0]: line for line in said}


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A test on bytes is named by its parameter: what compressors write holds the time, and pytest-xdist wants equal names."""
    return argname if isinstance(val, bytes) else None
