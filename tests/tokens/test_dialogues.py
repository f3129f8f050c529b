"""Dialogues as tokens: exactly what the chat template gives, and places that are the assistant mask of transformers."""

import numpy as np
import pyarrow as pa
import pytest

from tests.tokenizer.test_chat import ENCODER, TEXTS, by_template, theirs  # noqa: F401  (a fixture)
from tests.tokens.conversations import conversations, curated_rows
from textmill.pipelines.tokens.encode import encoded
from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.chat import render, render_turns
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.training import TokenizerSettings, train


def test_a_thousand_conversations_are_the_templates_token_by_token(theirs):  # noqa: F811
    listed = conversations(1000)
    curated = curated_rows(listed)
    tokens, turns = encoded(curated, ENCODER)
    pages = [n for n in range(len(turns)) if not turns[n].is_valid]
    assert len(pages) == 250 and [tokens[n].as_py() for n in pages] == ENCODER.encode(curated["text"].take(pages)).to_pylist()
    dialogues = (n for n in range(len(turns)) if turns[n].is_valid)
    for messages, n in zip(listed, dialogues, strict=True):
        ids, places = [ENCODER.end_of_text, *tokens[n].as_py()], turns[n].as_py()
        template_ids, template_mask = by_template(theirs, messages)
        assert ids == template_ids == render(messages, ENCODER)[0].tolist()
        mask = np.zeros(len(ids), int)
        for place in places:
            if place["role"] == "assistant":
                mask[place["start"] + 1:place["end"] + 1] = 1        # end-of-text comes before
        assert mask.tolist() == template_mask
        said = [ENCODER.decode(ids[place["start"] + 1:place["end"]]).decode() for place in places]
        assert said == [message["content"] for message in messages] and [place["role"] for place in places] == [m["role"] for m in messages]
        assert all(ids[place["end"]] == ENCODER.special["<|end|>"] for place in places)


def test_batches_of_pages_only_of_dialogues_only_and_of_nothing():
    curated = curated_rows(conversations(9))
    whole = encoded(curated, ENCODER)
    for some in (pa.array(rows, pa.int64()) for rows in ([0, 5, 10], [1, 2, 3, 4], [])):
        assert [column.to_pylist() for column in encoded(curated.take(some), ENCODER)] == [column.take(some).to_pylist() for column in whole]


def test_a_tokenizer_without_chat_tokens_is_refused_in_words():
    encoder = Encoder(train(TEXTS, TokenizerSettings(vocab_size=300, special_tokens=("<|endoftext|>", "<|user|>"))), fast=False)
    with pytest.raises(TokenizerError, match=r"this tokenizer has no <\|system\|>, <\|developer\|>, <\|assistant\|>, .*, which chat needs; train one"):
        render_turns([], pa.array([], pa.string()), np.zeros(0, int), encoder)
