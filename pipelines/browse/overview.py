"""Overview: the datasets in a data folder, their sizes, and which are stale."""

from typing import NamedTuple

from textmill.base.errors import TextmillError
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.flow import STAGES
from textmill.pipelines.ledger.blocks import datasets_under
from textmill.pipelines.ledger.status import StageState, stage_states
from textmill.pipelines.pack.stage import PACK
from textmill.pipelines.tokens.encode import TOKENIZE
from textmill.pipelines.tokens.train import TOKENIZER

UNITS = {"tokenizer": "files", "pack": "blocks", "curate": "pieces", "tokenize": "pieces"}
SEVERAL = {TOKENIZER.name: "tokenizers", TOKENIZE.name: "tokens", PACK.name: "blocks"}


class DatasetLine(NamedTuple):
    """A dataset as the overview lists it; `rows` None where it has not been made."""

    name: str
    stage: str
    rows: int | None
    unit: str
    rejected: int
    bytes: int
    problem: str = ""           # why it cannot be read


def datasets(context: RunContext) -> list[DatasetLine]:
    """Every dataset, in the order of the flow: those of the mixture, made or not, and what else there is of their kind."""
    found = []
    for stage in STAGES.values():
        own = stage.dataset(context.config)
        names = [own]
        if folder := SEVERAL.get(stage.name):
            names += [f"{folder}/{name}" for name in datasets_under(context.data, folder) if f"{folder}/{name}" != own]
        found += [_line(context, name, stage) for name in names]
    return found


def _line(context: RunContext, name: str, stage: Stage) -> DatasetLine:
    unit = UNITS.get(stage.name, "documents")
    try:
        manifest = Manifest.read(context.data / name)
    except TextmillError as error:
        return DatasetLine(name, stage.name, None, unit, 0, 0, str(error))
    if manifest is None:
        return DatasetLine(name, stage.name, None, unit, 0, 0)
    rows = len(manifest.parts) if unit == "files" else sum(part.rows for part in manifest.parts)
    return DatasetLine(name, stage.name, rows, unit, sum(part.rows for part in manifest.rejected),
                       sum(part.bytes for part in (*manifest.parts, *manifest.rejected)))



def stale(context: RunContext) -> list[StageState]:
    """The stages whose dataset is there and not up to date, in order, as `textmill status` tells them."""
    return [state for state in stage_states(context) if state.reasons and state.state in ("stale", "damaged")]
