"""datatrove's language, Gopher quality, Gopher repetition, C4 and FineWeb filters on the texts of a Parquet file, with
their defaults, in one process; run by a Python that has datatrove (benchmarks/extract_speed.py says how to make one).

    python datatrove_filters.py TEXTS.parquet VERDICTS.parquet LID.176-MODEL

TEXTS has a column `text`. VERDICTS gets a row for each: a column per filter with the reason it gave, "" where it kept the
text. Each filter sees every text as it came, though C4 would have taken lines out of it for the next. Prints CPU seconds by
filter as JSON.
"""

import json
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from fasttext.FastText import _FastText

FILTERS = {"gopher_repetition": GopherRepetitionFilter(), "gopher_quality": GopherQualityFilter(),
           "c4": C4QualityFilter(filter_no_terminal_punct=False), "fineweb": FineWebQualityFilter()}


def language_filter(model: str) -> LanguageFilter:
    """datatrove would download its model; it gets the file that is there."""
    made = LanguageFilter()
    made.model._model = _FastText(model)
    return made


def main() -> None:
    texts = pq.read_table(sys.argv[1])["text"].to_pylist()
    filters = {"language": language_filter(sys.argv[3]), **FILTERS}
    verdicts, seconds = {}, {}
    for name, filter_ in filters.items():
        filter_.filter(Document(text="A first text, so that models are loaded.\nThis is another line of it.", id="0"))
        start = time.process_time()
        reasons = []
        for number, text in enumerate(texts):
            said = filter_.filter(Document(text=text, id=str(number)))
            kept, reason = said if isinstance(said, tuple) else (said, "rejected")
            reasons.append("" if kept else str(reason))
        seconds[name] = time.process_time() - start
        verdicts[name] = reasons
    pq.write_table(pa.table(verdicts), sys.argv[2])
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
