"""Numbers as people write them: chains of digit blocks, what the words beside them call them, and payment cards.

A chain is the longest run of digits with at most three separators between two of them. Cards, phones and national
ids are looked for among a chain's blocks, so a text is read once for all of them.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from pipelines.measure.personal_checks import luhn
from pipelines.measure.personal_marks import Place

# At least seven digits: the shortest phone number here. Digits and separators are disjoint, so nothing is tried twice.
_CHAIN = re.compile(r"\d(?:[ \u00a0\u202f.\-‐‑–/()]{0,3}\d){6,}+")
_BLOCK = re.compile(r"\d+")

# What a number is called. The last of these words before it decides.
_NAMES = {
    "not": r"isbn|ust-idnr|\bvat\b|issn|\bdoi\b|\b10\.\d{4,9}/|\bean\b|gtin|\bupc\b|\basin\b|pmid|arxiv|\border|invoice|tracking|parcel|shipment|serial|"
           r"\bpart n|\bsku\b|model|ticket|version|build|\brfc\b|commit|\bbugs?\b|issue|pages?\b|revision|bestell|rechnung|"
           r"sendung|artikel|serien|kundenn|commande|facture|colis|pedido|factura|fattura|ordine|zam[oó]wieni|faktur|"
           r"заказ|сч[её]т|артикул|трек|sipari[sş]|注文|追跡|订单|訂單|単号|单号|発票|发票|주문|رقم الطلب",
    "phone": r"phone|\btel\b|\btél|t[eé]l[eéè]f|telegram|whatsapp|\bfax|\bmobi|\bcell(?<![./]cell)(?![a-oq-z])|\bhandy|\bdesk\b|call (?:me|us|him|her)|"
             r"\bsms\b|text (?:me|us)|reach (?:me|us)|answering at|messages to|registered\b|hotline|\bcall\b|\bfon\b|"
             r"ruf(?:en|nummer)|portable|celular|m[oó]vil|cellulare|telem[oó]vel|telefo|numero verde|komórk|kom\.|"
             r"appel[eo]|llam[aeo]|\bligue|chiama|\bbel\b|dzwoni|\bring\b|arayın|gsm\b|cep\b|καλέ|κινητ|dial\b|"
             r"тел\b|тел\.|телефон|моб\.|факс|звон|電話|携帯|ご予約|電話番号|电话|電話|拨打|联系|手机|手機|傳真|传真|전화|휴대|팩스|연락처|"
             r"هاتف|جوال|اتصل|الاتصال|واتساب|تلفن|کال|"
             r"फ़ोन|फोन|मोबाइल|कॉल|โทร|เบอร์|điện thoại|đt:|τηλ|טלפון|נייד|התקשרו|להתקשר",
    "card": r"\bcards?\b|credit|debit|\bcc\b|\bvisa\b|mastercard|maestro|\bamex\b|karte|carte\b|tarjeta|cart[aãõ]|"
            r"kart[ayęyu]\b|карт|カード|信用卡|银行卡|卡号|카드|بطاقة|कार्ड",
    "id": r"\bssn\b|social security|\bsin\b|social insurance|national id|national insurance|\bni n(?:o|umber)|\bnino\b|\bnhs\b|"
          r"identity|identit|identificación|\bid (?:card|number|no)|tax(?:payer)? (?:id|number|no|file)|\btin\b|\btfn\b|\bird\b|"
          r"\bitin\b|\bpps\b|\bpan (?:card|no|number)|steuer-?id|steuerliche|\bidnr|steuernummer|sozialversicherung|\bsvnr|\bahv\b|"
          r"\bnir\b|s[eé]curit[eé] sociale|\bdni\b|d\.n\.i|\bnie\b|\bnif\b|\bcurp\b|\bcpf\b|\bcui[tl]\b|\brut\b|c[eé]dula|"
          r"contribuinte|codice fiscale|\bc\.f\.|\bpesel\b|\bbsn\b|burgerservice|personnummer|personnr|fødsels|personens kode|"
          r"henkilö|kennitala|rijksregister|registre national|\bcpr\b|rodn[éeý]|\bcnp\b|\bегн\b|isikukood|asmens kod|personas kod|"
          r"\boib\b|\bjmbg\b|\bemšo\b|αμκα|снилс|\bинн\b|\bиин\b|\bжсн\b|рнокпп|\bіпн\b|kimlik|\bnik\b|\bktp\b|mykad|\bnric\b|"
          r"\bcnic\b|cccd|căn cước|身份证|身分證|身分证|マイナンバー|個人番号|주민등록|주민번호|aadhaar|आधार|תעודת זהות|ת\.ז|ת\"ז|"
          r"บัตรประชาชน|رقم الهوية|الرقم القومي|الهوية الوطنية|کد ملی|شناختی"}
_WINDOW = 40                  # characters before a number in which a word may name it


def _by_first_letter(names: dict[str, str]) -> tuple[re.Pattern[str], list[str]]:
    """One pattern for all words, in small letters, and what each of its groups names.

    Words ("|" apart) are gathered by their first letter, because a branch that begins with one is passed over at C speed: 15 times as
    fast as the words in a row (measured).
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for name, words in names.items():
        for word in re.split(r"\|(?![^(]*\))", words):
            first = word.removeprefix(r"\b")
            within = "" if first == word else rf"(?<!\w{first[0]})"
            groups.setdefault((first[0], name), []).append(within + first[1:])
    letters = dict.fromkeys(first for first, _ in groups)
    branches = (re.escape(letter) + "(?:" + "|".join(
        "(" + "|".join(words) + ")" for (first, _), words in groups.items() if first == letter) + ")" for letter in letters)
    ordered = [name for letter in letters for (first, name) in groups if first == letter]
    return re.compile("|".join(branches)), ordered


