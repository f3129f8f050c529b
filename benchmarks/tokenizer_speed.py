"""Training and encoding beside the libraries of others: processor seconds, peak memory, and whether the ids are the same.

    pip install rustbpe bpeasy tokie tiktoken
    python -m benchmarks.tokenizer_speed corpus --shared ../shared/data --to CORPUS [--code FOLDER ...]
    python -m benchmarks.tokenizer_speed all --corpus CORPUS

writes benchmarks/results/tokenizer-training.md and tokenizer-encoding.md. A corpus is a Parquet file of texts: the books,
prose, instructions, pages and mail of the development data, and source files where folders are given. Each measurement is a
process of its own; reading the corpus is counted in all of them alike.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.good_texts import json_lines
from textmill.tokenizer.bpe import END_OF_TEXT, character_of_byte, token_bytes
from textmill.tokenizer.patterns import PATTERNS
from textmill.tokenizer.settings import TokenizerSettings

RESULTS = Path(__file__).parents[1] / "benchmarks/results"
PATTERN = "gpt-4o"
ENDINGS = (".py", ".go", ".h", ".md", ".rst", ".txt", ".java", ".js")


def texts_of(shared: Path, code: list[Path]) -> Iterator[str]:
    for name in ("books", "prose", "instruct", "spam"):
        for row in json_lines(shared / f"{name}.jsonl.zst"):
            yield row.get("text") or "\n".join(message["content"] for message in row.get("messages", []))
    for name in ("crawl/gold.parquet", "wcxb/gold.parquet"):
        yield from pq.read_table(shared / name, columns=["text"])["text"].drop_null().to_pylist()
    for folder in code:
        for path in sorted(folder.rglob("*")):
            if path.suffix in ENDINGS and path.is_file() and not path.is_symlink() and 200 < path.stat().st_size < 1 << 20:
                yield path.read_text("utf-8", "replace")


def batches(corpus: str, limit: float) -> Iterator[list[str]]:
    """The first `limit` bytes of a corpus, some texts at a time."""
    size = 0
    for batch in pq.ParquetFile(corpus).iter_batches(64):
        size += pc.sum(pc.binary_length(batch["text"])).as_py()
        yield batch["text"].to_pylist()
        if size >= limit:
            return


def train_textmill(corpus: str, limit: float, size: int) -> int:
    from textmill.tokenizer.training import train
    return len(token_bytes(train(batches(corpus, limit), TokenizerSettings(size, PATTERN, [END_OF_TEXT]))))


def train_tokenizers(corpus: str, limit: float, size: int) -> int:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERNS[PATTERN]), "isolated"),
                                                     pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    trained.train_from_iterator(batches(corpus, limit), trainers.BpeTrainer(
        vocab_size=size - 1, min_frequency=2, special_tokens=[], show_progress=False, initial_alphabet=character_of_byte))
    return trained.get_vocab_size() + 1


def train_rustbpe(corpus: str, limit: float, size: int) -> int:
    import rustbpe
    trained = rustbpe.Tokenizer()
    trained.train_from_iterator((text for batch in batches(corpus, limit) for text in batch), size - 1,
                                pattern=PATTERNS[PATTERN])
    return len(trained.get_mergeable_ranks()) + 1


def train_bpeasy(corpus: str, limit: float, size: int) -> int:
    import bpeasy
    texts = (text for batch in batches(corpus, limit) for text in batch)
    return len(bpeasy.train_bpe(texts, PATTERNS[PATTERN], 256, size - 1)) + 1


TRAINERS: dict[str, Callable[[str, float, int], int]] = {
    "textmill": train_textmill, "tokenizers": train_tokenizers, "rustbpe": train_rustbpe, "bpeasy": train_bpeasy}


def encode_textmill(tokenizer: str, texts: pa.Array) -> Callable[[], Any]:
    from textmill.tokenizer.encoder import Encoder
    encoder = Encoder(tokenizer)
    return lambda: encoder.encode(texts)


def encode_tokenizers(tokenizer: str, texts: pa.Array) -> Callable[[], Any]:
    from tokenizers import Tokenizer
    loaded, strings = Tokenizer.from_str(tokenizer), texts.to_pylist()
    loaded.encode_special_tokens = True
    return lambda: [one.ids for one in loaded.encode_batch_fast(strings, add_special_tokens=False)]


def encode_tiktoken(tokenizer: str, texts: pa.Array) -> Callable[[], Any]:
    import tiktoken
    ranks = {token: number for number, token in enumerate(token_bytes(tokenizer)) if token}
    loaded = tiktoken.Encoding("ours", pat_str=PATTERNS[PATTERN], mergeable_ranks=ranks, special_tokens={})
    strings = texts.to_pylist()
    return lambda: loaded.encode_ordinary_batch(strings, num_threads=int(os.environ["RAYON_NUM_THREADS"]))


def encode_gigatoken(tokenizer: str, texts: pa.Array) -> Callable[[], Any]:
    from gigatoken import Tokenizer
    loaded, strings = Tokenizer.from_json(json.dumps(json.loads(tokenizer) | {"added_tokens": []})), texts.to_pylist()
    return lambda: loaded.encode_batch_list(strings, parallel=os.environ["RAYON_NUM_THREADS"] != "1")


def encode_tokie(tokenizer: str, texts: pa.Array) -> Callable[[], Any]:
    import tokie
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_text(tokenizer, "utf-8")
        loaded = tokie.Tokenizer.from_json(str(path))
    strings = texts.to_pylist()
    return lambda: loaded.encode_batch(strings, add_special_tokens=False)


ENCODERS: dict[str, Callable[[str, pa.Array], Callable[[], Any]]] = {
    "textmill": encode_textmill, "gigatoken": encode_gigatoken, "tiktoken": encode_tiktoken, "tokie": encode_tokie,
    "tokenizers": encode_tokenizers}


def digest(ids: Any) -> tuple[int, list[int]]:
    """Tokens, and the numbers of the texts whose ids could differ: a hash of each text's ids."""
    rows = ids.to_pylist() if hasattr(ids, "to_pylist") else [list(getattr(row, "ids", row)) for row in ids]
    return sum(map(len, rows)), [hash(tuple(row)) for row in rows]


