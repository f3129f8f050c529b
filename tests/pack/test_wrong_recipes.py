"""Wrong recipes, each with the exact sentence that it gets."""

import pytest

from textmill.base.strict import SettingsError
from textmill.pipelines.pack.mixture import read_mixture

GOOD = """name: good
block: 2048
tokens: 1M
seed: 1
validation: 0.01
tokenizer: web-16k
entries:
  web: {where: {source: crawl}, share: 0.7}
  books: {where: {source: books}, share: 0.3, repeat: 2}
"""
WHERE, SHARE, LAST = "{source: crawl}", "share: 0.7", ", share: 0.3, repeat: 2}\n"
SCHEDULED = GOOD.replace(", share: 0.7", "").replace(", share: 0.3", "")


def schedule(*phases):
    return "schedule:\n" + "".join(f"  - {phase}\n" for phase in phases)


# (text that is replaced, what replaces it, the sentences)
WRONG = [
    # the whole
    ("block: 2048", "block: 2000", ": block is 2000; give a multiple of 128 from 128 to 8192"),
    ("tokens: 1M", "tokens: 1000", ": tokens is 1000, less than one block; give at least 2048"),
    ("tokens: 1M", "tokens: many", ".tokens: must be a whole number, is 'many'"),
    ("seed: 1", "seed: -1", ": seed is -1; give 0 to 18446744073709551615"),
    ("seed: 1\n", "", ": the key 'seed' is missing; add it"),
    ("seed:", "sed:", ": unknown key 'sed'; did you mean 'seed'?\n: the key 'seed' is missing; add it"),
    ("validation: 0.01", "validation: 50", ": validation is 50.0; give 0 or more and less than 0.5"),
    ("seed: 1", "seed: 1\nfill: best", ".fill: 'best' is not one of fit, concat"),
    ("name: good", "name: a/b", ": name 'a/b' cannot be a file name; use letters, digits, '.', '_' and '-', a letter or digit first, 100 at most"),
    # shares
    (SHARE, "share: 0.6", ": the shares of the entries are 0.6 + 0.3 = 0.9; change them so that they add up to 1"),
    (SHARE, "share: 70", ".entries.web: share is 70.0; give more than 0 and at most 1"),
    (SHARE, "share: availabel", ".entries.web.share: 'availabel' is none of a number, available, a mapping"),
    (", share: 0.7", "", ": entry web has no share; give one, or a schedule"),
    (LAST, ", share: 0.3}\n  rest: {where: {source: wiki}, share: available}\n",
     ": the shares of the entries are 0.7 + 0.3 = 1, which leaves nothing for rest; lower them"),
    (SHARE, "share: {by: langauge}", ".entries.web.share: by is 'langauge'; did you mean 'language'?"),
    (SHARE, "share: {by: classifier_score}", ".entries.web.share: by is 'classifier_score'; give a column of text: source, language, "
     "url, host, domain, license, content_type, page_kind, declared_language, charset, script, form"),
    (SHARE, "share: {by: language, temperature: 5}", ".entries.web.share: temperature is 5; it is the exponent of a value's tokens, "
     "from 0 (all equal) to 1 (as there is): what others write as T=5 is 0.2 here"),
    (SHARE, "share: {by: language, temperature: -1}", ".entries.web.share: temperature is -1; give 0 (all equal) to 1 (as there is)"),
    (SHARE, "share: {by: language, of: 1.2}", ".entries.web.share: of is 1.2; give more than 0 and at most 1, or leave it out for "
     "what is left"),
    (SHARE, "share: {temperature: 0.7}", ".entries.web.share: the key 'by' is missing; add it"),
    (SHARE, "share: {by: language, temprature: 0.7}", ".entries.web.share: unknown key 'temprature'; did you mean 'temperature'?"),
    ("repeat: 2", "repeat: 0", ".entries.books: repeat is 0; give the passes allowed, 1 or more"),
    # where
    (WHERE, "{}", ".entries.web: where is empty; say which texts to take, such as {source: crawl}"),
    (WHERE, "{langauge: en}", ".entries.web: where asks for 'langauge'; did you mean 'language'?"),
    (WHERE, "{license_type: en}", ".entries.web: where asks for 'license_type'; did you mean 'license'?"),
    (WHERE, "{colour: red}", ".entries.web: where asks for 'colour'; texts can be chosen by source, language, host, license, date, any "
     "measurement and more (docs/mixtures.md)"),
    (WHERE, "{language: no}", ".entries.web: where.language has False, which is not text; write it in quotes (YAML reads no as false)"),
    (WHERE, "{source: []}", ".entries.web: where.source is an empty list, which no row matches; name at least one value"),
    (WHERE, "{source: }", ".entries.web: where.source is empty, and a text without the value matches nothing; name a value, or write "
     "not: {source: …}"),
    (WHERE, "{classifier_score: {low: high}}", ".entries.web: where.classifier_score.low is 'high'; a bound needs a number"),
    (WHERE, "{classifier_score: {least: 0.7}}", ".entries.web: where.classifier_score has 'least'; it goes by {low: 3, high: 10}"),
    (WHERE, "{classifier_score: {from: 0.7}}", ".entries.web: where.classifier_score has 'from'; a number goes by low and high, such as "
     "{low: 3, high: 10}"),
    (WHERE, "{classifier_score: good}", ".entries.web: where.classifier_score has 'good', which is not a number; give one, or bounds such "
     "as {low: 0.7}"),
    (WHERE, "{word_count: {low: 100, high: 10}}", ".entries.web: where.word_count goes from 100 to 10, which no row matches; exchange "
     "the two"),
    (WHERE, "{date: {low: 2020-01-01}}", ".entries.web: where.date has 'low'; a date goes by from and until, such as {from: 2020-01-01, "
     "until: 2021}"),
    (WHERE, "{date: 2020-01-01}", ".entries.web: where.date is '2020-01-01'; give days, months or years as {from: 2020-01-01, until: 2021}"),
    (WHERE, "{date: {from: 1.5.2020}}", ".entries.web: where.date.from is '1.5.2020'; a date is written 2021-12-31, 2021-12 or 2021"),
    (WHERE, "{date: {from: 2021, until: 2020-12-31}}", ".entries.web: where.date goes from 2021 to 2020-12-31, which no row matches; "
     "exchange the two"),
    (WHERE, "{paywalled: free}", ".entries.web: where.paywalled has 'free'; give true or false"),
    (WHERE, "{tags: {low: 1}}", ".entries.web: where.tags is a mapping; give a value or a list of values"),
    (WHERE, "{url: {suffix: .pdf}}", ".entries.web: where.url has 'suffix'; it goes by {prefix: \"https://docs.\"}"),
    (WHERE, "{url: {prefix: 3}}", ".entries.web: where.url.prefix is 3; give a text or a list of texts"),
    (WHERE, "{any: {source: a, language: b}}", ".entries.web: where.any is {'source': 'a', 'language': 'b'}; give a list of conditions, "
     "such as [{language: en}, {language: de}]"),
    (WHERE, "{any: [{source: a}, {sorce: b}]}", ".entries.web: where.any[1] asks for 'sorce'; did you mean 'source'?"),
    (WHERE, "{not: crawl}", ".entries.web: where.not is 'crawl'; write a mapping of columns to what they must be, such as {language: en}"),
    (WHERE, "{not: {}}", ".entries.web: where.not is empty; say which texts to take, such as {source: crawl}"),
    (WHERE, "crawl", ".entries.web.where: must be a mapping, is 'crawl'"),
    # schedule
    (GOOD, GOOD + schedule("{part: 1.0, shares: {web: 0.7, books: 0.3}}"),
     ": entry web has a share, and the schedule gives it one; take the share out\n"
     ": entry books has a share, and the schedule gives it one; take the share out"),
    (GOOD, SCHEDULED + schedule("{part: 0.8, shares: {web: 1.0}}", "{part: 0.1, shares: {books: 1.0}}"),
     ": the parts of the schedule are 0.8 + 0.1 = 0.9; change them so that they add up to 1"),
    (GOOD, SCHEDULED + schedule("{part: 1.0, shares: {web: 0.7, books: 0.2}}"),
     ".schedule[0]: the shares of the phase are 0.7 + 0.2 = 0.9; change them so that they add up to 1"),
    (GOOD, SCHEDULED + schedule("{part: 1.0, shares: {web: 0.7, book: 0.3}}"),
     ": the schedule names 'book', which is no entry; did you mean 'books'?\n"
     ": the schedule gives entry books no share in any phase; give it one, or take the entry out"),
    (GOOD, SCHEDULED + schedule("{part: 1.0, shares: {web: 1.7, books: -0.7}}"),
     ".schedule[0]: the share of web is 1.7; give 0 to 1\n.schedule[0]: the share of books is -0.7; give 0 to 1"),
    (GOOD, SCHEDULED + schedule("{part: 0, shares: {web: 0.7, books: 0.3}}"),
     ".schedule[0]: part is 0; give more than 0 and at most 1"),
    (GOOD, SCHEDULED.replace(WHERE, WHERE + ", share: {by: language, of: 0.5}") + schedule("{part: 1.0, shares: {web: 0.7, books: 0.3}}"),
     ": entry web has `of` in its share, and the schedule gives it one; take `of` out"),
]


def test_the_recipe_is_good_before_it_is_made_wrong(tmp_path):
    (tmp_path / "m.yaml").write_text(GOOD)
    assert read_mixture(tmp_path / "m.yaml").name == "good"
    assert len(WRONG) >= 50 and len({said for _, _, said in WRONG}) == len(WRONG)


@pytest.mark.parametrize(("old", "new", "said"), WRONG, ids=[said[:60] for _, _, said in WRONG])
def test_a_wrong_recipe_gets_its_sentence(tmp_path, old, new, said):
    assert old in GOOD
    (tmp_path / "m.yaml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(SettingsError) as error:
        read_mixture(tmp_path / "m.yaml")
    assert str(error.value).replace(f"{tmp_path}/m.yaml", "") == said
