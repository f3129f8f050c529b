"""The sample's dialogues and comparisons: their number, their form, and that no two are alike."""

import json
from collections import Counter
from itertools import combinations, pairwise

import pytest

from textmill.cli.begin import SAMPLES
from textmill.cli.options import SHIPPED

FOLDER = SHIPPED / "dialogues"
TURNS = {"system": {"user"}, "user": {"assistant"}, "assistant": {"user"}}      # who may speak after whom


def rows(name):
    return [json.loads(line) for line in (FOLDER / name).read_text("utf-8").splitlines()]


DIALOGUES, PREFERENCES = rows("dialogues.jsonl"), rows("preferences.jsonl")


def test_there_are_so_many_in_each_language():
    assert SAMPLES == ("sample", "dialogues")
    assert Counter(row["language"] for row in DIALOGUES) == {"en": 80, "de": 30, "es": 30, "fr": 30, "zh": 30}
    assert Counter(row["language"] for row in PREFERENCES) == {"en": 40, "de": 15, "es": 15, "fr": 15, "zh": 15}
    why = Counter(row["why"] for row in PREFERENCES)
    assert why.keys() == {"admits not knowing", "concise", "correct", "format", "language", "polite"} and min(why.values()) >= 10
    topics = {language: {row["topic"] for row in DIALOGUES if row["language"] == language} for language in ("en", "de", "es", "fr", "zh")}
    assert all(topics["en"] >= found and len(found) >= 15 for found in topics.values())


def test_files_are_in_order_one_row_a_line_and_every_row_has_the_same_keys():
    assert [(row["language"], row["topic"]) for row in DIALOGUES] == sorted((row["language"], row["topic"]) for row in DIALOGUES)
    assert [(row["language"], row["why"]) for row in PREFERENCES] == sorted((row["language"], row["why"]) for row in PREFERENCES)
    assert {tuple(row) for row in DIALOGUES} == {("language", "topic", "messages")}
    assert {tuple(row) for row in PREFERENCES} == {("language", "why", "prompt", "chosen", "rejected")}
    for name, found in (("dialogues.jsonl", DIALOGUES), ("preferences.jsonl", PREFERENCES)):
        assert (FOLDER / name).read_text("utf-8") == "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)


@pytest.mark.parametrize("row", DIALOGUES, ids=[f"{row['language']}-{row['topic']}-{n}" for n, row in enumerate(DIALOGUES)])
def test_roles_alternate_and_the_assistant_ends(row):
    roles = [message["role"] for message in row["messages"]]
    assert roles[0] in ("system", "user") and roles[-1] == "assistant" and 1 <= roles.count("assistant") <= 4
    assert all(second in TURNS[first] for first, second in pairwise(roles))
    texts = [message["content"] for message in row["messages"]]
    assert all(text == text.strip() and text for text in texts) and sum(map(len, texts)) < 900
    if row["topic"] == "json":
        assert all(json.loads(message["content"]) for message in row["messages"] if message["role"] == "assistant")


def test_many_have_a_system_turn_and_many_go_on():
    for language in ("en", "de", "es", "fr", "zh"):
        found = [row["messages"] for row in DIALOGUES if row["language"] == language]
        assert sum(messages[0]["role"] == "system" for messages in found) >= len(found) / 4
        assert sum(len(messages) > 3 for messages in found) >= len(found) / 5


def test_the_better_answer_is_not_known_by_its_length():
    longer = sum(len(row["chosen"]) > len(row["rejected"]) for row in PREFERENCES)
    assert longer == 44         # as sample/README.md says


def test_no_two_are_alike():
    texts = ["\n".join(message["content"] for message in row["messages"] if message["role"] != "system") for row in DIALOGUES]
    texts += [f"{row['prompt']}\n{row['chosen']}" for row in PREFERENCES]
    grams = [{text[n:n + 5] for n in range(len(text) - 4)} for text in map(str.casefold, texts)]
    alike = [(texts[a], texts[b]) for a, b in combinations(range(len(texts)), 2) if len(grams[a] & grams[b]) > 0.3 * len(grams[a] | grams[b])]
    assert alike == []
    assert all(row["chosen"] != row["rejected"] for row in PREFERENCES)
