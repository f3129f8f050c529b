"""Texts that are in no language, made by seed: what no identifier should name. Names are in no one language either."""

import base64
import hashlib
import random
import string
import uuid
from collections.abc import Callable, Iterator

LATIN, SHORT, LONG = string.ascii_lowercase, 2, 10
FREQUENT = "etaoinshrdlu" * 3 + "cmwfgypbvk" + "jxqz"
SYLLABLES = [consonant + vowel for consonant in "bcdfghjklmnprstvwz" for vowel in "aeiou"]
SCRIPTS = {"Cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюя", "Greek": "αβγδεζηθικλμνξοπρστυφχψω",
           "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي", "Hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
           "Devanagari": "कखगघचछजझटठडढतथदधनपफबभमयरलवशषसह"}
ACCENTED = "àáâãäåæçèéêëìíîïñòóôõöøùúûüýþÿāăąćčďđēęěğįłńňőřśšťůűźżž" + LATIN
FIRST, LAST, KEYS = (tuple(listed.split()) for listed in (
    """James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth Ahmed Fatima Wei Hiroshi Yuki Olga Ivan
Pedro Lucia Giovanni Sven Ingrid Jean Claire Kofi Amina""",
    """Smith Johnson Williams Brown Garcia Miller Davis Rodriguez Hernandez Lopez Wilson Anderson Taylor Moore Schmidt Müller
Rossi Dubois Svensson Kowalski Novak Tanaka Kim Nguyen Okafor Haddad""",
    "asdf jkl qwer hjkl asdfgh qwerty zxcv uiop sdfsdf fghj lkj"))
CODE = ("for (int i = 0; i < n; i++) { sum += a[i] * b[i]; }", "def f(x):\n    return [y**2 for y in x if y % 2]",
        '#include <stdio.h>\nint main(void) { printf("%d\\n", 42); return 0; }',
        "SELECT id, name FROM t WHERE x > 3 GROUP BY id",
        "import numpy as np\nx = np.zeros((3, 4))", '<div class="row"><span id="x1"></span></div>',
        "const f = (a, b) => a.map(x => x + b);", "if err != nil { return nil, err }", "let mut v = Vec::new(); v.push(1);",
        "ls -la /usr/local/lib | grep libssl", "body { margin: 0; padding: 4px; color: #333; }",
        "mov eax, ebx\nadd ecx, 4\njmp loop",
        "struct node { int key; struct node *next; };", "$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)")


def no_language(seed: int = 1, of_each: int = 100) -> Iterator[tuple[str, str]]:
    """(kind, text), `of_each` of every kind, of 2 to 80 words."""
    draw = random.Random(seed)
    for kind, make in makers(draw).items():
        for _ in range(of_each):
            yield kind, make(draw.choice((2, 4, 8, 15, 30, 80)))


def makers(draw: random.Random) -> dict[str, Callable[[int], str]]:
    """What makes a text of about so many words, by kind."""
    def word(letters: str, shortest: int = SHORT, longest: int = LONG) -> str:
        return "".join(draw.choice(letters) for _ in range(draw.randint(shortest, longest)))

    def words(make: Callable[[], str], count: int, between: str = " ") -> str:
        return between.join(make() for _ in range(count))

    capitals = LATIN.upper()
    return {
        "letters": lambda count: words(lambda: word(LATIN), count),
        "letters as frequent as in English": lambda count: words(lambda: word(FREQUENT), count),
        "syllables": lambda count: words(lambda: words(lambda: draw.choice(SYLLABLES), draw.randint(1, 4), ""), count),
        "capitals": lambda count: words(lambda: word(capitals), count),
        "consonants": lambda count: words(lambda: word("bcdfghjklmnpqrstvwxz"), count),
        "accented letters": lambda count: words(lambda: word(ACCENTED), count),
        "keyboard": lambda count: words(lambda: draw.choice(KEYS), count),
        "DNA": lambda count: words(lambda: word("ACGT", 10, 10), count),
        **{f"{name} letters": lambda count, letters=letters: words(lambda: word(letters), count)  # type: ignore[misc]
           for name, letters in SCRIPTS.items()},
        "Han": lambda count: "".join(chr(draw.randint(0x4E00, 0x9FA5)) for _ in range(2 * count)),
        "hashes": lambda count: words(lambda: hashlib.sha1(draw.randbytes(8)).hexdigest(), 1 + count // 4),
        "Base64": lambda count: base64.b64encode(draw.randbytes(6 * count)).decode(),
        "UUIDs": lambda count: words(lambda: str(uuid.UUID(int=draw.getrandbits(128))), 1 + count // 4),
        "product codes": lambda count: words(lambda: f"{word(capitals, 2, 4)}-{draw.randint(10, 9999)}", count),
        "licence keys": lambda count: words(lambda: words(lambda: word(capitals + string.digits, 5, 5), 5, "-"),
                                            1 + count // 4),
        "identifiers": lambda count: words(lambda: f"{word(LATIN, 3, 6)}_{word(LATIN, 3, 6)}", count),
        "addresses": lambda count: words(lambda: f"https://{word(LATIN)}.example/{word(LATIN)}/{word(LATIN)}", 1 + count // 3),
        "lines of code": lambda count: words(lambda: draw.choice(CODE), 1 + count // 4, "\n"),
        "names of people": lambda count: words(lambda: f"{draw.choice(FIRST)} {draw.choice(LAST)}", count, ", "),
    }
