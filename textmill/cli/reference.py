"""docs/commands.md: every word with its options, generated from the command itself.

`python -m textmill.cli.reference > docs/commands.md` writes the page.
"""

from collections.abc import Iterator

import click

from textmill.cli import MILL, SECTIONS
from textmill.cli.options import RUN_NAMES

HEAD = """# Commands

`textmill WORD --help` says the same in a terminal. Every option and word can be completed by the shell: the end of
`textmill --help` has the line for bash, zsh and fish.

Exit status: 0; 1 where something a user can put right stopped it, a sentence for each problem on stderr; 2 for a wrong
option; 130 after Ctrl-C. What is finished is kept: the same command goes on from there.

Without a `settings.yaml`, `rules.yaml` or `mixtures/demo.yaml` in the working folder the shipped ones hold; `textmill init`
writes them there to edit. A file that an option names has to exist.

## Options of a run

Every word that runs stages has these.
"""


def page() -> Iterator[str]:
    """The page, line by line."""
    yield HEAD
    yield from options(SECTIONS["Begin"][1], of_a_run=True)
    yield ""
    for title, words in SECTIONS.items():
        heading, _, rest = title.partition(": ")
        yield f"## {heading}\n"
        if rest:
            yield f"{rest[0].upper()}{rest[1:]}.\n"
        for word in words:
            yield from described(word)


def described(word: click.Command) -> Iterator[str]:
    """A word: its usage, what it does, its options; those of a run are named together."""
    context = context_of(word)
    yield f"### {word.name}\n"
    yield f"`textmill {word.name} {' '.join(word.collect_usage_pieces(context))}`\n"
    yield "\n\n".join(" ".join(paragraph.split()) for paragraph in (word.help or "").split("\n\n")) + "\n"
    if all_of_a_run(word):
        yield "- the [options of a run](#options-of-a-run)"
    yield from options(word, of_a_run=False)
    yield ""


def options(word: click.Command, of_a_run: bool) -> Iterator[str]:
    """The options of a word as a list: those of a run, or the others; all where it has only some of those of a run."""
    for option in word.params:
        listed = not all_of_a_run(word) or (option.name in RUN_NAMES) == of_a_run
        if listed and isinstance(option, click.Option) and (record := option.get_help_record(context_of(word))):
            yield f"- `{record[0]}`: {' '.join(record[1].split())}"


def all_of_a_run(word: click.Command) -> bool:
    """Whether a word has every option of a run."""
    return {option.name for option in word.params} >= set(RUN_NAMES)


def context_of(word: click.Command) -> click.Context:
    """The context in which `textmill WORD` is parsed."""
    return click.Context(word, parent=click.Context(MILL, info_name="textmill"), info_name=word.name)


if __name__ == "__main__":
    print("\n".join(page()).rstrip())
