"""Remarks on a packed mixture: what is allowed and worth knowing."""

from collections.abc import Iterator

from textmill.pipelines.contract.parts import Counts

# Muennighoff et al. 2023, "Scaling Data-Constrained Language Models": up to four passes repeated tokens are nearly as good
# as new ones, then they are worth less and less, and by sixteen passes nothing.
PASSES, NOTHING = 4, 16
DOCUMENTS, BLOCKS = 10, 4       # to validate with: with fewer, a figure says little
MOST = 4                        # entries named in a clause


def remarks(counts: Counts) -> list[str]:
    """A clause for each kind of remark, from the counts of a mixture."""
    return [*_of_passes(counts["train"]["entries"]), *_of_validation(counts["validation"]["entries"])]


def _of_passes(entries: Counts) -> Iterator[str]:
    many = {name: entry["passes"] for name, entry in entries.items() if entry["passes"] > PASSES}
    if many:
        listed = _listed([f"{name} {passes}" for name, passes in many.items()])
        worth = f"by {NOTHING} nothing" if max(many.values()) < NOTHING else f"{NOTHING} and more nothing"
        yield f"more than {PASSES} passes over {listed}: each further one is worth less, {worth} (Muennighoff et al. 2023)"


def _of_validation(entries: Counts) -> Iterator[str]:
    few = {name: entry for name, entry in entries.items()
           if entry["blocks"] and (entry["documents"] < DOCUMENTS or entry["blocks"] < BLOCKS)}
    if few:
        listed = _listed([f"{name} {_many(entry['documents'], 'document')} in {_many(entry['blocks'], 'block')}"
                          for name, entry in few.items()])
        yield f"little to validate with: {listed}"


def _listed(clauses: list[str]) -> str:
    more = f" and {len(clauses) - MOST} more" if len(clauses) > MOST else ""
    return ", ".join(clauses[:MOST]) + more


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
