"""datatrove's MinHash deduplication, its four steps with their defaults (14 buckets of 8 hashes, 64 bits); run by a Python
that has datatrove. Prints how long each step took.

    python datatrove_dedup.py FOLDER WORKERS [--signatures-there | --shingles]

FOLDER/input holds *.jsonl with `id` and `text`. `--signatures-there`: FOLDER/signatures is full already, so step 1 is left
out. `--shingles`: the hashed shingles of every text, as step 1 makes them, go to FOLDER/shingles.npz beside the rest.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter


def shingles(folder: Path) -> None:
    step = MinhashDedupSignature(f"{folder}/unused")
    sets = [np.unique(step.get_shingles(json.loads(line)["text"]))
            for file in sorted((folder / "input").glob("*.jsonl")) for line in file.open(encoding="utf-8")]
    np.savez(folder / "shingles.npz", offsets=np.cumsum([0, *map(len, sets)]), hashes=np.concatenate(sets))


if __name__ == "__main__":
    where, workers, *flags = sys.argv[1:]
    at, config = Path(where), MinhashConfig()
    files = len(list((at / "input").glob("*.jsonl")))
    steps = {
        "signatures": ([JsonlReader(f"{at}/input"), MinhashDedupSignature(f"{at}/signatures", config)], files),
        "buckets": ([MinhashDedupBuckets(f"{at}/signatures", f"{at}/pairs", config=config)], config.num_buckets),
        "clusters": ([MinhashDedupCluster(f"{at}/pairs", f"{at}/clusters", config, save_cluster_id=True)], 1),
        "filter": ([JsonlReader(f"{at}/input"), MinhashDedupFilter(f"{at}/clusters"), JsonlWriter(f"{at}/output")], files),
    }
    if "--signatures-there" in flags:
        del steps["signatures"]
    for name, (pipeline, tasks) in steps.items():
        start = time.monotonic()
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=int(workers), logging_dir=f"{at}/logs/{name}").run()
        print(f"{name} {time.monotonic() - start:.1f}", flush=True)
    if "--shingles" in flags:
        shingles(at)
