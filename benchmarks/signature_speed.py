"""MinHash signatures a second on one core: ours, plain datasketch, rensa and datatrove's step 1, on the same texts.

    python -m benchmarks.signature_speed --raw ../shared/data --peers /path/to/python-with-rensa-and-datatrove

writes benchmarks/results/signature-speed.md. From text to signature: words, five-word shingles, 120 values (datatrove: its
14 × 8). Seconds of processor, the best of three. datasketch makes the values that ours are equal to, bit for bit, which is
checked here again; its words and shingles come from Python's `re`, as its users write them.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import datasketch
import numpy as np
import xxhash

from benchmarks.dedup_pages import passages
from textmill.pipelines.text.shingles import PERMUTATIONS, SHINGLE, minhash, shingle_hashes
from textmill.pipelines.text.words import read_words

ROOT = Path(__file__).parents[1]
WORD = re.compile(r"\w+")
TEXTS = 300
BATCH = 100


def ours(texts: Sequence[str]) -> np.ndarray:
    return np.concatenate([minhash(*shingle_hashes(read_words(texts[n:n + BATCH]))) for n in range(0, len(texts), BATCH)])


def shingles(text: str) -> list[bytes]:
    words = WORD.findall(text.lower())
    return [" ".join(words[n:n + SHINGLE]).encode() for n in range(max(1, len(words) - SHINGLE + 1))]


def plain_datasketch(texts: Sequence[str], hashed: Callable[[bytes], int] | None) -> np.ndarray:
    """A sketch a text; `hashed` None is its own default, SHA-1."""
    one = {"hashfunc": hashed} if hashed else {}
    made = []
    for text in texts:
        sketch = datasketch.MinHash(num_perm=PERMUTATIONS, seed=1, scheme="affine32", **one)
        sketch.update_batch(shingles(text))
        made.append(sketch.hashvalues)
    return np.stack(made)


def short_hash(data: bytes) -> int:
    return xxhash.xxh3_64_intdigest(data) & 0xFFFFFFFF


def seconds(work: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


# Run by the peers' Python: prints {name: seconds of processor}.
PEERS = '''
import json, re, sys, time
from datatrove.pipeline.dedup import MinhashDedupSignature
from rensa import RMinHash
texts = json.load(open(sys.argv[1]))
word = re.compile(r"\\w+")
def rensa():
    for text in texts:
        words = word.findall(text.lower())
        sketch = RMinHash(num_perm=120, seed=1)
        sketch.update([" ".join(words[n:n + 5]) for n in range(max(1, len(words) - 4))])
        sketch.digest()
step = MinhashDedupSignature(sys.argv[1] + ".unused")
def datatrove():
    for text in texts:
        step.get_signature(step.get_shingles(text))
def seconds(work):
    best = 1e9
    for _ in range(3):
        start = time.process_time(); work(); best = min(best, time.process_time() - start)
    return best
print(json.dumps({"rensa 0.5 (R-MinHash)": seconds(rensa), "datatrove, 14 × 8": seconds(datatrove)}))
'''


def main() -> int | str:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--raw", type=Path, required=True, help="folder with books.jsonl.zst and prose.jsonl.zst")
    parser.add_argument("--peers", type=Path, help="a Python that has rensa and datatrove")
    given = parser.parse_args()
    texts = list(passages(given.raw))
    texts = [text for text in texts if text.isascii()][:TEXTS]
    if not np.array_equal(ours(texts), plain_datasketch(texts, short_hash)):
        return "our signatures are not datasketch's"
    found = {"ours": seconds(lambda: ours(texts)),
             "datasketch 2.0, affine32, xxh3": seconds(lambda: plain_datasketch(texts, short_hash)),
             "datasketch 2.0, affine32, SHA-1": seconds(lambda: plain_datasketch(texts, None))}
    if given.peers:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "texts.json").write_text(json.dumps(texts))
            said = subprocess.check_output([given.peers, "-c", PEERS, f"{folder}/texts.json"], text=True)
        found |= json.loads(said.strip().splitlines()[-1])
    words = sum(len(WORD.findall(text)) for text in texts)
    lines = ["| signatures by | texts a second | MB of text a second | beside ours |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {len(texts) / used:,.0f} | {sum(map(len, texts)) / 1e6 / used:.1f} | {found['ours'] / used:.2f} × |"
              for name, used in found.items()]
    lines += ["", f"{len(texts):,} texts of {words / len(texts):.0f} words on average, one core, from text to signature; "
              f"{date.today()}."]
    table = "\n".join(lines) + "\n"
    print(table)
    (ROOT / "benchmarks/results/signature-speed.md").write_text(table, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
