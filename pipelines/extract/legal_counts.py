"""Counts of declared usage restrictions per batch, for the stats of `extract`; bounded in number.

A robots directive without a definition is counted as `unknown`; the column `robots` keeps it.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.parts import Counts
from textmill.pipelines.contract.tally import count

# Google's and Bing's lists, DeviantArt's noai and noimageai (2022), and two that directories used to read.
DIRECTIVES = frozenset({"all", "follow", "index", "indexifembedded", "max-image-preview", "max-snippet", "max-video-preview",
                        "noai", "noarchive", "nocache", "nofollow", "noimageai", "noimageindex", "noindex", "none", "noodp",
                        "nosnippet", "notranslate", "noydir", "unavailable_after"})
_CREATIVE_COMMONS = re.compile(r"creativecommons\.org/(?:licenses/([a-z+-]+)|publicdomain/([a-z]+))", re.I)


def legal_counts(documents: pa.RecordBatch) -> Counts:
    """Documents by signal: robots directive, TDM reservation and policy, kind and place of licence, paywall, copyright."""
    robots = pa.array([name if (name := one.partition(":")[0]) in DIRECTIVES else "unknown"
                       for one in pc.list_flatten(documents["robots"]).to_pylist()], pa.string())
    reserved = documents["tdm_reservation"].drop_null()
    free = pc.equal(reserved, "0")
    licensed = documents["license"].drop_null().to_pylist()
    return {
        "robots": count(robots),
        "tdm_reservation": count(pc.if_else(free, "not_reserved", "reserved")),
        "tdm_policy": len(documents["tdm_policy"].drop_null()),
        "license": count(pa.array([license_kind(address) for address in licensed], pa.string())),
        "license_from": count(documents["license_from"]),
        "license_position": count(documents["license_position"]),
        "paywalled": count(pc.if_else(documents["paywalled"].drop_null(), "yes", "no")),
        "copyright": len(documents["copyright"].drop_null()),
    }


def license_kind(address: str) -> str:
    """`cc-by-sa` and the like for a licence of Creative Commons, whatever its version or country; else `other`.

    >>> license_kind("https://creativecommons.org/licenses/by-nc/4.0/deed.de")
    'cc-by-nc'
    """
    found = _CREATIVE_COMMONS.search(address)
    if not found:
        return "other"
    kind = (found[1] or found[2]).lower()
    if found[1]:
        return f"cc-{kind}" if set(re.split("[+-]", kind)) <= {"by", "sa", "nc", "nd", "sampling", "devnations"} else "other"
    return {"zero": "cc0", "mark": "public-domain"}.get(kind, "other")
