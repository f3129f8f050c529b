"""`rejected`: the records that gave no document, counted by rule and listed with file, line and reason."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.row_groups import row_groups
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.tally import count
from textmill.pipelines.display.lines import columns, labelled, shown
from textmill.pipelines.extract.quarantine import CURES, place

_OUTCOMES = ("quarantined", "rejected")       # what could not be read comes first


def rejected(data: Folder, rule: str | None, most: int) -> Iterator[str]:
    """Records by rule, then `most` of them, all or of one rule. StageError where there are none."""
    manifest = Manifest.read(data / "documents")
    if manifest is None:
        raise StageError(f"there is nothing in {data.uri}/documents yet; run `textmill extract`")
    counts = _counts(data, manifest)
    if rule and not any(rule in by_rule for by_rule in counts.values()):
        known = sorted({name for by_rule in counts.values() for name in by_rule})
        raise StageError(f"no record was rejected by {rule}; the rules here are {', '.join(known) or 'none'}")
    if not any(counts.values()):
        yield "no record was rejected"
        return
    yield from columns([[outcome, name, f"{number:,}", CURES.get(name, "") if outcome == "quarantined" else ""]
                        for outcome in _OUTCOMES for name, number in counts[outcome].items() if rule in (None, name)],
                       right=(2,), indent=0)
    total = sum(number for by_rule in counts.values() for name, number in by_rule.items() if rule in (None, name))
    for listed, row in enumerate(_rows(data, manifest, rule)):
        if listed == most:
            yield ""
            yield f"and {total - most:,} more; --most {total} lists them" + ("" if rule else ", --rule those of one rule")
            return
        yield ""
        yield shown(place(data, row["file"], row["offset"]))
        limits = f", value {shown(row['value'])}" if row["value"] is not None else ""
        limits += f", bound {shown(row['bound'])}" if row["bound"] is not None else ""
        detail = f": {shown(row['detail'])}" if row["detail"] else ""
        yield from labelled("", f"{row['outcome']} by {row['rule']}{limits}{detail}", width=2)
        if row["url"]:
            yield from labelled("", shown(row["url"]), width=2)


def _counts(data: Folder, manifest: Manifest) -> dict[str, dict[str, int]]:
    """Records by rule, for each outcome."""
    found: dict[str, list[pa.Array]] = {outcome: [] for outcome in _OUTCOMES}
    for part in manifest.rejected:
        for _, read in row_groups(data / "documents", part):
            batch = read(["outcome", "rule"])
            for outcome in _OUTCOMES:
                found[outcome].append(batch["rule"].filter(pc.equal(batch["outcome"], outcome)))
    return {outcome: count(pa.concat_arrays(rules)) if rules else {} for outcome, rules in found.items()}


def _rows(data: Folder, manifest: Manifest, rule: str | None) -> Iterator[dict[str, Any]]:
    """The rows of `ledger/documents/rejected`, of one rule or all, by outcome and then in order."""
    wanted = ["file", "offset", "url", "outcome", "rule", "value", "bound", "detail"]
    for outcome in _OUTCOMES:
        for part in manifest.rejected:
            for _, read in row_groups(data / "documents", part, {"outcome": outcome} | ({"rule": rule} if rule else {})):
                batch = read(wanted)
                chosen = pc.equal(batch["outcome"], outcome)
                chosen = pc.and_(chosen, pc.equal(batch["rule"], rule)) if rule else chosen
                yield from batch.filter(chosen).to_pylist()
