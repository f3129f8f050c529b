"""A batch of documents in, its signals out: everything a later decision may need, from one pass over the text.

The output depends on each document alone: not on its neighbours, the size of the batch or how work is cut.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from textmill.base.strict import SettingsError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.measure import quality, repetition, rights, spam
from textmill.pipelines.measure import url as address
from textmill.pipelines.measure.background import (
    Background,
    background_bytes,
    character_surprise,
    read_background,
    term_surplus,
)
from textmill.pipelines.measure.classifier import Classifier, classifier_score, facts_bytes, read_classifier
from textmill.pipelines.measure.declared_language import alike, declared_language_differs
from textmill.pipelines.measure.form import form
from textmill.pipelines.measure.language import Identified, identified
from textmill.pipelines.measure.language_model import LanguageIdentifier, find_model
from textmill.pipelines.measure.own_model import OwnModel, library_versions
from textmill.pipelines.measure.personal.find import find_personal_data
from textmill.pipelines.measure.personal.presidio import NameFinder, model_versions
from textmill.pipelines.measure.phrases import PHRASES, STOP_WORDS, Phrases, StopTerms, shipped_phrases, stop_terms
from textmill.pipelines.measure.scripts import script
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.measure.spam_model import FILE as SPAM_MODEL
from textmill.pipelines.measure.spam_model import shipped_spam_model
from textmill.pipelines.text import shingles as sketch
from textmill.pipelines.text.slices import slices
from textmill.pipelines.text.words import Words, read_words

_OF_WORDS: tuple[Callable[[Words], np.ndarray], ...] = (
    quality.word_count, quality.mean_word_length, quality.longest_word, quality.hash_word_ratio,
    quality.ellipsis_word_ratio, quality.bullet_lines, quality.ellipsis_lines, quality.alphabetic_words,
    quality.terminal_punctuation_lines, quality.short_lines, quality.newline_ratio, quality.sentence_count,
    quality.mean_sentence_words, quality.unfinished_paragraphs, quality.curly_braces, quality.uppercase_share,
    quality.digit_share, quality.symbol_share, quality.emoji_share, quality.replacement_characters, quality.compression_ratio,
    repetition.duplicate_lines, repetition.duplicate_line_chars, repetition.duplicate_paragraphs,
    repetition.duplicate_paragraph_chars)
_OF_STOP_WORDS: tuple[Callable[[Words, StopTerms], np.ndarray], ...] = (
    quality.stop_words, quality.stop_word_share, quality.top_term_share)
_OF_DOCUMENTS: tuple[Callable[[pa.RecordBatch], np.ndarray], ...] = (
    spam.page_link_density, address.host_length, address.host_dots, address.host_hyphens, address.host_digits,
    rights.noai, rights.noindex, rights.tdm_reservation, rights.paywalled)

MEASUREMENTS: tuple[str, ...] = (
    *(function.__name__ for function in (*_OF_WORDS, *_OF_STOP_WORDS)),
    *(f"top_{length}gram" for length in repetition.TOP),
    *(f"duplicate_{length}gram" for length in repetition.DUPLICATE),
    "spam_phrases", "wall_phrases", "parked_phrases", "refusal_phrases", "template_phrases", "boilerplate_phrases",
    "javascript_lines", "policy_lines", "lorem_ipsum", "url_spam_phrases", "link_density", "link_word_ratio",
    *(function.__name__ for function in _OF_DOCUMENTS),
    "declared_language_differs", "language_share", "spam_score", "character_surprise", "term_surplus", "classifier_score")
RULE_MEASUREMENTS = ("language_score", *MEASUREMENTS)       # the columns that a rule may bound

FINDING = pa.struct([("kind", pa.string()), ("start", pa.int32()), ("end", pa.int32())])
SIGNALS = pa.schema([
    pa.field("id", pa.string(), nullable=False),
    pa.field("language", pa.string(), nullable=False),
    pa.field("language_score", pa.float32(), nullable=False),
    pa.field("language_guess", pa.string(), nullable=False), pa.field("language_guess_score", pa.float32(), nullable=False),
    pa.field("language_cld2", pa.string()),
    pa.field("language_cld2_share", pa.float32()), pa.field("language_agreed", pa.bool_()),
    pa.field("script", pa.string(), nullable=False),
    pa.field("form", pa.string()),
    *(pa.field(name, pa.float64()) for name in MEASUREMENTS),
    pa.field("content_hash", pa.binary(16), nullable=False),
    pa.field("shingles", pa.int32(), nullable=False),
    pa.field("minhash", pa.list_(pa.uint32(), sketch.PERMUTATIONS), nullable=False),
    pa.field("findings", pa.list_(FINDING), nullable=False),
])

@dataclass(frozen=True)
class MeasureTools:
    """Models and tables for measuring; one per process."""

    settings: MeasureSettings
    model: LanguageIdentifier
    phrases: Phrases
    background: Background
    classifier: Classifier | OwnModel | None
    names: NameFinder | None = None


def open_tools(settings: MeasureSettings, data: Folder | None = None) -> MeasureTools:
    """Models and tables, loaded; the named ones from the data folder.

    SettingsError, with the cure, where one is missing or invalid."""
    path = find_model(settings.language_model)
    try:
        model = LanguageIdentifier(path)
    except ValueError as error:
        raise SettingsError([f"measure.language_model: {path} is not a fastText model ({error})"]) from None
    names = (NameFinder(settings.presidio_models, settings.presidio_entities, settings.min_presidio_score)
             if settings.presidio_models else None)
    return MeasureTools(settings, model, shipped_phrases(),
                 read_background(data, settings.background) if data and settings.background else {},
                 read_classifier(data, settings.classifier) if data and settings.classifier else None,
                 names)


def table_hashes(settings: MeasureSettings, data: Folder | None = None) -> Mapping[str, str]:
    """sha256 of every file that shapes the signals, by name, for the fingerprint. SettingsError where one is missing."""
    files = {"language_model": find_model(settings.language_model), "phrases": PHRASES, "stop_words": STOP_WORDS,
             "spam_model": SPAM_MODEL}
    hashes = {name: hashlib.sha256(Path(path).read_bytes()).hexdigest() for name, path in files.items()}
    if data and settings.background:
        hashes["background"] = hashlib.sha256(background_bytes(data, settings.background)).hexdigest()
    if data and settings.classifier:
        facts = facts_bytes(data, settings.classifier)
        hashes["classifier"] = hashlib.sha256(facts).hexdigest()            # names its model's hash
        hashes |= library_versions(facts)
    return hashes | model_versions(settings.presidio_models)


def measure_batch(documents: pa.RecordBatch, tools: MeasureTools) -> pa.RecordBatch:
    """The SIGNALS row of each row of `documents`, in the same order."""
    cuts = slices(documents["text"])
    measured = [_measure(documents.slice(start, end - start), tools) for start, end in cuts]
    if not measured:
        return pa.RecordBatch.from_pylist([], SIGNALS)
    return pa.Table.from_batches(measured).combine_chunks().to_batches()[0]


def _measure(documents: pa.RecordBatch, tools: MeasureTools) -> pa.RecordBatch:
    texts = documents["text"].to_pylist()
    words = read_words(texts)
    settings = tools.settings
    voices = identified(words, tools.model, settings.min_language_score, settings.min_language_letters,
                        settings.min_language_letter_share)
    found = voices.languages
    scripts, stop = script(words), stop_terms(words, found)
    measured: dict[str, np.ndarray] = {
        **{function.__name__: function(words) for function in _OF_WORDS},
        **{function.__name__: function(words, stop) for function in _OF_STOP_WORDS},
        **{function.__name__: function(documents) for function in _OF_DOCUMENTS},
        **repetition.repeated_ngrams(words),
        **spam.phrase_shares(words, tools.phrases),
        "url_spam_phrases": address.url_spam_phrases(documents, tools.phrases),
        "link_density": spam.link_density(documents, words),
        "link_word_ratio": spam.link_word_ratio(documents, words),
        "language_share": voices.shares,
        "spam_score": shipped_spam_model().score(words, found),
        **_by_named_inputs(words, found, scripts, tools),
        "declared_language_differs": declared_language_differs(documents["declared_language"].to_pylist(), found),
    }
    offsets, hashes = sketch.shingle_hashes(words)
    signatures = pa.array(sketch.minhash(offsets, hashes).reshape(-1))
    columns = [
        documents["id"], pa.array(found), pa.array(voices.scores), *_voices(voices), pa.array(scripts),
        form(words, stop),
        *(pa.array(measured[name], pa.float64(), from_pandas=True) for name in MEASUREMENTS),     # NaN becomes null
        pa.array(sketch.content_hashes(texts), pa.binary(16)),
        pa.array(np.diff(offsets).astype(np.int32)),
        pa.FixedSizeListArray.from_arrays(signatures, sketch.PERMUTATIONS),
        _findings(find_personal_data(texts, found, documents["host"].to_pylist(), tools.names)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SIGNALS)


def _voices(voices: Identified) -> Iterator[pa.Array]:
    """The columns of both voices: the model's guess and score, CLD2's opinion and share, and whether they agree."""
    sure = [opinion if opinion.reliable else None for opinion in voices.opinions]
    yield pa.array([guess.language for guess in voices.guesses])
    yield pa.array([guess.score for guess in voices.guesses], pa.float32())
    yield pa.array([opinion and opinion.language for opinion in sure], pa.string())
    yield pa.array([opinion and opinion.share for opinion in sure], pa.float32())
    yield pa.array([opinion and alike(guess.language, opinion.language)
                    for guess, opinion in zip(voices.guesses, sure, strict=True)], pa.bool_())


def _by_named_inputs(words: Words, found: Sequence[str], scripts: Sequence[str],
                     tools: MeasureTools) -> Mapping[str, np.ndarray]:
    """Measurements that need a background table or a classifier: NaN without one."""
    unmeasured = np.full(len(words), np.nan)
    return {"character_surprise": character_surprise(words, found, scripts, tools.background),
            "term_surplus": term_surplus(words, found, tools.background),
            "classifier_score": classifier_score(words, tools.classifier) if tools.classifier else unmeasured}


def _findings(found: Sequence[Sequence[tuple[str, int, int]]]) -> pa.Array:
    return pa.array([[{"kind": kind, "start": start, "end": end} for kind, start, end in findings] for findings in found],
                    pa.list_(FINDING))
