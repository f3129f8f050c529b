"""The data folder as a dataset repository: its own card and Croissant metadata, in which every table is a configuration."""

from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.publish.card import card
from textmill.pipelines.publish.croissant import croissant
from textmill.pipelines.publish.settings import CardSettings
from textmill.pipelines.publish.tables import tables


def describe(data: Folder, settings: CardSettings) -> list[str]:
    """Write README.md and croissant.json of the tables that are complete; the names of those that changed."""
    known = tables(data)
    if not known:
        return []
    patterns = {table.name: f"{table.place}/*.parquet" for table in known}
    files = {
        "README.md": card(known, settings, {name: {"train": pattern} for name, pattern in patterns.items()}),
        "croissant.json": croissant(known, settings, lambda table, part: f"{table.place}/{part.path}", patterns)}
    changed = [name for name, text in files.items() if not data.exists(name) or data.read(name) != text.encode()]
    for name in changed:
        data.write(name, files[name].encode())
    data.delete_leftovers()
    return changed
