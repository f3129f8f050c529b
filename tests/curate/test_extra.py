"""What a page says of itself is published without personal data; columns of the input are carried as they came."""

import json

import pyarrow as pa

from textmill.pipelines.curate.extra import clean_extra
from textmill.pipelines.screen.policies import KindPolicy, PersonalDataPolicy

POLICY = PersonalDataPolicy({"EMAIL": KindPolicy("replace"), "PHONE": KindPolicy("keep")})
MAIL = "anna.maier@mail-haus.de"


def test_findings_in_a_pages_own_words_are_edited():
    rows = [{"author": f"Anna Maier ({MAIL})", "description": "Call +49 30 23125 038 or write", "site": "Harbour", "mail": MAIL},
            {"mail": MAIL}, None, {"description": 7, "author": None}, {"author": "Ann O'Neil"}]
    extra = pa.array([row and json.dumps(row, separators=(",", ":")) for row in rows], pa.string())
    cleaned = [value and json.loads(value) for value in clean_extra(extra, pa.array(["de", "en", "en", None, "en"]), POLICY).to_pylist()]
    assert cleaned[0] == rows[0] | {"author": "Anna Maier (<EMAIL>)"}
    assert cleaned[1:] == rows[1:]


def test_a_batch_without_such_keys_is_the_same_array():
    extra = pa.array(['{"topic":"arithmetic"}', None])
    assert clean_extra(extra, pa.array(["en", "en"]), POLICY) is extra
