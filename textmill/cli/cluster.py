"""The word for the hosts of a cluster."""

import click

from textmill.base.errors import TextmillError

# What a worker of any stage imports.
STAGES = ["textmill.pipelines.flow", "textmill.pipelines.dedup.transforms", "textmill.pipelines.extract.pages.reader"]


@click.command("pool", short_help="the worker pool of this host, until it is stopped")
@click.option("--port", type=int, default=50000, show_default=True, help="where it listens")
@click.option("--listen", default="localhost", show_default=True, metavar="ADDRESS",
              help="for an engine on another host than the pool: which address of this one")
def pool(port: int, listen: str) -> None:
    """Serve a pool of workers on this host, which an engine asks for processes; until SIGTERM."""
    from textmill.pipelines.engines.pool import serve

    try:
        serve(f"{listen}:{port}", STAGES)
    except OSError as error:
        raise TextmillError(f"{listen}:{port} cannot be listened on ({error}); end what does, or give another --port") from None


POOL = pool
