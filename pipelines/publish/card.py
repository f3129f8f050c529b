"""Dataset card: README.md with the metadata that the Hugging Face hub and `load_dataset` read, from manifests alone.

Guarantees: the same data folder and settings give the same card; every figure in it is one that a stage counted. A section
whose stage has not run is left out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from textmill.pipelines.display import numbers
from textmill.pipelines.display.masking import visible
from textmill.pipelines.publish.columns import about, column_lines, table_columns
from textmill.pipelines.publish.settings import CardSettings
from textmill.pipelines.publish.tables import Table
from textmill.pipelines.report.funnel import by_frequency
from textmill.pipelines.report.provenance import DIGITS, digest

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"),
         (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"), (10_000_000_000, "1B<n<10B"))      # the hub's
# Rules about what a page declares of its own use, and what each declares.
OPT_OUTS = {"noai": "`noai` in robots directives of the page or its headers", "tdm_reservation": "a TDM reservation (TDMRep)",
            "noindex": "`noindex` in robots directives", "paywalled": "that it is not free to read"}


def card(tables: Sequence[Table], settings: CardSettings, files: Mapping[str, Mapping[str, str]],
         upstream: Sequence[Table] = ()) -> str:
    """The card of these tables; the first is the default configuration.

    `files` has for every configuration what `load_dataset` reads: split → pattern of files. `upstream` are tables that the
    text went through and that are not published with it: their counts are stated too.
    """
    known = {table.name: table for table in (*tables, *upstream)}
    lines = [f"---\n{_metadata(tables, known, settings, files)}---", f"# {visible(settings.name)}"]
    lines += [str(visible(settings.description))] if settings.description else []
    lines += ["Text for training language models, curated from what was put in by [textmill](#how-it-was-made). Every record "
              "that went in is accounted for: it is in a table below, or was rejected by a rule that is counted here."]
    lines += _overview(tables)
    lines += _opening(tables, files)
    for table in tables:
        lines += _columns(table)
    for section in (_sources, _languages, _rights, _personal_data, _rejected, _history):
        lines += section(known, settings)
    return "\n\n".join(lines) + "\n"


def _metadata(tables: Sequence[Table], known: Mapping[str, Table], settings: CardSettings,
              files: Mapping[str, Mapping[str, str]]) -> str:
    """The YAML block that the hub and `load_dataset` read."""
    rows = tables[0].rows
    values: dict[str, Any] = {
        "pretty_name": settings.name,
        "license": settings.license,
        **({"license_name": settings.license_name} if settings.license_name else {}),
        **({"license_link": settings.license_link} if settings.license_link else {}),
        "language": [name for name in _shares(known) if len(name) in (2, 3) and name != "und"] or ["und"],
        "task_categories": ["text-generation"],
        "size_categories": [next((name for bound, name in SIZES if rows < bound), "n>1T")],
        "tags": ["textmill"],
        "configs": [{"config_name": name, **({"default": True} if name == tables[0].name else {}),
                     "data_files": [{"split": split, "path": pattern} for split, pattern in splits.items()]}
                    for name, splits in files.items()]}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)


def _overview(tables: Sequence[Table]) -> Iterator[str]:
    yield "\n".join(["| configuration | rows | files | size | a row is |", "|---|---:|---:|---:|---|",
                     *(f"| `{table.name}` | {table.rows:,} | {len(table.parts):,} | {numbers.size(table.bytes)} | "
                       f"{about(table.described).split('. ')[0].removesuffix('.')} |" for table in tables)])


def _opening(tables: Sequence[Table], files: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    first = tables[0].name
    pattern = next(iter(files[first].values()))
    yield "## How to open it"
    yield ("```python\nfrom datasets import load_dataset      # from the folder of this card\n"
           f'rows = load_dataset(".", "{first}", split="train")\n\n'
           f'import polars\nrows = polars.scan_parquet("{pattern}")\n\n'
           f"import duckdb\nrows = duckdb.sql(\"FROM '{pattern}'\")\n```")


def _columns(table: Table) -> Iterator[str]:
    yield f"## Columns of `{table.name}`"
    yield "\n".join(column_lines(table_columns(table)))


def _sources(known: Mapping[str, Table], settings: CardSettings) -> Iterator[str]:
    documents, duplicates = known.get("documents"), known.get("duplicates")
    if not documents:
        return
    compared = duplicates.counts.get("source", {}) if duplicates else {}
    rows = []
    for source, counts in documents.counts.get("source", {}).items():
        kept, copies = (compared.get(source, {}).get(key, 0) for key in ("documents", "copies"))
        row = (f"`{visible(source)}`", counts["documents"], numbers.size(counts["text_bytes"]))
        rows.append((*row, kept, copies, kept - copies) if duplicates else row)
    head = ["source", "documents with text", "text"]
    yield "## Sources"
    yield "Names of the folders under `raw/` that the text was read from."
    yield _table([*head, "kept by the rules", "copies among them", "left"] if duplicates else head, rows)


def _shares(known: Mapping[str, Table]) -> dict[str, Mapping[str, int]]:
    """Counts by language, the largest first: of curated text, else of what was measured."""
    table = known.get("curated") or known.get("signals")
    found = table.counts.get("language", {}) if table else {}
    return dict(sorted(found.items(), key=lambda item: (-item[1].get("bytes", item[1]["documents"]), item[0])))


def _languages(known: Mapping[str, Table], settings: CardSettings) -> Iterator[str]:
    if not (shares := _shares(known)):
        return
    yield "## Languages"
    yield "Identified by fastText's lid.176; `und` where it is not sure."
    rows = [(f"`{name}`", counts["documents"], numbers.size(counts["bytes"]) if "bytes" in counts else counts["words"])
            for name, counts in shares.items()]
    yield _table(["language", "documents", "text" if "curated" in known else "words"], rows)


def _rights(known: Mapping[str, Table], settings: CardSettings) -> Iterator[str]:
    yield "## Licence and opt-outs"
    stated = settings.license_name or settings.license
    yield (f"Licence of the collection, as its makers state it: {visible(stated)}. The texts keep the rights of their authors."
           if settings.license != "unknown" else
           "Its makers have not stated a licence of the collection. The texts keep the rights of their authors.")
    if documents := known.get("documents"):
        counts = documents.counts
        licences = ", ".join(f"`{visible(name)}` {number:,}" for name, number in by_frequency(counts.get("license", {})))
        yield (f"Licences that pages declare: {licences or 'none'}. Pages with a notice of copyright: "
               f"{counts.get('copyright', 0):,}.")
        lists = documents.made_from.get("settings", {}).get("blocklists", [])
        yield f"Lists of addresses that are never read: {', '.join(f'`{visible(name)}`' for name in lists) or 'none'}."
    if verdicts := known.get("verdicts"):
        actions = {rule["name"]: rule["action"] for rule in verdicts.made_from.get("settings", [])}
        taken, tagged = verdicts.counts.get("rejected", {}), verdicts.counts.get("tagged", {})
        rows = [(what, {"exclude": "left out", "tag": "kept and marked"}.get(actions.get(rule, ""), "not looked at"),
                 taken.get(rule, 0) + tagged.get(rule, 0)) for rule, what in OPT_OUTS.items()]
        yield _table(["a page that declares", "is", "pages"], rows)
        yield ("Pages that their authors have asked to be taken out are listed in `takedown.txt` and are in no table: "
               f"{taken.get('takedown', 0):,} here.")


def _personal_data(known: Mapping[str, Table], settings: CardSettings) -> Iterator[str]:
    curated = known.get("curated")
    if not curated:
        return
    kinds, edits = curated.made_from["settings"]["policy"]["kinds"], curated.counts.get("edits", {})
    found = known["signals"].counts.get("personal_data", {}) if "signals" in known else {}
    words = {"replace": "replaced by `<KIND>`", "drop": "document left out", "keep": "kept"}
    yield "## Personal data"
    yield ("Found by rules with check digits, number plans and public registries; what was replaced is stored in no table but "
           "`documents`. Names of people are not found, unless a model for them was named in the settings.")
    rows = []
    for kind, policy in kinds.items():
        action, most = words.get(policy["action"], policy["action"]), policy.get("drop_above")
        action += "" if most is None else f"; above {most} of them the document is left out"
        rows.append((f"`{kind}`", action, found.get(kind, 0), edits.get(kind, 0)))
    yield _table(["kind", "policy", "found", "replaced"], rows)


def _rejected(known: Mapping[str, Table], settings: CardSettings) -> Iterator[str]:
    rows = []
    for name in ("documents", "curated"):
        if table := known.get(name):
            rows += [(f"`{name}`", f"`{rule}`", number) for rule, number in
                     by_frequency({**table.counts.get("rejected", {}), **table.counts.get("quarantined", {})})]
    if rows:
        yield "## What was left out"
        yield "By the first rule that took a record or a document. The rows, with value and bound, are in the run's ledger."
        yield _table(["on the way to", "rule", "rows"], rows)


def _history(known: Mapping[str, Table], settings: CardSettings) -> Iterator[str]:
    yield "## How it was made"
    yield ("By textmill's stages, each with the version and the hash of the settings it read. The same input, settings and "
           "libraries give the same bytes.")
    yield _table(["table", "stage", "version", "settings", "files, sha256 of all"],
                 [(f"`{table.name}`", table.manifest.stage, str(table.manifest.version),
                   f"`{short_digest(table.made_from.get('settings'))}`",
                   f"`{short_digest([part.sha256 for part in table.parts])}`")
                  for table in known.values()])
    libraries: dict[str, str] = {}
    for table in known.values():
        libraries |= table.made_from.get("libraries", {})
    yield f"Libraries: {', '.join(f'{name} {libraries[name]}' for name in sorted(libraries, key=str.lower))}."
    people = {"Made by": settings.creator, "To ask for text to be taken out": settings.contact, "Home": settings.homepage}
    if any(people.values()):
        yield "\n".join(f"- {what}: {visible(who)}" for what, who in people.items() if who)


def short_digest(value: Any) -> str:
    """The hash of settings or files as the report cites it: the first digits of `provenance.digest`."""
    return digest(value)[:DIGITS]


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown; numbers are set to the right."""
    listed = list(rows)
    right = [bool(listed) and isinstance(listed[0][n], int) for n in range(len(head))]
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join('---:' if one else '---' for one in right)}|"]
    lines += [f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else cell.replace('|', '&#124;') for cell in row)} |"
              for row in listed]
    return "\n".join(lines)