class Chain(NamedTuple):
    """A run of digits and separators: its place in the text and its blocks' places."""
    start: int
    end: int
    blocks: list[Place]


_CALLED, _KINDS = _by_first_letter(_NAMES)


def find_chains(text: str, numbers: list[Place]) -> list[Chain]:
    """Every run of seven or more digits with at most three separators between two of them, in order.

    `numbers` are those of `Marks`: the stretches outside of which there is none.
    """
    return [Chain(run.start(), run.end(), [block.span() for block in _BLOCK.finditer(text, *run.span())])
            for place in numbers for run in _CHAIN.finditer(text, *place)]


def called(text: str, start: int) -> tuple[str | None, int]:
    """What the words before `start` call the number there ("phone", "card", "id", "not") and where that word ends."""
    kind, end = None, 0
    before = text[max(0, start - _WINDOW):start].lower()
    for word in _CALLED.finditer(before):
        assert word.lastindex is not None
        kind, end = _KINDS[word.lastindex - 1], start - len(before) + word.end()
    return kind, end


def stands_alone(text: str, start: int, end: int) -> bool:
    """No ASCII letter, digit or underscore touches it, nor a sign of code, path or money before it.

    Letters of scripts that write without spaces may: "電話03-1234-5678".
    """
    return starts_alone(text, start) and not _touches(text[end:end + 1], "_%")


def starts_alone(text: str, start: int) -> bool:
    """The part of `stands_alone` about what comes before."""
    return not _touches(text[start - 1:start] if start else "", "_/=#&%$£@\\+€¥")


def _touches(neighbour: str, signs: str) -> bool:
    return neighbour != "" and (neighbour in signs or (neighbour.isascii() and neighbour.isalnum()))


def runs(chain: Chain, fewest: int, most: int, blocks_most: int) -> Iterator[tuple[int, int, int, int]]:
    """(first block, after last block, from, to) with `fewest` to `most` digits in at most `blocks_most` blocks.

    From left to right, and from each block the longest first.
    """
    blocks = chain.blocks
    for first in range(len(blocks)):
        digits, ends = 0, []
        for last in range(first, min(first + blocks_most, len(blocks))):
            digits += blocks[last][1] - blocks[last][0]
            if digits > most:
                break
            if digits >= fewest:
                ends.append(last)
        for last in reversed(ends):
            yield first, last + 1, blocks[first][0], blocks[last][1]


