"""What the rules mean, in one phrase each, for readers who did not write them."""

import re

from textmill.pipelines.measure import background, classifier, language, quality, repetition, rights, spam
from textmill.pipelines.measure import url as address

# Of extract, takedown and curate, whose rules are no measurements.
REASONS = {
    "record_type": "no page: a request or a note of the crawler", "content_type": "no HTML and no text",
    "http_status": "not the whole page", "revisit": "a pointer to an earlier record", "empty": "no text in it",
    "too_deep": "nested deeper than a page", "too_large": "larger than a page may be",
    "damaged": "bytes that cannot be decompressed or framed", "truncated": "the file ends inside the record",
    "bad_record": "a header that is none", "bad_json": "a line that is no JSON", "missing_text": "a row without a text column",
    "undecodable": "too many bytes of another charset", "extractor_error": "the extractor failed on it",
    "bomb": "inflates far more than a page does", "crashed": "the reader ended on it", "deadline": "took too long to read",
    "out_of_memory": "took too much memory to read", "redirect": "only sends on to another page",
    "too_nested": "more nesting than a page has", "too_many_nodes": "more tags than a page has",
    "too_many_cells": "a table row with more cells than one has", "too_many_links": "more links than a page has",
    "too_many_attributes": "more attributes than a page has", "url_blocked": "its address is on a list of the user's",
    "takedown": "takedown.txt takes it", "personal_data": "more findings than the policy allows",
    "evaluation": "it holds an item of an evaluation set"}

# Measurements that share a function with others.
_SHARED = {
    "language_score": "How sure the language model is of the language",
    "language_share": "Share of the excerpts that the model takes for the text's language",
    "spam_phrases": "Share of words in phrases of spam: pills, gambling, loans, adult, SEO",
    "wall_phrases": "Share of words in phrases of consent banners, logins, subscriptions",
    "parked_phrases": "Share of words in phrases of domains for sale and of error pages",
    "refusal_phrases": "Share of words in what chatbots say of themselves",
    "template_phrases": "Share of words in what was to be filled in",
    "boilerplate_phrases": "Share of words in phrases of consent banners, login walls, parked domains, error pages",
    "javascript_lines": "Share of lines that ask for JavaScript", "policy_lines": "Share of lines about policies and cookies",
    "lorem_ipsum": "Share of words in the printers' dummy text"}


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
    modules = (quality, repetition, rights, spam, language, address, background, classifier)
    said = next((function.__doc__ for module in modules if (function := getattr(module, name, None))), None) or ""
    return " ".join(said.split())
