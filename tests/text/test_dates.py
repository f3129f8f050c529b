"""Dates in every spelling that inputs have."""

from datetime import date, datetime, timedelta, timezone

import pytest

from textmill.pipelines.text.dates import read_date


@pytest.mark.parametrize(("value", "expected"), [
    ("2021-05-05", "2021-05-05T00:00:00Z"), ("2021-05", "2021-05-01T00:00:00Z"), (" 2021-05-05T10:20:30.123+02:00 ", "2021-05-05T08:20:30Z"),
    ("2021-05-05 10:20", "2021-05-05T10:20:00Z"), ("20210505102030", "2021-05-05T10:20:30Z"), ("20210505", "2021-05-05T00:00:00Z"),
    ("1620000000", "2021-05-03T00:00:00Z"), (1620000000, "2021-05-03T00:00:00Z"), (1620000000.7, "2021-05-03T00:00:00Z"),
    (1620000000123, "2021-05-03T00:00:00Z"), (1620000000123456, "2021-05-03T00:00:00Z"), (1620000000123456789, "2021-05-03T00:00:00Z"),
    ("Wed, 21 Oct 2015 07:28:00 GMT", "2015-10-21T07:28:00Z"), ("21 Oct 2015 07:28:00 +0200", "2015-10-21T05:28:00Z"),
    (date(2020, 1, 2), "2020-01-02T00:00:00Z"), (datetime(2020, 1, 2, 3), "2020-01-02T03:00:00Z"),
    (datetime(2020, 1, 2, 3, tzinfo=timezone(timedelta(hours=3))), "2020-01-02T00:00:00Z"), ("0999-01-01", "0999-01-01T00:00:00Z")])
def test_a_date_is_read(value, expected):
    assert read_date(value) == expected


@pytest.mark.parametrize("value", [None, "", "soon", "0000-13-45", "2021-13-01", "12", 12, 12345, True, 1e300, float("nan"), "99999999", "2021",
                                   "Monday", "1 2 3", b"2021-05-05", ["2021-05-05"], "2021-05-05T25:00", "٢٠٢١-٠٥-٠٥", "9" * 5000, "0001-01-01T00:00+14:00"])
def test_what_is_no_date_is_none(value):
    assert read_date(value) is None
