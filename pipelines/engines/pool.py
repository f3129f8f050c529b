"""Beam worker pool: a server that starts worker processes on this host for an engine.

Beam has one (`worker_pool_main`). It starts whatever `python` comes first in PATH, and where that one has no textmill its
workers die unnoticed, and the job waits a minute for them; and every job waits for every worker to import everything. Here
the Python that runs the pool imports everything once, and a worker is a fork of it, started within milliseconds.
Workers log to the pool's own output. On SIGTERM the pool stops its workers and exits.
"""

import importlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PRELOADED = ["apache_beam", "apache_beam.runners.worker.sdk_worker", "textmill.pipelines.engines.tasks",
             "textmill.pipelines.engines.preflight"]


def serve(address: str, stages: Sequence[str]) -> None:
    """Answer until SIGTERM. ImportError where workers could not run, OSError where the address is taken.

    `stages` are the modules with the stages' work, imported here once for all forks.
    """
    import grpc
    from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

    for module in stages:
        importlib.import_module(module)         # the fork server imports it too, but would not report a failure
    # The fork server starts as `python -c`, which would look into the working folder before it looks for libraries.
    os.environ["PYTHONSAFEPATH"] = "1"
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload([*PRELOADED, *stages])
    workers: dict[str, Any] = {}

    class Pool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
        def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802  (Beam's name)
            try:
                worker = forks.Process(target=work, args=(request.control_endpoint.url, request.worker_id))
                worker.start()
            except Exception:
                return beam_fn_api_pb2.StartWorkerResponse(error=traceback.format_exc())
            workers[request.worker_id] = worker
            return beam_fn_api_pb2.StartWorkerResponse()

        def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802
            if worker := workers.pop(request.worker_id, None):
                end(worker)
            return beam_fn_api_pb2.StopWorkerResponse()

    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(Pool(), server)
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(str(error)) from None
    asked_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked_to_end.set())
    signal.signal(signal.SIGINT, lambda *_: asked_to_end.set())
    server.start()
    asked_to_end.wait()
    server.stop(0)
    for worker in workers.values():
        end(worker)


def work(control: str, name: str) -> None:
    """The life of a worker, in a process of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    SdkHarness(control, worker_id=name).run()


def end(worker: Any) -> None:
    """End a worker: ask, and after a while do not."""
    worker.terminate()
    worker.join(5)
    if worker.is_alive():
        worker.kill()
        worker.join()
