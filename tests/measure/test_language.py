"""Language, script and doubt: right where there is text to go by, `und` where there is not."""

import io
import json

import numpy as np
import pytest

from benchmarks.good_texts import as_documents
from tests.paths import SHARED
from textmill.base.strict import SettingsError
from textmill.pipelines.measure import language_model
from textmill.pipelines.measure.declared_language import declared_language_differs
from textmill.pipelines.measure.language import excerpts, identified
from textmill.pipelines.measure.language_model import LanguageIdentifier, find_model
from textmill.pipelines.measure.scripts import script, written_in
from textmill.pipelines.measure.second_voice import UNSURE, opinions
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.measure.signals import measure_batch, open_tools
from textmill.pipelines.text.words import read_words

SENTENCES = {
    "en": "The water mill stands where the river bends, and its wheel has turned for two hundred years.",
    "de": "Die Wassermühle steht an der Biegung des Flusses, und ihr Rad dreht sich seit zweihundert Jahren.",
    "fr": "Le moulin à eau se dresse au coude de la rivière, et sa roue tourne depuis deux cents ans.",
    "es": "El molino de agua está en la curva del río, y su rueda gira desde hace doscientos años.",
    "it": "Il mulino ad acqua si trova nell'ansa del fiume e la sua ruota gira da duecento anni.",
    "pl": "Młyn wodny stoi w zakolu rzeki, a jego koło obraca się od dwustu lat bez przerwy.",
    "ru": "Водяная мельница стоит на излучине реки, и её колесо вращается уже двести лет.",
    "ar": "تقف طاحونة الماء عند منعطف النهر، وعجلتها تدور منذ مئتي عام دون توقف.",
    "zh": "水磨坊坐落在河流转弯的地方，它的轮子已经转了两百年，从来没有停过。",
    "ja": "水車小屋は川の曲がり角に立っていて、その輪は二百年のあいだ回り続けている。",
    "ko": "물레방아는 강이 굽이치는 곳에 서 있고 그 바퀴는 이백 년 동안 돌고 있습니다.",
    "hi": "पनचक्की नदी के मोड़ पर खड़ी है और उसका पहिया दो सौ वर्षों से घूम रहा है।",
    "th": "กังหันน้ำตั้งอยู่ตรงโค้งแม่น้ำ และล้อของมันหมุนมาสองร้อยปีแล้ว",
}
# The first sentence of the Declaration of Human Rights in languages that lid.176 does not know, or hardly.
RIGHTS = {
    "om": "Namooti hundinuu birmaduu ta'anii mirgaa fi ulfinaanis wal-qixxee ta'anii dhalatan.",
    "ha": "Su dai 'yan-adam, ana haifuwarsu ne duka 'yantattu, kuma kowannensu na da mutunci da hakkoki daidai da na kowa.",
    "so": "Aadanaha dhammaantiis wuxuu dhashaa isagoo xor ah kana siman xagga sharafta iyo xuquuqda.",
    "rw": "Abantu bose bavuka aribo bakwiye agaciro no kubahwa kimwe. Bose bavukana ubwenge n'umutima.",
    "zu": "Bonke abantu bazalwa bekhululekile belingana ngesithunzi nangamalungelo.",
    "lg": "Abantu bazaalibwa nga balina eddembe n'obuyinza ebyenkanankana, batondebwa nga balina amagezi.",
    "ln": "Bato nyonso na mbotama bazali nzomi pe bakokani na limemya pe makoki.",
}
# SIB-200 labels of 30 languages of the web, and the codes of the model.
LABELS = """eng_Latn en deu_Latn de fra_Latn fr spa_Latn es ita_Latn it por_Latn pt nld_Latn nl pol_Latn pl rus_Cyrl ru
ukr_Cyrl uk ces_Latn cs swe_Latn sv dan_Latn da fin_Latn fi hun_Latn hu ron_Latn ro bul_Cyrl bg ell_Grek el
tur_Latn tr arb_Arab ar pes_Arab fa heb_Hebr he hin_Deva hi ben_Beng bn tam_Taml ta tha_Thai th vie_Latn vi
ind_Latn id jpn_Jpan ja kor_Hang ko"""


