"""Preview and execution of the takedowns that takedown.txt lists."""

from collections.abc import Iterator

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.stage import RunContext, manifest_of
from textmill.pipelines.erasure.carry_out import carry_out
from textmill.pipelines.erasure.listing import listing
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.takedown.entries import LIST
from textmill.pipelines.takedown.matching import resolve


def takedown(context: RunContext, do: bool) -> Iterator[str]:
    """The preview of a takedown, and with `do` the takedown itself, a line for each finished step.

    StageError where there is no list or no dataset, or where a text could not be removed."""
    if not context.data.exists(LIST):
        raise StageError(f"there is no {context.data.uri}/{LIST}; put an entry a line there: url:https://…, host:example.com, "
                         "id:… or text:…")
    manifest_of(EXTRACT, context)
    resolution = resolve(context.data)
    yield from listing(context.data, resolution)
    if not do:
        yield "nothing was changed; carry it out with `textmill takedown --carry-out`"
        return
    for line in carry_out(context, resolution):
        yield f"takedown: {line}"
    yield "takedown: done"