def apart(text: str, chain: Chain, first: int, after: int) -> bool:
    """Nothing separates the run from the rest of its chain that also separates its own blocks.

    "1 555 010 222 3" has no phone number in it, "21.3.2024 030 555-0123" may have.
    """
    blocks = chain.blocks
    sides = [blocks[n - 1:n + 1] for n in (first, after) if 0 < n < len(blocks)]
    if not sides:
        return True
    inside = {text[a[1]:b[0]] for a, b in pairwise(blocks[first:after])}
    return all(text[a[1]:b[0]] not in inside for a, b in sides)


def find_cards(text: str, chains: list[Chain]) -> list[Place]:
    """Payment cards: Luhn, a grouping that cards are printed in, and an issuer's range and length or the word "card".

    Lengths below 15 are shared by goods and customer numbers: these always need the word.
    """
    places: list[Place] = []
    for chain in chains:
        for first, after, start, end in runs(chain, 12, 19, 5):
            if places and start < places[-1][1]:
                continue
            blocks = chain.blocks[first:after]
            sizes = tuple(b - a for a, b in blocks)
            if len(sizes) > 1 and (sizes not in _GROUPINGS or not _same_separators(text, blocks)):
                continue
            number = "".join(text[a:b] for a, b in blocks)
            if not number.isascii():
                number = "".join(str(int(digit)) for digit in number)
            if number[0] not in "0123456" or not luhn(number) or _joined(text, chain, first, after):
                continue
            kind, _ = called(text, start)
            if kind == "card" or (kind != "not" and len(number) in (15, 16, 19) and _is_issued(number)
                                  and stands_alone(text, start, end) and not _goes_on(text, chain, first, after)):
                places.append((start, end))
    return places


_GROUPINGS = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1), (4, 4, 5), (6, 13), (4, 4, 4), (4, 4, 4, 3)}
# First digits and lengths, from ISO/IEC 7812 as the networks publish them (Visa, Mastercard, American Express, Discover,
# Diners Club, JCB, UnionPay, Maestro, Mir).
_ISSUERS = (
    (re.compile("4"), (13, 16, 19)),
    (re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    (re.compile("3[47]"), (15,)),
    (re.compile("6011|64[4-9]|65"), (16, 17, 18, 19)),
    (re.compile("30[0-5]|3095|36|38|39"), (14, 16, 17, 18, 19)),
    (re.compile("35(?:2[89]|[3-8])"), (16, 17, 18, 19)),
    (re.compile("2131|1800"), (15,)),
    (re.compile("62|81"), (16, 17, 18, 19)),
    (re.compile("50(?:18|20|38)|5893|5[678]|6304|6390|67(?:59|6[1-3])|0604"), (12, 13, 14, 15, 16, 17, 18, 19)),
    (re.compile("220[0-4]"), (16, 17, 18, 19)))


def _is_issued(number: str) -> bool:
    return any(len(number) in lengths and first.match(number) for first, lengths in _ISSUERS)


def _same_separators(text: str, blocks: list[Place]) -> bool:
    return len({text[a[1]:b[0]] for a, b in pairwise(blocks)}) == 1 and blocks[1][0] - blocks[0][1] == 1


def _joined(text: str, chain: Chain, first: int, after: int) -> bool:
    """A hyphen or dot ties the run to a further block: it is the middle of something longer."""
    blocks = chain.blocks
    return ((first > 0 and text[blocks[first - 1][1]:blocks[first][0]] in ("-", "."))
            or (after < len(blocks) and text[blocks[after - 1][1]:blocks[after][0]] in ("-", ".")))


def _goes_on(text: str, chain: Chain, first: int, after: int) -> bool:
    """A further block of four stands beside it as its own blocks stand: the middle of an account number or of a table."""
    blocks = chain.blocks
    beside = [blocks[n - 1:n + 1] for n in (first, after) if 0 < n < len(blocks)]
    inside = text[blocks[first][1]:blocks[first + 1][0]] if after - first > 1 else " "
    return any(text[a[1]:b[0]] == inside and (a if b == blocks[first] else b)[1] - (a if b == blocks[first] else b)[0] == 4
               for a, b in beside)