@pytest.fixture(scope="module")
def model():
    return LanguageIdentifier(find_model(None))


def identify(model, *texts):
    return identified(read_words(list(texts)), model, lowest_score=0.3, fewest_letters=20, lowest_letter_share=0.4)


def test_thirteen_languages(model):
    found, scores, shares, *_ = identify(model, *SENTENCES.values())
    assert found == list(SENTENCES)
    assert scores.dtype == np.float32
    assert (scores > 0.3).all() and (scores <= 1).all()
    assert (shares == 1).all()


def by_default(model, *texts):
    settings = MeasureSettings()
    return identified(read_words(list(texts)), model, settings.min_language_score, settings.min_language_letters,
                      settings.min_language_letter_share)


def test_languages_that_the_model_does_not_know(model):
    assert by_default(model, *RIGHTS.values()).languages == list(RIGHTS)


def test_the_share_is_judged_by_the_voice_that_decided(model):
    zulu, english = f"{RIGHTS['zu']} " * 4 + "\n", f"{SENTENCES['en']} " * 4 + "\n"
    found = by_default(model, zulu * 12, zulu * 12 + english * 6)
    assert found.languages == ["zu", "zu"]
    assert found.shares[0] == 1 and 0.4 < found.shares[1] < 1


@pytest.mark.parametrize(("language", "text"), [
    ("en", "The mill turns"), ("de", "Wo ist der Bahnhof?"), ("fr", "Je ne sais pas."), ("es", "¿Dónde está la casa?"),
    ("it", "Non lo so ancora."), ("pl", "Nie wiem, co robić."), ("ru", "Я этого не знаю."), ("tr", "Bilmiyorum ki."),
    ("hu", "Nem tudom, hol van."), ("fi", "En tiedä vielä."), ("sw", "Sijui la kufanya."), ("vi", "Tôi không biết."),
    ("ko", "나는 모르겠습니다."), ("ta", "எனக்குத் தெரியாது."), ("el", "Δεν το ξέρω."), ("zh", "我不知道。")])
def test_a_short_sentence(model, language, text):
    assert by_default(model, text).languages == [language]


@pytest.mark.parametrize(("language", "text"), [
    ("ms", "Kerajaan Malaysia telah mengumumkan bahawa sekolah akan dibuka semula pada hari Isnin."),
    ("id", "Pemerintah Indonesia mengumumkan bahwa sekolah akan dibuka kembali pada hari Senin."),
    ("nn", "Eg veit ikkje kva dei har gjort, men me skal finne det ut i morgon."),
    ("no", "Jeg vet ikke hva de har gjort, men vi skal finne det ut i morgen."),
    ("ku", "Hemû mirov azad û di weqar û mafan de wekhev tên dinyayê. Ew xwedî hiş û şuûr in. " * 4),
    ("zh", "一打鸡蛋吃掉五个，还剩几个？\n\n一打是十二个，还剩七个。"), ("wuu", "阿拉是上海人，侬好伐？伊拉今朝勿来哉，吾伲一道去白相。"),
    ("ti", "ብመንፅር ክብርን መሰልን ኩሎም ሰባት እንትውለዱ ነፃን ማዕሪን እዮም።"), ("am", "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው።"),
    ("ckb", "هەموو مرۆڤێک بە ئازادی و یەکسان لە شکۆ و مافەکان لە دایک دەبێت.")])
def test_close_relatives(model, language, text):
    assert by_default(model, text).languages == [language]


def test_numbers_and_addresses_are_not_read(model):
    release = "Se ha publicado la nueva versión. Esta entrega corrige varios errores de seguridad.\n" + "".join(
        f"* https://cache.example.org/pub/src-{n}.tar.bz2\n  SIZE: 88193{n} bytes\n  MD5: 5295{n}8d35d1b437a6f8bf0{n}c2e9\n"
        for n in range(10, 18))
    assert by_default(model, release).languages == ["es"]


