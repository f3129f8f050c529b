"""Tasks with checkable answers, generated: arithmetic in words, dates, sorting, spelling, units, tables, and the last word.

Guarantees: a seed gives the same tasks everywhere; every answer is computed, and `is_right` accepts it; a mistake has the form
of an answer and is wrong; which tasks are held out follows from a hash of the prompt, so a task is never on both sides. Small
enough for models of a million parameters to learn some of, and to show which they cannot.
"""

import hashlib
import itertools
import random
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

WORDS = """apple bread chair cloud dance eagle flame grape house island juice kite lemon mouse night ocean paper queen river
stone table under valley water young zebra bird cat dog fish goat hat ink jar key lamp moon nest owl pen rain sun tree van
wind""".split()          # noqa: SIM905   # easier read as a text
NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty""".split()         # noqa: SIM905
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()       # noqa: SIM905
MONTHS = "January February March April May June July August September October November December".split()    # noqa: SIM905
NAMES = "Ada Ben Carla David Elena Felix Greta Hugo Ida Jonas Karin Leo Mia Noah Olga Paul".split()         # noqa: SIM905
UNITS = (("kilograms", "grams", 1000), ("meters", "centimeters", 100), ("hours", "minutes", 60), ("minutes", "seconds", 60),
         ("weeks", "days", 7), ("liters", "milliliters", 1000), ("years", "months", 12), ("kilometers", "meters", 1000))


class Task(NamedTuple):
    """A prompt and its only right answer."""

    kind: str
    prompt: str
    answer: str

    @property
    def held_out(self) -> bool:
        """Whether it belongs to the fifth that nothing is trained on."""
        return self.digest[0] < 52

    @property
    def digest(self) -> bytes:
        """The hash of its prompt."""
        return hashlib.sha256(self.prompt.encode()).digest()


def arithmetic(draw: random.Random) -> Task:
    """A sum or a difference of small numbers, in words."""
    first, second = draw.randint(0, 10), draw.randint(0, 10)
    if draw.random() < 0.5:
        return Task("arithmetic", f"What is {NUMBERS[first]} plus {NUMBERS[second]}?", NUMBERS[first + second])
    return Task("arithmetic", f"What is {NUMBERS[first + second]} minus {NUMBERS[second]}?", NUMBERS[first])


def dates(draw: random.Random) -> Task:
    """A day or month some steps after another."""
    cycle = draw.choice((DAYS, MONTHS))
    start, step = draw.randrange(len(cycle)), draw.randint(1, 5)
    unit = ("day" if cycle is DAYS else "month") + ("s" if step > 1 else "")
    return Task("dates", f"What comes {NUMBERS[step]} {unit} after {cycle[start]}?", cycle[(start + step) % len(cycle)])


def sorting(draw: random.Random) -> Task:
    """Three words in the order of the alphabet."""
    words = draw.sample(WORDS, 3)
    return Task("sorting", f"Sort these words: {', '.join(words)}.", ", ".join(sorted(words)))


def spelling(draw: random.Random) -> Task:
    """The letters of a word, or of what might be one."""
    word = draw.choice(WORDS) if draw.random() < 0.5 else "".join(draw.sample("abdegiklmnoprstu", 4))
    return Task("spelling", f"Spell the word {word}.", "-".join(word))


def units(draw: random.Random) -> Task:
    """A number of a unit in a smaller one."""
    larger, smaller, factor = draw.choice(UNITS)
    number = draw.randint(2, 20)
    return Task("units", f"How many {smaller} are {number} {larger}?", str(number * factor))


def tables(draw: random.Random) -> Task:
    """A cell of a small table."""
    names = draw.sample(NAMES, 3)
    ages = [draw.randint(10, 99) for _ in names]
    rows = "\n".join(f"| {name} | {age} |" for name, age in zip(names, ages, strict=True))
    asked = draw.randrange(3)
    return Task("tables", f"| name | age |\n{rows}\nHow old is {names[asked]}?", str(ages[asked]))


def last_word(draw: random.Random) -> Task:
    """The last word of some."""
    words = draw.sample(WORDS, draw.randint(3, 5))
    return Task("last word", f"What is the last word of: {' '.join(words)}?", words[-1])


KINDS: dict[str, Callable[[random.Random], Task]] = {
    "arithmetic": arithmetic, "dates": dates, "sorting": sorting, "spelling": spelling, "units": units, "tables": tables,
    "last word": last_word}
MISTAKES: dict[str, Callable[[Task], Iterator[str]]] = {
    "arithmetic": lambda task: _beside(NUMBERS, task.answer, 3),
    "dates": lambda task: _beside(DAYS if task.answer in DAYS else MONTHS, task.answer, 3),
    "sorting": lambda task: _unsorted(task.prompt.rstrip(".").split(": ")[1], task.answer),
    "spelling": lambda task: _misspelt(task.answer.split("-")),
    "units": lambda task: _misread(task.answer),
    "tables": lambda task: iter(re.findall(r"\| (\d+) \|", task.prompt)),
    "last word": lambda task: iter(task.prompt.rstrip("?").split(": ")[1].split())}
FORMS = {"arithmetic": rf"({'|'.join(NUMBERS)})", "dates": rf"({'|'.join((*DAYS, *MONTHS))})", "sorting": r"\w+(, \w+){2}",
         "spelling": r"\w(-\w)+", "units": r"\d+", "tables": r"\d+", "last word": r"\w+"}


def generate(count: int, seed: int, held_out: bool, kinds: tuple[str, ...] = tuple(KINDS)) -> Iterator[Task]:
    """`count` tasks in turn of the kinds, of those held out or of the others; the same may come again, as few are different."""
    draw, given = random.Random(seed), 0
    while given < count:
        task = KINDS[kinds[given % len(kinds)]](draw)
        if task.held_out == held_out:
            given += 1
            yield task


def mistake(task: Task) -> str:
    """A wrong answer such as one might give, a function of the prompt: a neighbour, another order, another cell."""
    wrong = sorted({answer for answer in MISTAKES[task.kind](task) if not is_right(task, answer)})
    return random.Random(task.prompt).choice(wrong)


def demonstration(task: Task, mistakes: float) -> str:
    """An answer to show: of so large a share of prompts, by their hash, the mistake."""
    return mistake(task) if int.from_bytes(task.digest[8:16]) < mistakes * 2**64 else task.answer


def has_form(task: Task, answer: str) -> bool:
    """Whether an answer has the form of the right one: a number, a day, three words with commas between, and so on."""
    return re.fullmatch(FORMS[task.kind], " ".join(answer.split()).rstrip("."), re.IGNORECASE) is not None


def is_right(task: Task, answer: str) -> bool:
    """Whether an answer is the right one, whatever its case, spaces and final full stop."""
    return plain(answer) == plain(task.answer)


def plain(text: str) -> str:
    """A text by which answers are compared: without case, spaces beside others and final full stop."""
    return " ".join(text.split()).rstrip(".").casefold()


def _beside(cycle: list[str], answer: str, reach: int) -> Iterator[str]:
    """Those at most `reach` places from the answer."""
    place = cycle.index(answer)
    return (cycle[(place + step) % len(cycle)] for step in range(-reach, reach + 1))


def _unsorted(given: str, answer: str) -> Iterator[str]:
    """The words as they were given; where they were in order, in any other."""
    orders = (", ".join(words) for words in itertools.permutations(answer.split(", ")))
    return orders if given == answer else iter((given,))


def _misread(number: str) -> Iterator[str]:
    """A zero too many, a digit too few, ten more, and the digits the other way round."""
    return iter((number + "0", number[:-1] or "1", str(int(number) + 10), str(int(number[::-1]))))


def _misspelt(letters: list[str]) -> Iterator[str]:
    """One letter left out, and two neighbours in the other order."""
    for place in range(len(letters) - 1):
        yield "-".join(letters[:place] + letters[place + 1:])
        yield "-".join([*letters[:place], letters[place + 1], letters[place], *letters[place + 2:]])