def measure(job: str, name: str, corpus: str, limit: float, size: int, tokenizer: str) -> dict[str, Any]:
    """One measurement, in this process."""
    if job == "train":
        start, clock = time.process_time(), time.monotonic()
        tokens = TRAINERS[name](corpus, limit, size)
        result: dict[str, Any] = {"tokens": tokens}
    else:
        texts = pa.array([text for batch in batches(corpus, limit) for text in batch])
        encode = ENCODERS[name](Path(tokenizer).read_text("utf-8"), texts)
        start, clock = time.process_time(), time.monotonic()
        ids = encode()
    result = {"cpu": time.process_time() - start, "wall": time.monotonic() - clock,
              "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3} | (result if job == "train" else {})
    if job == "encode":
        result["tokens"], result["hashes"] = digest(ids)
    return result


def in_process(keep: Path | None = None, **given: Any) -> dict[str, Any]:
    """One measurement, in a process of its own; a library that is not installed or fails is told. `keep`: where it is kept."""
    kept = keep / f"{given['job']}-{given['name']}-{given['limit']:.0f}-{given.get('threads', 1)}.json" if keep else None
    if kept and kept.exists():
        return json.loads(kept.read_text())
    arguments = [argument for key, value in given.items() if key != "threads" for argument in (f"--{key}", str(value))]
    environment = os.environ | {"RAYON_NUM_THREADS": str(given.get("threads", 1)), "PYTHONHASHSEED": "0",
                                "TOKENIZERS_PARALLELISM": "true" if given.get("threads", 1) > 1 else "false"}
    ran = subprocess.run([sys.executable, "-m", "benchmarks.tokenizer_speed", "one", *arguments], capture_output=True,
                         text=True, env=environment)
    print(given, ran.stdout[:120].strip() or ran.stderr.strip().splitlines()[-1:], file=sys.stderr)
    if kept and ran.returncode == 0:
        kept.write_text(ran.stdout)
    return json.loads(ran.stdout) if ran.returncode == 0 else {"error": (ran.stderr.strip().splitlines() or ["?"])[-1]}


def released(name: str) -> str:
    return f"{name} {version(name)}"


def training_table(corpus: str, limits: list[float], keep: Path | None) -> str:
    lines = [f"Pattern {PATTERN}, one thread, the same texts from Parquet; {date.today()}.", "",
             "| trainer | texts | vocabulary | processor s | peak MB |", "|---|---:|---:|---:|---:|"]
    for limit in limits:
        for name in TRAINERS:
            of = in_process(keep, job="train", name=name, corpus=corpus, limit=limit, size=32768)
            cells = f"{of['cpu']:.1f} | {of['peak']:,.0f}" if "cpu" in of else f"{of['error'][:60]} | "
            lines.append(f"| {released(name)} | {limit / 1e6:,.0f} MB | {of.get('tokens', 0):,} | {cells} |")
    return "\n".join(lines) + "\n"


def encoding_table(corpus: str, limit: float, tokenizer: str) -> str:
    lines = [f"{limit / 1e6:,.0f} MB, a vocabulary of 32,768, pattern {PATTERN}; {date.today()}. textmill's ids come as Arrow "
             "arrays, those of the others as Python lists. Ids are compared with Hugging Face's tokenizers.", "",
             "| encoder | MB a processor second | with two threads, MB/s | texts with other ids |", "|---|---:|---:|---:|"]
    one = {name: in_process(job="encode", name=name, corpus=corpus, limit=limit, tokenizer=tokenizer) for name in ENCODERS}
    expected = one["tokenizers"]["hashes"]
    for name, of in one.items():
        if "error" in of:
            lines.append(f"| {released(name)} | {of['error'][:60]} | | |")
            continue
        two = in_process(job="encode", name=name, corpus=corpus, limit=limit, tokenizer=tokenizer, threads=2)
        other = sum(a != b for a, b in zip(of["hashes"], expected, strict=True))
        lines.append(f"| {released(name)} | {limit / 1e6 / of['cpu']:.1f} | {limit / 1e6 / two['wall']:.1f} | {other:,} of "
                     f"{len(expected):,} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("corpus", "one", "training", "encoding", "all"))
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--code", type=Path, nargs="*", default=[])
    parser.add_argument("--to", type=Path)
    parser.add_argument("--job", default="")
    parser.add_argument("--name", default="")
    parser.add_argument("--corpus", default="")
    parser.add_argument("--limit", type=float, default=100e6)
    parser.add_argument("--limits", type=float, nargs="*", default=[100e6, 1e9])
    parser.add_argument("--keep", type=Path, help="a folder for measurements, so that a run that was stopped goes on")
    parser.add_argument("--size", type=int, default=32768)
    parser.add_argument("--tokenizer", default="")
    given = parser.parse_args()
    if given.what == "corpus":
        table = pa.table({"text": list(texts_of(given.shared, given.code))})
        pq.write_table(table, given.to, row_group_size=50, compression="zstd")
    elif given.what == "one":
        print(json.dumps(measure(given.job, given.name, given.corpus, given.limit, given.size, given.tokenizer)))
    if given.what in ("training", "all"):
        (RESULTS / "tokenizer-training.md").write_text(training_table(given.corpus, given.limits, given.keep), "utf-8")
    if given.what in ("encoding", "all"):
        from textmill.tokenizer.training import train
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            file.write(train(batches(given.corpus, given.limit), TokenizerSettings(32768, PATTERN, [END_OF_TEXT])))
            file.flush()
            (RESULTS / "tokenizer-encoding.md").write_text(encoding_table(given.corpus, given.limit, file.name), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
