"""Loopback ports for Beam's local servers.

Beam's embedded runner, its worker subprocesses and its in-process worker pool listen on all interfaces (`[::]:0`), without
credentials, though they give out `localhost:port` only. Whoever reaches such a port can take a worker's place. No option of
Beam 2.77 binds them elsewhere, so the modules that open them are given a `grpc` whose servers do.

`localhost` is two addresses, ::1 and 127.0.0.1, and a port that is free at one may be taken at the other. gRPC would share it
there in silence (SO_REUSEPORT), and workers of one run would be answered by another, or never. So ports are not shared:
a server has at least the first address, which clients try first.
"""

from types import ModuleType
from typing import Any

ANY = "[::]:"           # how Beam spells all interfaces


class LoopbackGrpc:
    """The module `grpc`, with servers that listen on loopback where they were told to listen everywhere."""

    def __init__(self, grpc: ModuleType):
        self._grpc = grpc

    def __getattr__(self, name: str) -> Any:
        return getattr(self._grpc, name)

    def server(self, *arguments: Any, **options: Any) -> Any:
        options["options"] = [*(options.get("options") or ()), ("grpc.so_reuseport", 0)]
        server = self._grpc.server(*arguments, **options)
        listen = server.add_insecure_port
        server.add_insecure_port = lambda address: listen(
            f"localhost:{address.removeprefix(ANY)}" if address.startswith(ANY) else address)
        return server


def bind_loopback() -> None:
    """Once in a process, before a pipeline runs."""
    from apache_beam.runners.portability import local_job_service
    from apache_beam.runners.portability.fn_api_runner import worker_handlers
    from apache_beam.runners.worker import worker_pool_main

    modules: tuple[Any, ...] = (worker_handlers, local_job_service, worker_pool_main)
    for module in modules:
        if not isinstance(module.grpc, LoopbackGrpc):
            module.grpc = LoopbackGrpc(module.grpc)
