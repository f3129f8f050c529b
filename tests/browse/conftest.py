"""The finished run on the sample crawl, in a folder of its own, and the browser's pages over it."""

import shutil

import pytest

from tests.browse.served import browser, client


@pytest.fixture(scope="session")
def browsed(milled, tmp_path_factory):
    data = tmp_path_factory.mktemp("browsed") / "data"
    shutil.copytree(milled[0], data)
    return browser(data)


@pytest.fixture(scope="session")
def pages(browsed):
    return client(browsed)
