"""Effect of another rule table, without reading texts: documents and words gained and lost by language, source and rule.

    textmill what-if --rules new.yaml

compares it with the table that `verdicts` was made by. Dedup comes later: a document that is gained may still be a copy.
"""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import aligned, read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.display.masking import UNSEEN, masked
from textmill.pipelines.display.numbers import many, number
from textmill.pipelines.ledger.what_if.compare import Difference, ExamplePage, Moved, changed_rules
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.screen.rules import Rule, read_rules, stored_rule

WIDTH = 80
ROWS = 20                   # languages, sources or rules listed


def what_if(data: Folder, rules: str) -> Iterator[str]:
    """What the rule table in the file `rules` would change, as lines.

    SettingsError or StageError where the tables cannot be compared."""
    new = read_rules(rules, RULE_MEASUREMENTS, KINDS).rules
    old, difference = compare(data, new)
    return (line.rstrip() for line in comparison(difference, changed_rules(old, new), rules))


def compare(data: Folder, new: Sequence[Rule]) -> tuple[list[Rule], Difference]:
    """(the table of `verdicts`, what `new` changes). StageError where a dataset is missing or they do not belong together."""
    documents, signals, verdicts = (_manifest(data, name, stage) for name, stage
                                    in (("documents", "extract"), ("signals", "measure"), ("verdicts", "screen")))
    old = stored_rules(verdicts)
    if missing := sorted({"form", *(rule.name for rule in (*old, *new))} - set(_columns(data, signals))):
        raise StageError(f"data/signals has no measurement {', '.join(missing)}: it was made by an older version; run "
                         "`textmill measure`")
    rows = [[(part.key, part.rows) for part in manifest.parts] for manifest in (documents, signals, verdicts)]
    if rows[0] != rows[1] or rows[0] != rows[2]:
        raise StageError(f"the datasets in {data.uri} were made from other documents than lie there now; run `textmill screen`")
    difference = Difference()
    measured = list(dict.fromkeys(("id", "language", "form", "word_count", *(rule.name for rule in (*old, *new)))))
    pages_of = ["url", "title", "host", "source", "turns", "page_kind"]
    for page_part, signal_part, verdict_part in zip(documents.parts, signals.parts, verdicts.parts, strict=True):
        for batch, pages, judged in aligned([read_batches(data / "signals", signal_part, measured),
                                             read_batches(data / "documents", page_part, pages_of),
                                             read_batches(data / "verdicts", verdict_part, ["broken"])]):
            has_turns = pages["turns"].is_valid().to_numpy(zero_copy_only=False)
            difference.add(batch, pages, old, new, judged["broken"], has_turns)
    return old, difference


def stored_rules(verdicts: Manifest) -> list[Rule]:
    """The rules that verdicts were made by."""
    return [stored_rule(settings) for settings in verdicts.made_from["settings"]]


def _manifest(data: Folder, name: str, stage: str) -> Manifest:
    manifest = Manifest.read(data / name)
    if manifest is None:
        raise StageError(f"there is nothing in {data.uri}/{name} yet; run `textmill {stage}`")
    return manifest


def _columns(data: Folder, signals: Manifest) -> Sequence[str]:
    for batch in read_batches(data / "signals", signals.parts[0]) if signals.parts else ():
        return batch.schema.names
    return RULE_MEASUREMENTS


def comparison(difference: Difference, changes: Sequence[str], name: str) -> Iterator[str]:
    """The comparison as lines of at most WIDTH cells."""
    gained, lost, everything = difference.gained, difference.lost, ("all", "")
    yield f"what-if: {name} against the table of verdicts, on {difference.read:,} documents"
    yield from (_fit(f"  {change}", WIDTH) for change in changes or ["it says the same"])
    if difference.taken:
        yield f"  {many(difference.taken, 'more is', 'more are')} taken down by takedown.txt, whatever a table says"
    yield ""
    yield _row("", "kept now", "gained", "lost", "then", "words then", "words ±")
    yield _counted("all", everything, difference)
    for of, title in (("language", "by language"), ("source", "by source")):
        keys = _moved(of, gained, lost)
        yield from _table(title, keys, difference, f"no other {of} changes" if keys else f"no {of} changes")
    rules = _moved("rule", gained, lost)
    if rules:
        yield f"\n{'by rule (a document counts under every rule it breaks)':<56}{'gained':>11}{'lost':>11}"
        for key in rules[:ROWS]:
            yield f"{_fit(key[1], 56)}{gained.documents[key]:>11,}{lost.documents[key]:>11,}"
    for title, moved in (("gained", gained), ("lost", lost)):
        yield from _samples(title, moved)


def _table(title: str, keys: Sequence[tuple[str, str]], difference: Difference, end: str) -> Iterator[str]:
    yield f"\n{title}"
    for key in keys[:ROWS]:
        yield _counted(key[1] or "unknown", key, difference)
    yield f"({len(keys) - ROWS} more)" if len(keys) > ROWS else f"({end})"


def _counted(name: str, key: tuple[str, str], difference: Difference) -> str:
    gained, lost = difference.gained, difference.lost
    words = gained.words[key] - lost.words[key]
    now = difference.before[key]
    then = now + gained.documents[key] - lost.documents[key]
    return _row(name, f"{now:,}", f"{gained.documents[key]:,}", f"{lost.documents[key]:,}", f"{then:,}",
                f"{difference.before_words[key] + words:,}", f"{words:+,}")


def _row(name: str, *numbers: str) -> str:
    return _fit(name, 14) + "".join(f"{value:>{width}}" for value, width in zip(numbers, (10, 9, 9, 10, 15, 13), strict=True))


def _samples(title: str, moved: Moved) -> Iterator[str]:
    """The pages of smallest hash: address, title, and the rules that decide. Personal data is masked."""
    total = moved.documents["all", ""]
    if not total:
        return
    yield f"\n{title}: {len(moved.samples)} of {total:,}"
    for page in moved.samples:
        yield _fit(f"  {page.language:<4}{_shown(page.url) or page.id}", WIDTH)
        if page.title:
            yield _fit(f"      {_shown(page.title, page)}", WIDTH)
        yield _fit("      " + ", ".join(f"{rule} {number(value)} {'<' if value < bound else '>'} {number(bound)}"
                                        for rule, value, bound in page.broken), WIDTH)


def _shown(text: str | None, page: ExamplePage | None = None) -> str:
    return UNSEEN.sub("", masked(text, page.language, page.host) if page else masked(text))


def _moved(of: str, gained: Moved, lost: Moved) -> list[tuple[str, str]]:
    """The keys of one kind under which something changes, the ones with most documents first."""
    keys = {key for key in (*gained.documents, *lost.documents) if key[0] == of}
    return sorted(keys, key=lambda key: (-(gained.documents[key] + lost.documents[key]), key))


def _fit(text: str, width: int) -> str:
    """`text` in exactly `width` cells of a terminal, cut with … where it is longer."""
    return set_cell_size(text, width - 1) + "…" if cell_len(text) > width else set_cell_size(text, width)
