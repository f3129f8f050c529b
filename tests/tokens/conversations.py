"""Random conversations without a special token in them, and a batch of curated rows that holds them between pages."""

import random

import pyarrow as pa

from textmill.pipelines.curate.rows import CURATED
from textmill.tokenizer.special import BREAK

PIECES = ("grind", " the rye", " ", "  ", "\n", "\n\n", "Säcke ", "粉屋は", "ميلر ", "👩‍🌾", "1234", "<", "|>", "<|us", BREAK, '"', "\\", "{x}",
          "\ufeff", "'s", "é", "```py\n", "-- ")


def conversations(count: int, seed: int = 1) -> list[list[dict[str, str]]]:
    """So many, each of 2 to 9 turns: perhaps a system turn, then users and others with the assistant's in any order, at least one of his."""
    rng, made = random.Random(seed), []
    for _ in range(count):
        roles = [rng.choice(["user", "assistant", "assistant", "tool", "developer"]) for _ in range(rng.randint(0, 6))]
        roles = ["system"] * (rng.random() < .3) + ["user", *roles, "assistant"]
        made.append([{"role": role, "content": "".join(rng.choices(PIECES, k=rng.randint(1, 12)))} for role in roles])
    return made


def curated_rows(listed: list[list[dict[str, str]]], source: str = "chats") -> pa.RecordBatch:
    """The rows of `curated` of these conversations, every fifth row a page."""
    rows = []
    for number, messages in enumerate(listed):
        if number % 4 == 0:
            rows.append({"text": f"A page, number {number}.", "source": "pages", "turns": None})
        turns, start = [], 0
        for message in messages:
            turns.append({"role": message["role"], "start": start, "end": start + len(message["content"])})
            start = turns[-1]["end"] + 2
        rows.append({"text": "\n\n".join(message["content"] for message in messages), "source": source, "turns": turns})
    return pa.RecordBatch.from_pylist([{"id": f"{n:032x}", "piece": 0, "pieces": 1, "language": "en"} | row
                                       for n, row in enumerate(rows)], CURATED)
