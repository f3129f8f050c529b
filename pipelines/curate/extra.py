"""The column `extra` of curated text: what a page says of itself goes through the policy on personal data, as its text does.

The other keys are columns of the input, and are carried as they came.
"""

import json

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.curate.edits import apply_edits, edits_for
from textmill.pipelines.measure.personal.find import find_personal_data
from textmill.pipelines.screen.policies import PersonalDataPolicy

OF_PAGES = ("author", "site", "description")        # keys that extract adds, of a page's head and byline
_HAS_ONE = rf'"(?:{"|".join(OF_PAGES)})":'


def clean_extra(extra: pa.Array, languages: pa.Array, policy: PersonalDataPolicy) -> pa.Array:
    """JSON objects with the findings in values of OF_PAGES edited; `languages` are those of the texts, aligned."""
    rows = pc.indices_nonzero(pc.fill_null(pc.match_substring_regex(extra, _HAS_ONE), False)).to_pylist()
    values = extra.to_pylist() if rows else []
    for row in rows:
        loaded = json.loads(values[row])
        texts = {key: loaded[key] for key in OF_PAGES if isinstance(loaded.get(key), str)}
        found = find_personal_data(list(texts.values()), [languages[row].as_py() or "und"] * len(texts), [None] * len(texts))
        if any(found):
            cleaned = {key: apply_edits(text, edits_for(findings, policy))
                       for (key, text), findings in zip(texts.items(), found, strict=True)}
            values[row] = json.dumps(loaded | cleaned, ensure_ascii=False, separators=(",", ":"))
    return pa.array(values, pa.string()) if rows else extra
