"""The report on tokenizers, one beside the other: `tokenizers.html`, and the same figures as `tokenizers.json`.

Measured on a sample of the curated text (pieces chosen by the hash of their ids) or of files; with a file of the same
sentences in several languages, each language's premium besides.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest, read_counts
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.report.render import render
from textmill.pipelines.tokens.encode import tokenizer_file
from textmill.tokenizer import measure
from textmill.tokenizer.balance import read_parallel
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.scripts import scripts
from textmill.tokenizer.texts import read_texts
from textmill.tokenizer.training import chosen

# Mean tokens of one short sentence in GPT-4's tokenizer on MASSIVE, as published (Jun 2023): what people compare with.
PUBLISHED = {"en": 7, "hi": 32, "my": 72}


@dataclass(frozen=True)
class ModelSize:
    """A size of the bundled model, as far as its embedding is concerned."""

    width: int
    tied: bool
    other_parameters: int


@dataclass(frozen=True)
class Sample:
    """Texts to measure on, with the groups they are in."""

    texts: pa.StringArray
    languages: pa.StringArray
    sources: pa.StringArray
    of: str
    """What they are a sample of, for the page."""


def curated_sample(data: Folder, most: int) -> Sample:
    """Curated pieces of about `most` bytes, chosen by the hash of their ids. StageError where there are none."""
    curated = data / "curated"
    manifest = Manifest.read(curated)
    if manifest is None:
        raise StageError(f"there is nothing in {curated.uri} to measure on; run `textmill curate`, or give --texts FILE")
    total = read_counts(curated).get("bytes", 0)
    share = min(1.0, most / max(1, total))
    batches = [batch.filter(pa.array([chosen(id, share) for id in batch["id"].to_pylist()], pa.bool_())) if share < 1 else batch
               for part in manifest.parts for batch in read_batches(curated, part, ["id", "text", "language", "source"])]
    if not sum(batch.num_rows for batch in batches):
        raise StageError(f"{curated.uri} has no text to measure on")
    table = pa.Table.from_batches(batches)
    text, language, source = (table[name].combine_chunks() for name in ("text", "language", "source"))
    return Sample(text, language, source, f"{table.num_rows:,} curated texts of {data.uri}")


def file_sample(files: Sequence[Path], column: str, most: int) -> Sample:
    """Texts of files up to `most` characters in the order given; the source is the file."""
    texts: list[str] = []
    languages: list[str] = []
    sources: list[str] = []
    size = 0
    for path in files:
        for batch in read_texts(path, column):
            texts += batch.texts
            languages += [language or "und" for language in batch.languages]
            sources += [path.name] * len(batch.texts)
            size += sum(map(len, batch.texts))
            if size >= most:
                break
    if not texts:
        raise StageError("the files hold no text to measure on; check them and --text-column")
    return Sample(pa.array(texts), pa.array(languages), pa.array(sources),
                  f"{len(texts):,} texts of {len(files)} files")


def load(data: Folder, name: str) -> str:
    """The text of `tokenizer.json` of a name under data/tokenizers, or of a path."""
    path = Path(name)
    if "/" in name or path.suffix == ".json" or path.exists():
        return measure.load_any(path)
    return tokenizer_file(data, name, "tokenizer.json").decode()


def measured(tokenizer: str, sample: Sample, parallel: Mapping[str, pa.StringArray], reference: str,
             sizes: Mapping[str, ModelSize]) -> dict[str, Any]:
    """All figures of one tokenizer, as plain values."""
    encoder = Encoder(tokenizer)
    encoded = encoder.encode(sample.texts)
    groups = {"all": pa.array(["all"] * len(sample.texts)), "language": pc.fill_null(sample.languages, "und"),
              "script": scripts(sample.texts.cast(pa.large_string())).cast(pa.string()), "source": sample.sources}
    rows = {name: measure.by_group(encoder, sample.texts, encoded, of) for name, of in groups.items()}
    compression = measure.curve(tokenizer, sample.texts)
    return {
        "vocabulary": measure.vocabulary(encoder, measure.emitted(encoder, encoded)), "encoded_by": encoder.library,
        **rows, "all": rows["all"][0],
        "premium": measure.premiums(encoder, parallel, reference) if parallel else {},
        "curve": [{"tokens": int(tokens), "bytes_per_token": bytes_per_token, "embedding_share": {
            name: measure.embedding_share(int(tokens), size.width, size.tied, size.other_parameters)
            for name, size in sizes.items()}} for tokens, bytes_per_token in compression.items()],
        "probes": measure.probes(encoder)}


def publish(data: Folder, names: Sequence[str], sample: Sample, parallel_file: Path | None, reference: str,
            sizes: Mapping[str, ModelSize]) -> Iterator[str]:
    """Write DATA/report/tokenizers.html and tokenizers.json; a line for each tokenizer, and where they are."""
    parallel = read_parallel(parallel_file) if parallel_file else {}
    figures = {shown(name): measured(load(data, name), sample, parallel, reference, sizes) for name in names}
    facts = {"sample": sample.of, "bytes": int(pc.sum(pc.binary_length(sample.texts)).as_py() or 0), "reference": reference,
             "tokenizers": figures}
    widest = max((own["premium"] for of in figures.values() for own in of["premium"].values()), default=1.0)
    blocks = [str(block) for block in measure.BLOCKS]
    context = facts | {
        "names": list(figures), "parallel": parallel_file.name if parallel_file else None, "published": PUBLISHED,
        "widest": widest, "blocks": blocks if len(figures) == 1 else blocks[:1], "sizes": list(sizes)}
    folder = data / "report"
    folder.write("tokenizers.json", (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode())
    folder.write("tokenizers.html", render("tokenizers.html", context).encode())
    for name, of in figures.items():
        worst = max(of["premium"].items(), key=lambda item: item[1]["premium"], default=None)
        premium = f"; worst premium {worst[1]['premium']:.2f} ({worst[0]})" if worst else ""
        yield (f"{name}: {of['vocabulary']['tokens']:,} tokens, {of['all']['bytes_per_token']:.2f} bytes per token{premium}; "
               f"{of['vocabulary']['never']:,} tokens never used here")
    yield f"{folder.uri}/tokenizers.html, tokenizers.json"


def shown(name: str) -> str:
    """A tokenizer's name without the folders before it."""
    path = Path(name)
    return path.parent.name if path.name == "tokenizer.json" and path.parent.name else path.name
