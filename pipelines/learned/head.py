"""Publication of a trained head as a classifier of the data folder: bytes are copied, nothing is computed.

Guarantee: classifier.json, which measure's receipt has the hash of, names the sha256 of every file beside it and is written
last, so a half-written classifier is an error and never a score.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textmill.base.names import name_problem
from textmill.base.sealed import seal
from textmill.base.strict import SettingsError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.texts import parse_texts
from textmill.pipelines.measure.classifier import FACTS, VERSION, folder_of
from textmill.pipelines.measure.own_model import CONFIG, KIND, TOKENIZER, WEIGHTS


def check_publication(name: str, classes: Sequence[str], positive: Sequence[str]) -> None:
    """SettingsError with every reason why a head of these classes cannot be published like this; no classes: scores."""
    problems = []
    if problem := name_problem("the classifier's name", name):
        problems.append(problem)
    try:
        positive_classes(classes, positive)
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems)


def publish_head(data: Folder, name: str, run: Path, card: Mapping[str, Any], positive: Sequence[str]) -> str:
    """Write the head of a run to DATA/classifiers/NAME/; a line that says so. SettingsError as `check_publication`."""
    check_publication(name, card.get("classes", ()), positive)
    checkpoint, texts = run / card["checkpoint"], str(card["texts"]["file"])
    places = {CONFIG: checkpoint / CONFIG, WEIGHTS: checkpoint / WEIGHTS, TOKENIZER: run / TOKENIZER}
    contents = {file: place.read_bytes() for file, place in places.items()}
    facts = {"kind": KIND, "version": VERSION, "card": dict(card),
             "positive": positive_classes(card.get("classes", ()), positive),
             "files": {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()},
             "texts": texts, "made_from": parse_texts(texts, ()).fingerprint(data)}
    for file, content in contents.items():
        data.write(f"{folder_of(name)}/{file}", content)
    data.write(f"{folder_of(name)}/{FACTS}", seal(facts))
    data.delete_leftovers()
    return f"head: published as {data.uri}/{folder_of(name)}; `measure.classifier: {name}` chooses it"


def positive_classes(classes: Sequence[str], given: Sequence[str]) -> list[str]:
    """The classes whose probability is the score: those given, or the second of 0 and 1. SettingsError for any other."""
    listed = ", ".join(classes)
    if not classes and given:
        raise SettingsError([f"--positive {given[0]}: this head predicts scores and has no classes; leave it out"])
    if unknown := [name for name in given if name not in classes]:
        raise SettingsError([f"--positive {unknown[0]}: the classes are {listed}; name one or several of them"])
    if classes and set(given) == set(classes):
        raise SettingsError([f"--positive: {', '.join(given)} are all classes, so every score would be 1; name fewer"])
    if classes and not given and list(classes) not in (["0", "1"], ["false", "true"]):
        raise SettingsError([f"--positive: say which classes the score is the probability of; there are {listed}"])
    return list(given) if given else list(classes[1:])
