"""Staleness of background tables and classifiers, which are never rebuilt automatically."""

from collections.abc import Iterator, Sequence

from textmill.base.sealed import unseal
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.texts import parse_texts
from textmill.pipelines.measure.background import background_facts
from textmill.pipelines.measure.classifier import facts_bytes
from textmill.pipelines.measure.own_model import KIND
from textmill.pipelines.measure.settings import MeasureSettings


def changed_since(settings: MeasureSettings, columns: Sequence[str], data: Folder) -> list[str]:
    """A sentence for each of them whose texts have changed or are gone. `columns` are the names a text may have."""
    said = []
    for what, name, origins, labels in _named(settings, data):
        now = []
        try:
            now = [parse_texts(given, columns, labels).fingerprint(data) for given, _ in origins]
        except (StageError, OSError):
            said.append(f"the texts of the {what} {name} no longer exist")
            continue
        if now != [then for _, then in origins]:
            said.append(f"the texts of the {what} {name} have changed since it was made")
    return said


def _named(settings: MeasureSettings, data: Folder) -> Iterator[tuple[str, str, list[tuple[str, str]], str | None]]:
    """The named inputs: (kind, name, (texts, their fingerprint then) …, the file of labels)."""
    if settings.background:
        facts = background_facts(data, settings.background)
        yield "background table", settings.background, [(facts["texts"], facts["made_from"])], None
    if settings.classifier:
        facts = unseal(facts_bytes(data, settings.classifier))
        if facts.get("kind") == KIND:
            yield "classifier", settings.classifier, [(facts["texts"], facts["made_from"])], None
            return
        yield ("classifier", settings.classifier, list(zip((facts["good"], facts["bad"]), facts["made_from"], strict=True)),
               facts["labels"])
