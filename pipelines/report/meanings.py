"""Meanings of rules and measurements, in one phrase each, for readers of the report."""

import re

from textmill.pipelines.measure import background, classifier, declared_language, quality, repetition, rights, spam
from textmill.pipelines.measure import url as address

# Of extract, takedown and curate, whose rules are no measurements.
REASONS = {
    "record_type": "not a page: a request or crawler metadata", "content_type": "no HTML and no text",
    "http_status": "an error status or a partial page", "revisit": "a pointer to an earlier record", "empty": "no text in it",
    "too_deep": "nested deeper than the limit", "too_large": "larger than the limit",
    "damaged": "bytes that cannot be decompressed or framed", "truncated": "the file ends inside the record",
    "bad_record": "an invalid header", "bad_json": "a line that is not JSON", "missing_text": "a row without a text column",
    "bad_row": "a row that does not fit its header", "broken_quotes": "a quote that is not closed, or closed too early",
    "no_text_layer": "a PDF of pictures: no letters that can be read", "encrypted": "needs a password or is under DRM",
    "unknown_kind": "a file of no known kind", "ignored": "a file in an archive that `extract.ignore` names",
    "nested_archive": "an archive within an archive", "archive_link": "a link in an archive, which is not followed",
    "unsafe_path": "a name in an archive that leads out of it", "namespace": "a page of a wiki that is no article",
    "undecodable": "too many characters that cannot be decoded", "extractor_error": "the extractor failed on it",
    "bomb": "inflates beyond the limit", "crashed": "the parser crashed on it", "deadline": "took too long to parse",
    "out_of_memory": "took too much memory to parse", "redirect": "only redirects to another page",
    "too_nested": "more nesting than the limit", "too_many_nodes": "more tags than the limit",
    "too_many_cells": "a table row with more cells than the limit", "too_many_links": "more links than the limit",
    "no_turns": "a dialogue without turns", "empty_turn": "a dialogue with a turn that says nothing",
    "no_answer": "a dialogue in which the assistant says nothing", "tool_calls": "a dialogue that calls or defines tools",
    "unknown_role": "a dialogue with a role that no one knows", "bad_turn": "a dialogue with a turn that is no text",
    "equal_pair": "a comparison of two equal answers",
    "too_many_values": "a row with more values than the limit",
    "too_many_attributes": "more attributes than the limit", "url_blocked": "its URL is on a blocklist",
    "takedown": "listed in takedown.txt", "personal_data": "more findings than the policy allows",
    "evaluation": "contains an item of an evaluation set"}

# Measurements that share a function with others.
_SHARED = {
    "language_score": "Confidence of the language identification",
    "language_share": "Share of the excerpts identified as the text's language",
    "spam_score": "Calibrated probability that a text of one of 20 languages is spam, by the shipped model",
    "spam_phrases": "Share of words in phrases of spam: pills, gambling, loans, replicas, essays, adult, SEO",
    "wall_phrases": "Share of words in phrases of consent banners, logins, subscriptions",
    "parked_phrases": "Share of words in phrases of domains for sale and of error pages",
    "refusal_phrases": "Share of words in chatbot refusals and disclaimers",
    "template_phrases": "Share of words in unfilled placeholders",
    "boilerplate_phrases": "Share of words in phrases of consent banners, login walls, parked domains, error pages",
    "javascript_lines": "Share of lines that ask for JavaScript", "policy_lines": "Share of lines about policies and cookies",
    "lorem_ipsum": "Share of words in lorem ipsum, the dummy text"}


def measurement(name: str) -> str:
    """What a measurement is: the first phrase of its function's docstring. "" for one that says nothing.

    >>> measurement("ellipsis_lines"), measurement("top_2gram")
    ('Share of lines that end with an ellipsis', 'Share of the characters in the most frequent run of 2 words')
    """
    if shared := _SHARED.get(name):
        return shared
    if ngram := re.fullmatch(r"(top|duplicate)_(\d+)gram", name):
        runs = "the most frequent run" if ngram[1] == "top" else "repeated runs"
        return f"Share of the characters in {runs} of {ngram[2]} words"
    return re.split(r"[;.](?=\s|$)", described(name).removeprefix("[D] "))[0]


def described(name: str) -> str:
    """The whole docstring of a measurement's function, on one line; "" where it shares one with others."""
    modules = (quality, repetition, rights, spam, declared_language, address, background, classifier)
    said = next((function.__doc__ for module in modules if (function := getattr(module, name, None))), None) or ""
    return " ".join(said.split())
