"""Texts on which two encoders are compared before the faster is trusted: what patterns and merges tell apart."""

import pyarrow as pa

_TEXTS = [
    "The quick brown fox don't jump over they'LL I'VE 'ſ 'S it's HTTPServer camelCase SHOUTING İstanbul ǅungla ʰello naïve",
    "  two  spaces\tand\t\ttabs \n\n newlines\r\n \r\n\n   indented\n\t\tcode = {'a': 1, \"b\": [2, 3]}; // !!!\n",
    "", " ", "\n", "\t \n ", "0 1 12 123 1234 12345 1,234.56 ٣٤٥ 𝟙𝟚 ² ½ Ⅷ",
    "हिन्दी में लिखा गया पाठ। বাংলা தமிழ் తెలుగు ಕನ್ನಡ മലയാളം සිංහල",
    "မြန်မာဘာသာစကား ខ្មែរ ภาษาไทย ພາສາລາວ བོད་སྐད",
    "中文文本，没有空格。日本語のテキスト カタカナ 한국어 텍스트",
    "العربية نَصّ فارسی اردو עברית שָׁלוֹם Русский Українська Ελληνικά Հայերեն ქართული አማርኛ ᏣᎳᎩ",
    "🙂👩\u200d👩\u200d👧\u200d👦🏳\ufe0f\u200d🌈👍🏽 ❤\ufe0f e\u0301te",
    "\u200b\ufeff\u00a0\u2028\u3000\x00\x1f\x7f\x85 \ufffd\U0010ffff",
    "<|endoftext|> <|user|><|end|> [INST] </s> <pad>",
    "a" * 300, " " * 300 + "x", "ab" * 200, "\n" * 100, "7" * 100, "é" * 150, "漢" * 150]

# Every seventh character up to the kana, alone, doubled and inside a word.
_CHARACTERS = [f"{chr(code)} {chr(code)}{chr(code)}a{chr(code)}" for code in range(1, 0x3000, 7)]

TRIAL_TEXTS = pa.array([*_TEXTS, "\n".join(_TEXTS), *_CHARACTERS], pa.large_string())