def test_both_voices_are_told_apart(model):
    found = by_default(model, SENTENCES["en"], RIGHTS["zu"], "Sven Okafor, Ingrid Haddad, Kofi Nguyen")
    assert found.guesses[0].language == "en"
    assert found.guesses[1].language != "zu" and found.opinions[1].language == "zu" and found.opinions[1].reliable
    assert not found.opinions[2].reliable and found.languages[2] == "und"


def test_what_cld2_refuses_is_read_past():
    plain, = opinions([SENTENCES["de"]])
    assert opinions([SENTENCES["de"].replace(" ", "\x00\x9f\ufdd0 ")]) == [plain] and plain.language == "de" and plain.reliable
    assert opinions(["", "\x00", "\U0001ffff"]) == [UNSURE] * 3


@pytest.mark.parametrize("text", ["", "\n \n", "ok", "水車", "f3a9c2e17b04d8655e1a", "ABX-4471-QT", "qwjkz hxvbn", "asdf jkl qwer " * 5,
                                  "kq4v-Xy7Bd93nLpQw2 7RtZ-uY3mKcA9eFhJ", "https://cache.example.org/pub/ruby/src.tar.bz2",
                                  "mov eax, ebx\nadd ecx, 4\njmp loop\nxor edx, edx\nret", "鑷鼯尜囎崒聒枛嗮", "lib_foo_bar x86_64 qux_baz_v2",
                                  "January 1024.50 1105.20 998.75 1200.00 1310.25 February 1024.50 1105.20 998.75 1200.00 1310.25",
                                  "{x:(a+b)*c[i]};" * 20, "qz xv kj wq zz pq vx jq qk xz vq " * 3])
def test_und_where_saying_more_would_be_a_guess(model, text):
    assert identify(model, text)[0] == ["und"]


@pytest.mark.parametrize("text", [
    *((code, SENTENCES[code].upper()) for code in ("en", "de", "fr", "es", "it", "pl", "ru")),
    ("uk", "ВОДЯНИЙ МЛИН СТОЇТЬ НА ЗАКРУТІ РІЧКИ, І ЙОГО КОЛЕСО ОБЕРТАЄТЬСЯ ВЖЕ ДВІСТІ РОКІВ."), ("en", "PLEASE KEEP OFF THE GRASS"),
    ("en", "THE MILL IS CLOSED ON MONDAYS"), ("el", "Ο ΜΥΛΟΣ ΒΡΙΣΚΕΤΑΙ ΣΤΗ ΣΤΡΟΦΗ ΤΟΥ ΠΟΤΑΜΟΥ"),
    ("en", "\n".join(["THE MILL STANDS WHERE THE RIVER BENDS.", "OPEN ON ALL DAYS BUT MONDAY, FROM NINE TO FIVE."] * 30)),
    ("en", SENTENCES["en"].translate(str.maketrans({chr(97 + n): chr(0x1D41A + n) for n in range(26)} | {"T": "𝐓"}))),
    ("en", SENTENCES["en"].translate({code: code + 0xFEE0 for code in range(0x41, 0x7B)}))])
def test_capitals_and_letters_of_formulas_say_the_language(model, text):
    found, *_ = identify(model, text[1])
    assert found == [text[0]]


def test_each_bound_decides_on_both_sides(model):
    words = read_words([SENTENCES["en"]])
    letters = sum(character.isalpha() for character in SENTENCES["en"])
    share = letters / sum(not character.isspace() for character in SENTENCES["en"])
    for bounds, expected in [((0, letters, 0), "en"), ((0, letters + 1, 0), "und"), ((0, 0, share), "en"),
                             ((0, 0, share + 1e-9), "und")]:
        assert identified(words, model, *bounds).languages == [expected], bounds
    words = read_words(["Sven Okafor, Ingrid Haddad, Kofi Nguyen"])        # on which CLD2 has no opinion
    alone = identified(words, model, 0, 0, 0)
    assert not alone.opinions[0].reliable
    score = float(alone.scores[0])
    assert identified(words, model, score, 0, 0).languages == alone.languages != ["und"]
    assert identified(words, model, score + 1e-6, 0, 0).languages == ["und"]


