"""Pages wait in batches that hold little, and equal ones are read once."""

from collections.abc import Iterator

from tests.pages import InProcess
from textmill.pipelines.extract.documents import Origin
from textmill.pipelines.extract.files.codings import payload_digest
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.waiting import Waiting, rows_in_order

PAGE = b"<html><body>" + b"<p>The miller weighs the flour twice and writes it into the book.</p>" * 20_000 + b"</body></html>"


def test_equal_pages_are_read_once_and_not_held_without_bound():
    taken = 0

    def records() -> Iterator[Waiting]:
        nonlocal taken
        for taken in range(1, 41):
            yield Waiting(Origin("s", "f", taken, None), (PAGE, None), payload_digest(PAGE), len(PAGE))

    class Counting(InProcess):
        asked = 0

        def read(self, pages):
            self.asked += len(pages)
            return super().read(pages)

    reader = Counting(ExtractSettings())
    rows = rows_in_order(records(), reader)
    first = next(rows)
    assert (first.offset, taken * len(PAGE) < 2 * (8 << 20)) == (1, True)
    assert [row.offset for row in rows] == list(range(2, 41)) and reader.asked == 1
