"""State of a data folder: of every stage what is there, whether it is stale and why, its seconds and bytes.

Reads manifests, counts and notes, and lists raw files as `extract` would; nothing is written, and no text is read.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from textmill.base.strict import SettingsError
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.parts import DamagedError, Manifest
from textmill.pipelines.contract.run_notes import recall
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.task import RECEIPTS
from textmill.pipelines.display import numbers
from textmill.pipelines.display.lines import columns, labelled
from textmill.pipelines.flow import STAGES

MOST = 3        # settings or libraries named in a reason


@dataclass(frozen=True)
class StageState:
    """One stage: `state` is `up to date`, `stale`, `begun`, `not yet` or `damaged`, `reasons` why, a clause each."""

    stage: str
    dataset: str
    state: str
    reasons: list[str] = field(default_factory=list)
    rows: int = 0
    parts: int = 0
    bytes: int = 0
    seconds: float | None = None


def status_json(context: RunContext) -> str:
    """The table for a program: data folder, its bytes, every stage, the next one (null where nothing is stale)."""
    states = list(stage_states(context))
    told = {"data": context.data.uri, "bytes": _stored(context), "next": _behind(states), "stages": list(map(asdict, states))}
    return json.dumps(told, indent=1, ensure_ascii=False)


def status(context: RunContext) -> Iterator[str]:
    """The table as lines for a terminal, and what to do next."""
    states = list(stage_states(context))
    yield from columns([("stage", "rows", "parts", "size", "seconds", "state"),
                        *((one.stage, *(_figures(one) if one.parts else ("-",) * 4), one.state) for one in states)],
                       right=(1, 2, 3, 4), indent=0)
    yield ""
    for one in states:
        for reason in one.reasons:
            yield from labelled(one.stage, reason)
    stored = _stored(context)
    yield from labelled("disk", f"{numbers.size(stored)} in {context.data.uri}")
    behind = _behind(states)
    if not stored:
        yield from labelled("next", f"put files into {context.data.uri}/raw/<source>/, or see `textmill demo`")
    else:
        yield from labelled("next", f"`textmill {behind}`" if behind else "nothing is stale; `textmill report` shows it")


def _behind(states: Sequence[StageState]) -> str | None:
    """The first stage that is not up to date."""
    return next((one.stage for one in states if one.state != "up to date"), None)


def _stored(context: RunContext) -> int:
    return sum(entry.size for entry in context.data.entries())


def _figures(one: StageState) -> tuple[str, str, str, str]:
    return f"{one.rows:,}", f"{one.parts:,}", numbers.size(one.bytes), "-" if one.seconds is None else f"{one.seconds:,.1f}"


def stage_states(context: RunContext) -> Iterator[StageState]:
    """The state of every stage in the order of the flow. What is made from a stale dataset is stale too."""
    stale: set[str] = set()
    for stage in STAGES.values():
        state = _state(stage, context, stale)
        if state.state != "up to date":
            stale.add(stage.name)
        yield state


def _state(stage: Stage, context: RunContext, stale: set[str]) -> StageState:
    name = stage.dataset(context.config)
    dataset = context.data / name
    try:
        manifest = Manifest.read(dataset)
    except DamagedError as error:
        return StageState(stage.name, name, "damaged", [str(error)])
    if manifest is None:
        done = len(dataset.entries(RECEIPTS))
        told = [f"a run was interrupted after {numbers.many(done, 'task')}, which will not be done again"] if done else []
        return StageState(stage.name, name, "begun" if done else "not yet", told)
    reasons = _reasons(stage, context, manifest, [upstream.name for upstream in stage.reads if upstream.name in stale])
    parts = manifest.parts
    return StageState(stage.name, name, "stale" if reasons else "up to date", reasons, sum(part.rows for part in parts),
                      len(parts), sum(part.bytes for part in parts), recall(dataset).get("seconds"))


def is_stale(context: RunContext, stage: Stage) -> bool:
    """Whether a stage's own input or settings have changed since its dataset was made, or it has not been made."""
    manifest = Manifest.read(context.data / stage.dataset(context.config))
    return manifest is None or bool(_reasons(stage, context, manifest, []))


def _reasons(stage: Stage, context: RunContext, manifest: Manifest, above: Sequence[str]) -> list[str]:
    """Why a dataset is not up to date, a clause each; `above` are the stages it reads that are not."""
    reasons = list(_changes(stage, context, manifest))
    if above:
        reasons.append(f"what it reads is not up to date: {', '.join(above)}")
    elif not reasons:
        try:
            is_same = stage.input_digest(context) == manifest.input_digest
        except (StageError, SettingsError) as error:
            return [str(error)]
        except ValueError:              # its parts are not those of documents
            is_same = False
        reasons += [] if is_same else ["its input is another: files were added, changed or taken away"]
    return reasons


def _changes(stage: Stage, context: RunContext, manifest: Manifest) -> Iterator[str]:
    """What a dataset was made with that is different now."""
    if manifest.version != stage.version:
        yield f"made by version {manifest.version} of the stage, this is version {stage.version}"
    made = manifest.made_from
    for what, then, now in (("setting", made.get("settings"), stage.output_settings(context.config)),
                            ("library", made.get("libraries"), stage.versions())):
        if differences := list(_differences(then, now)):
            more = f" and {len(differences) - MOST} more" if len(differences) > MOST else ""
            plural = {"setting": "settings", "library": "libraries"}[what]
            yield f"{what if len(differences) == 1 else plural} changed: {', '.join(differences[:MOST])}{more}"
    try:
        files = [name for name, digest in stage.named_inputs(context).items()
                 if made.get("named_inputs", {}).get(name) != digest]
    except (StageError, SettingsError) as error:
        yield str(error)
        return
    if files:
        yield f"{', '.join(files)} changed"


def _differences(then: Any, now: Any, path: str = "") -> Iterator[str]:
    """`name was → is` of every value that differs, in nested mappings and in lists of things with names."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted(then.keys() | now.keys(), key=str):
            yield from _differences(then.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    elif _named(then) and _named(now):
        yield from _differences({one["name"]: one for one in then}, {one["name"]: one for one in now}, path)
    elif then != now:
        yield f"{path or 'it'} {_shown(then)} → {_shown(now)}"


def _named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and "name" in one for one in value)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "…" if value else "none"
    return "none" if value is None else str(value)
