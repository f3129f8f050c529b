"""The command line: `textmill <word>`, its words grouped as a user meets them.

Guarantees: what a user can put right is one sentence for each problem and exit 1, a wrong option exit 2, Ctrl-C exit 130;
what no rule of `errors.py` covers is a traceback, which means a bug. Importing this starts no Beam, torch or Arrow: a word
imports what it needs when it runs.
"""

import difflib
import sys
from collections.abc import Sequence
from typing import Any

import click

from textmill.base.terminal import show
from textmill.cli.assistant import ASSISTANT, LIFE
from textmill.cli.begin import DEMO, FETCH, INIT, PYTHON_DOCS
from textmill.cli.browse import BROWSE
from textmill.cli.change import BACKGROUND, CLASSIFIER, TAKEDOWN
from textmill.cli.cluster import POOL
from textmill.cli.compare import COMPARE
from textmill.cli.errors import sentences, usage_sentence
from textmill.cli.experiments import LADDER, SWEEP
from textmill.cli.finetuning import FINETUNE
from textmill.cli.flow import ALL, STAGES, TRAIN
from textmill.cli.head import HEAD
from textmill.cli.judging import JUDGE, REVISE
from textmill.cli.look import (
    DUPLICATES,
    MIXTURE_PLAN,
    PLAN,
    REJECTED,
    REPORT,
    TOKENIZER_REPORT,
    TRACE,
    TWINS,
    WHAT_IF,
    WHERE,
    WHY,
)
from textmill.cli.memorised import CANARIES, MEMORISED
from textmill.cli.model import ESTIMATE, EVALUATE, EXPORT, WORST
from textmill.cli.posttraining import COMPARISONS, GRPO, PPO, PREFER, REWARD, TASKS
from textmill.cli.publish import CARD, PUSH
from textmill.cli.raw import LOOK
from textmill.cli.restraint import RESTRAIN, RISK_COVERAGE
from textmill.cli.sampling import SAMPLE
from textmill.cli.serving import ORIGINS, SERVE
from textmill.cli.single import BLOCKS_TO, DEDUP_ONLY, DIALOGUES, TOKENIZER_FILES, TRAIN_TOKENIZER
from textmill.cli.state import INSPECT, STATUS

SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Begin": (INIT, DEMO, PYTHON_DOCS, FETCH),
    "The flow: a word brings everything before it up to date (--alone: only itself)": (*STAGES, TRAIN, ALL),
    "Look": (LOOK, BROWSE, STATUS, INSPECT, REPORT, TOKENIZER_REPORT, WHY, REJECTED, TRACE, WHERE, DUPLICATES, TWINS, WHAT_IF,
             PLAN, MIXTURE_PLAN),
    "Change": (TAKEDOWN, BACKGROUND, CLASSIFIER),
    "Hand on": (CARD, PUSH),
    "The model": (ESTIMATE, SAMPLE, EVALUATE, WORST, COMPARE, LADDER, SWEEP, CANARIES, MEMORISED, ORIGINS, SERVE, EXPORT),
    "To an assistant": (ASSISTANT, TASKS, FINETUNE, COMPARISONS, REWARD, PREFER, GRPO, PPO, JUDGE, REVISE, RESTRAIN,
                        RISK_COVERAGE, HEAD, LIFE),
    "Only one thing": (DEDUP_ONLY, TRAIN_TOKENIZER, TOKENIZER_FILES, BLOCKS_TO, DIALOGUES),
    "On a cluster": (POOL,),
}
COMPLETION = """\b
Completion, a line for your shell's start file:
  bash  eval "$(_TEXTMILL_COMPLETE=bash_source textmill)"
  zsh   eval "$(_TEXTMILL_COMPLETE=zsh_source textmill)"
  fish  _TEXTMILL_COMPLETE=fish_source textmill | source"""


class Mill(click.Group):
    """The group of all words: lists them by section, and turns what goes wrong in one into sentences."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for title, words in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([((word.name or "").ljust(width), word.short_help or "") for word in words])

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.commands, n=1)
            ctx.fail(f"there is no word {args[0]!r}" + (f"; did you mean {near[0]}?" if near else ""))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> None:
        with sentences(ctx):
            lines = super().invoke(ctx)
            show([lines] if isinstance(lines, str) else lines or ())


MILL = Mill(name="textmill", epilog=COMPLETION,
            help="A mill for training text: from web pages to packed token blocks, and a small GPT trained on them.",
            subcommand_metavar="WORD [OPTIONS] …",
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
click.version_option(package_name="textmill", prog_name="textmill", message="%(prog)s %(version)s")(MILL)
for section in SECTIONS.values():
    for word in section:
        MILL.add_command(word)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one word by the given arguments (default: the process's); the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    try:
        return MILL.main(arguments, prog_name="textmill", standalone_mode=False) or 0
    except click.UsageError as error:
        print(usage_sentence(error), file=sys.stderr, flush=True)
        return error.exit_code
    except click.Abort:                 # Ctrl-C before a word began
        return 130