def test_a_character_without_spaces_counts_as_three_letters(model):
    words = read_words(["水磨坊坐落在河流转弯的地方"])                # 13 characters
    assert identified(words, model, 0, 39, 0).languages == ["zh"]
    assert identified(words, model, 0, 40, 0).languages == ["und"]


def shown(*texts):
    words = read_words(list(texts))
    weight = np.concatenate([[0], np.cumsum([character.isalpha() for character in "".join(text + "\n" for text in texts)])])
    return [(number, "".join(map(chr, words.code_points[start:end]))) for number, start, end
            in zip(*(part.tolist() for part in excerpts(words, weight)), strict=True)]


def test_excerpts_are_the_line_with_most_letters_of_each_sixth_and_of_a_short_text_all():
    assert shown("", "12 34\n", "a short text") == [(2, "a short text")]
    prose, code = "words of prose " * 20, "x1 = {7}\n" * 60
    assert shown(*[(code + prose + "\n") * 6]) == [(0, prose[:250])] * 6
    parts = shown("abcdefgh" * 1000)                                        # one line of 8,000 letters
    assert len(parts) == 6 and {len(part) for _, part in parts} == {250}


def test_language_share_is_that_of_the_excerpts_that_agree(model):
    english, german = f"{SENTENCES['en']} " * 3 + "\n", f"{SENTENCES['de']}\n"
    found = identify(model, english * 12, english * 12 + german * 15, "ok")
    assert found.languages == ["en", "en", "und"] and found.shares[0] == 1
    assert 0.5 < found.shares[1] < 1
    assert np.isnan(found.shares[2])                                        # und: there is nothing to agree with


def test_a_guess_in_another_script_is_none(model):
    assert not written_in("ja", frozenset({"Latn"})) and written_in("ja", frozenset({"Hani", "Latn"}))
    assert written_in("sr", frozenset({"Cyrl"})) and written_in("sr", frozenset({"Latn"})) and written_in("tlh", frozenset({"Grek"}))
    guess, = model.identify([SENTENCES["zh"]], [frozenset({"Hang"})])
    assert guess.language != "zh" and guess.score < 0.5
    assert model.identify(["qqq"], [frozenset({"Goth"})])[0].language == "und"


@pytest.mark.parametrize(("text", "code"), [
    ("", "Zyyy"), ("123 !?", "Zyyy"), ("mill", "Latn"), ("мельница mill", "Cyrl"), ("水磨坊", "Hani"), ("𠀋𠀌", "Hani"),
    ("水車小屋は川に", "Jpan"), ("水磨坊坐落在河流转弯的地方从来没有停过の", "Hani"), ("물레방아", "Hang"), ("طاحونة", "Arab"), ("μύλος", "Grek"),
    ("पनचक्की", "Deva"), ("𝐓𝐡𝐞 𝓶𝓲𝓵𝓵 𝟙", "Latn"), ("𝛂𝛃", "Grek"), ("𝟙", "Zyyy"), ("กังหันน้ำ", "Thai"),
])
def test_script(text, code):
    assert script(read_words(["before", text, "after"])) == ["Latn", code, "Latn"]


@pytest.mark.parametrize(("declared", "found", "expected"), [
    ("en", "en", 0), ("en-US", "en", 0), ("EN_gb", "en", 0), ("de", "en", 1), ("iw", "he", 0), ("ger", "de", 0),
    ("nb-NO", "da", 0), ("hr", "sr", 0), ("id", "ms", 0), ("pl", "ru", 1), ("x-default", "en", 1)])
def test_declared_language(declared, found, expected):
    assert declared_language_differs([declared], [found]).tolist() == [expected]


def test_declared_language_is_null_where_either_is_unknown():
    assert np.isnan(declared_language_differs([None, "", "en"], ["en", "en", "und"])).all()


