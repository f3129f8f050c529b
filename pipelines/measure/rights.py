"""Usage restrictions declared by a page, as measurements for rules: 1 declared, 0 not, NaN unknown."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa


def noai(documents: pa.RecordBatch) -> np.ndarray:
    """Whether the robots directives, of meta or header and for any agent, contain `noai` (DeviantArt 2022).

    `noimageai` alone restricts images, not text. NaN where the input has no robots directives."""
    return _directed(documents["robots"], {"noai"})


def noindex(documents: pa.RecordBatch) -> np.ndarray:
    """Whether the robots directives contain `noindex` or `none`; NaN where the input has no robots directives."""
    return _directed(documents["robots"], {"noindex", "none"})


def tdm_reservation(documents: pa.RecordBatch) -> np.ndarray:
    """Whether text and data mining is reserved (TDMRep, W3C Community Group 2024): by any value but "0", unknown ones too.

    Not where nothing is declared."""
    return np.array([value is not None and value.strip() != "0" for value in documents["tdm_reservation"].to_pylist()],
                    np.float64)


def paywalled(documents: pa.RecordBatch) -> np.ndarray:
    """Whether the page declares itself not free to read (schema.org isAccessibleForFree); NaN where it declares nothing."""
    return np.array([np.nan if value is None else value for value in documents["paywalled"].to_pylist()], np.float64)


def _directed(robots: pa.Array, wanted: set[str]) -> np.ndarray:
    """A directive may stand alone or after the agent it is for (`examplebot: noai`), several after one agent."""
    def directives(listed: Iterable[str | None]) -> set[str]:
        return {part.strip().lower() for item in listed if item for part in item.replace(":", ",").split(",")}

    return np.array([np.nan if listed is None else bool(directives(listed) & wanted) for listed in robots.to_pylist()],
                    np.float64)
