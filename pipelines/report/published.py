"""Published language statistics for comparison: shares of Common Crawl and numbers of speakers.

Lai et al. 2023, "ChatGPT Beyond English", table 1: the languages that are over 1 % of Common Crawl. Codes are lid.176's.
"""

# Share of Common Crawl's pages.
COMMON_CRAWL = {"en": 0.4588, "ru": 0.0597, "de": 0.0588, "zh": 0.0487, "ja": 0.0479, "fr": 0.0473, "es": 0.0447, "it": 0.0257,
                "nl": 0.0206, "pl": 0.0166, "pt": 0.0115, "vi": 0.0103}
# People who speak it, as a first or further language, in millions; Ethnologue's, as quoted there.
SPEAKERS = {"en": 1452, "ru": 258, "de": 134, "zh": 1118, "ja": 125, "fr": 274, "es": 548, "it": 68, "nl": 30, "pl": 45,
            "pt": 257, "vi": 85}