def test_a_missing_model_is_one_sentence_with_its_cure(monkeypatch, tmp_path):
    with pytest.raises(SettingsError, match=r"there is no file .*lid\.bin; give the path"):
        find_model(str(tmp_path / "lid.bin"))
    monkeypatch.setattr(language_model, "SHIPPED", tmp_path / "lid.176.ftz")
    with pytest.raises(SettingsError, match=r"is not the lid\.176\.ftz of 2017; install textmill again"):
        find_model(None)


def test_damaged_model_is_refused(monkeypatch, tmp_path):
    (tmp_path / "lid.176.ftz").write_bytes(b"something else")
    monkeypatch.setattr(language_model, "SHIPPED", tmp_path / "lid.176.ftz")
    with pytest.raises(SettingsError, match=r"is not the lid\.176\.ftz of 2017"):
        find_model(None)


def test_sentences_of_many_languages(model):
    """On SIB-200, 30 languages of the web, one sentence at a time."""
    path = SHARED / "langid.jsonl.zst"
    if not path.exists():
        pytest.skip(f"the development data is not beside the checkout ({path})")
    import zstandard
    codes = dict(zip(LABELS.split()[::2], LABELS.split()[1::2], strict=True))
    with zstandard.open(path, "rb") as stream:
        rows = [row for row in map(json.loads, io.TextIOWrapper(stream, "utf-8")) if row["label"] in codes]
    found = identified(read_words([row["text"] for row in rows]), model, 0.3, 20, 0.4).languages
    right = [codes[row["label"]] == language for row, language in zip(rows, found, strict=True)]
    assert len({row["label"] for row in rows}) == len(codes)
    assert sum(right) / len(right) >= 0.99


@pytest.mark.parametrize("text", [       # Friulian, Italian to the model, and Latgalian, Latvian to it: both know neither
    "Ducj i oms a nassin libars e compagns come dignitât e derits. A àn sintiment e cussience e bisugne che si tratin un "
    "culaltri come fradis. ",
    "Visi cilvieki pīdzymst breivi i vīnleidzeigi sovā pašcīneibā i tīseibuos. Jim irā pruots i sirdsapziņa, i jim juoizaturās "
    "vīnam pret ūtru bruoļeibys garā. "])
def test_a_long_text_that_cld2_has_nothing_to_say_of_is_und_unless_the_model_is_sure(model, text):
    found = by_default(model, text * 3)
    assert 0.5 < found.guesses[0].score < 0.8 and not found.opinions[0].reliable
    assert found.languages == ["und"]


def test_signals_keep_what_each_voice_says():
    signals = measure_batch(as_documents([SENTENCES["en"], RIGHTS["zu"], "Sven Okafor, Ingrid Haddad, Kofi Nguyen"]),
                            open_tools(MeasureSettings()))
    assert signals["language"].to_pylist() == ["en", "zu", "und"]
    assert signals["language_cld2"].to_pylist() == ["en", "zu", None]
    assert signals["language_agreed"].to_pylist() == [True, False, None]
    guesses, scores, shares = (signals[f"language_{name}"].to_pylist() for name in ("guess", "guess_score", "cld2_share"))
    assert guesses[0] == "en" and guesses[1] not in ("zu", "und")
    assert scores[0] > 0.9 > scores[1] and shares[0] == shares[1] == pytest.approx(0.99, abs=0.02) and shares[2] is None
    assert signals["language_score"].to_pylist()[1] == shares[1]


@pytest.mark.parametrize(("language", "commands"), [("zh", 3), ("fr", 4)])
def test_english_commands_do_not_silence_the_language_of_what_explains_them(model, language, commands):
    said = ("git commit --amend --no-edit changes the last commit", "git rebase --interactive origin/main",
            "git config --global user.name sets the name", "git push --force-with-lease origin main")
    found = by_default(model, "\n".join((SENTENCES[language], *said[:commands]) * 3))
    assert found.guesses[0].score < 0.5 and found.opinions[0].language == "en"
    assert found.languages == [language]
