"""The contract on other engines and another filesystem: two small stages, the same bytes everywhere."""

import contextlib

import pytest
from pyarrow import fs

from pipelines.engine import Engine
from pipelines.run import bring_up_to_date
from pipelines.stage import Place
from pipelines.storage import Folder, StageError
from tests import servers
from tests.small_stages import NUMBERS, SQUARES, Small, place
from tests.test_stage import LINES, files


def run_both(here: Place) -> None:
    for stage in (NUMBERS, SQUARES):
        bring_up_to_date(stage, here)


@pytest.mark.parametrize("service", ["job_service", "prism"])
def test_a_portable_engine_with_an_external_worker_pool_gives_the_same_bytes(tmp_path, service):
    if service == "prism" and not servers.PRISM:
        pytest.skip("no prism here; `make prism` builds it (needs Go)")
    run_both(place(tmp_path / "local", lines=LINES))
    with getattr(servers, service)(tmp_path) as jobs, servers.worker_pool(tmp_path) as pool:
        engine = Engine("PortableRunner", 1, jobs, pool)
        assert list(engine.problems()) == []
        run_both(Place(Folder(str(tmp_path / "portable")), Small(lines=LINES), engine))
        with pytest.raises(StageError, match=r"^no space left on the disk of here; free some$"):
            run_both(Place(Folder(str(tmp_path / "full")), Small(lines=LINES, full_disk_at="b"), engine))
    assert files(tmp_path / "portable") == files(tmp_path / "local")


def test_an_object_store_gives_the_same_bytes(tmp_path, monkeypatch):
    run_both(place(tmp_path / "local", lines=LINES))
    with contextlib.ExitStack() as stack:
        for name, value in stack.enter_context(servers.s3(tmp_path)).items():
            monkeypatch.setenv(name, value)
        remote = Place(Folder("s3://mill/data"), Small(lines=LINES), Engine(workers=2))
        run_both(remote)
        got = {e.path: remote.data.read(e.path) for e in remote.data.entries() if not e.path.endswith("_run.json")}
        remote.data.write("x.gz", b"not compressed again")
        assert remote.data.read("x.gz") == b"not compressed again"
        assert bring_up_to_date(SQUARES, remote) == "squares: up to date, 5 kept in 4 parts"
    assert got == files(tmp_path / "local")


def test_an_unknown_filesystem_is_a_sentence():
    with pytest.raises(StageError, match=r"ftp://host/x: no filesystem is known for ftp://"):
        Folder("ftp://host/x").entries()
    assert isinstance(Folder("/tmp")._place[0], fs.LocalFileSystem)
