"""What the rules mean, in one phrase each, for readers who did not write them."""

import re

from pipelines.measure import language, quality, repetition, rights, spam

# Of extract and curate, whose rules are no measurements.
REASONS = {
    "record_type": "no page: a request or a note of the crawler", "content_type": "no HTML and no text",
    "http_status": "not the whole page", "revisit": "a pointer to an earlier record", "empty": "no text in it",
    "too_deep": "nested deeper than a page", "too_large": "larger than a page may be",
    "damaged": "bytes that cannot be decompressed or framed", "truncated": "the file ends inside the record",
    "bad_record": "a header that is none", "bad_json": "a line that is no JSON", "missing_text": "a row without a text column",
    "undecodable": "too many bytes of another charset", "extractor_error": "the extractor failed on it",
    "personal_data": "more findings than the policy allows"}

# Measurements that share a function with others.
_SHARED = {
    "language_score": "How sure the language model is of the language",
    "spam_phrases": "Share of words in phrases of spam: pills, gambling, loans, adult, SEO",
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
    functions = (getattr(module, name, None) for module in (quality, repetition, rights, spam, language))
    said = next((function.__doc__ for function in functions if function), None) or ""
    return re.split(r"[;.](?=\s|$)", " ".join(said.split()).removeprefix("[D] "))[0]
