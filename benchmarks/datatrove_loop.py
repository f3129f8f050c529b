"""Extract with datatrove: its WarcReader, its Trafilatura and its Parquet writer, with their defaults; run by a Python that
has datatrove (benchmarks/extract_speed.py says how to make one).

    python datatrove_loop.py FOLDER-OF-WARCS EMPTY-FOLDER WORKERS
"""

import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers import ParquetWriter

if __name__ == "__main__":
    warcs, to, workers = sys.argv[1:]
    # A file is the smallest piece it can deal out.
    LocalPipelineExecutor([WarcReader(warcs, glob_pattern="*.warc.gz"), Trafilatura(), ParquetWriter(f"{to}/documents")],
                          tasks=len(list(Path(warcs).glob("*.warc.gz"))), workers=int(workers), logging_dir=f"{to}/logs").run()
