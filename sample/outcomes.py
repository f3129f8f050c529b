"""What must become of each kind of record: the one place where names of stages and rules are spelled."""

REPEATS = ["top_2gram", "top_3gram", "top_4gram", *(f"duplicate_{n}gram" for n in range(5, 11)), "compression_ratio"]
NO_PROSE = ["stop_words", "stop_word_share"]

# what -> (becomes, stage, acceptable rules). A rejected record must break at least one of the rules.
OUTCOMES: dict[str, tuple[str, str | None, list[str]]] = {
    # stays
    "good": ("curated", None, []),
    "personal_data": ("curated", None, []),
    "hard_negatives": ("curated", None, []),
    "noindex": ("curated", None, []),
    "similar_pair": ("curated", None, []),
    "compressed": ("curated", None, []),
    "charset": ("curated", None, []),
    # goes in extract
    "warcinfo": ("rejected", "extract", ["record_type"]),
    "request": ("rejected", "extract", ["record_type"]),
    "metadata": ("rejected", "extract", ["record_type"]),
    "revisit": ("rejected", "extract", ["revisit"]),
    "http_error": ("rejected", "extract", ["http_status"]),
    "redirect": ("rejected", "extract", ["http_status"]),
    "not_html": ("rejected", "extract", ["content_type"]),
    "empty": ("rejected", "extract", ["empty"]),
    "too_deep": ("rejected", "extract", ["too_deep"]),
    "broken_row": ("quarantined", "extract", ["bad_json"]),
    "row_without_text": ("quarantined", "extract", ["missing_text"]),
    "broken_member": ("quarantined", "extract", ["damaged"]),
    "truncated": ("quarantined", "extract", ["truncated"]),
    # goes in screen
    "opt_out_noai": ("rejected", "screen", ["noai"]),
    "opt_out_tdm": ("rejected", "screen", ["tdm_reservation"]),
    "thin": ("rejected", "screen", ["word_count", "boilerplate_phrases"]),
    "spam_keywords": ("rejected", "screen", [*REPEATS, *NO_PROSE, "top_term_share"]),
    "spam_links": ("rejected", "screen", [*REPEATS, *NO_PROSE, "top_term_share", "link_density",
                                          "terminal_punctuation_lines"]),
    "spam_doorway": ("rejected", "screen", [*REPEATS, "spam_phrases"]),
    "spam_gibberish": ("rejected", "screen", NO_PROSE),
    "spam_template": ("rejected", "screen", [*REPEATS, "top_term_share"]),
    # goes in dedup
    "record_copy": ("rejected", "dedup", ["duplicate_record"]),
    "url_copy": ("rejected", "dedup", ["duplicate_url"]),
    "exact_copy": ("rejected", "dedup", ["duplicate_exact"]),
    "near_copy": ("rejected", "dedup", ["duplicate_near"]),
}
