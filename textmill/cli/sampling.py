"""The word `sample`: every way to draw from a trained model, to search, and to see how sure it is."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textmill.base.errors import TextmillError
from textmill.cli.model import TRAINED
from textmill.cli.options import DATA, DEVICE, FILE, MIXTURE, PATH, of_mixture, with_options

if TYPE_CHECKING:
    from textmill.model.generation.answer import Answer
    from textmill.model.generation.constraints import Constraint
    from textmill.model.generation.engine import Engine
    from textmill.model.generation.request import Request

MANY = click.IntRange(min=1)
DRAWING = (
    click.option("--tokens", type=int, default=100, show_default=True, help="at most so many more"),
    click.option("--min-tokens", type=int, default=0, show_default=True, help="and at least so many"),
    click.option("--count", type=int, default=1, show_default=True, help="how many samples"),
    click.option("--temperature", type=float, default=0.8, show_default=True, help="0 takes the likeliest token"),
    click.option("--top-k", type=int, help="draw from the k likeliest only  [default: from all]"),
    click.option("--top-p", type=float, help="draw from the likeliest that reach p together  [default: from all]"),
    click.option("--min-p", type=float, help="draw from those at least p times as likely as the likeliest"),
    click.option("--typical-p", type=float, help="draw from those of nearly mean surprise that reach p"),
    click.option("--repetition-penalty", type=float, default=1.0, show_default=True, help="for what was said before"),
    click.option("--presence-penalty", type=float, default=0.0, show_default=True, help="off the logits of what was answered"),
    click.option("--frequency-penalty", type=float, default=0.0, show_default=True, help="off them for each time"),
    click.option("--logit-bias", multiple=True, metavar="ID=NUMBER", help="added to the logit of an id; may be repeated"),
    click.option("--seed", type=int, default=1, show_default=True, help="another seed, another text"),
    click.option("--stop", multiple=True, metavar="TEXT", help="ends a text, and is left out of it; may be repeated"),
)
FORM = (
    click.option("--choice", multiple=True, metavar="TEXT", help="the answer is one of these; repeated"),
    click.option("--regex", metavar="REGEX", help="the answer has this form"),
    click.option("--json-schema", type=FILE, metavar="FILE", help="the answer is JSON by this schema"),
    click.option("--grammar", type=FILE, metavar="FILE", help="the answer has this form, in Lark's notation"),
)
SEARCH = (
    click.option("--best-of", type=MANY, metavar="N", help="of N answers the one with the best mean log-probability"),
    click.option("--beams", type=MANY, metavar="N", help="beam search of this width, best first"),
    click.option("--length-power", type=float, default=1.0, show_default=True, help="with --beams: score over length to it"),
    click.option("--vote", type=MANY, metavar="N", help="of N answers one with the most frequent final answer"),
    click.option("--final", default=r"(?s)(.*)", metavar="REGEX", help="with --vote: its first group is final  [default: all]"),
    click.option("--tries", type=MANY, metavar="N", help="draw up to N times until --valid"),
    click.option("--race", type=MANY, metavar="N", help="draw N side by side until one is --valid"),
    click.option("--valid", metavar="REGEX", help="what makes an answer valid, anywhere in it"),
)
SURE = (
    click.option("--logprobs", type=int, metavar="N", help="with --json: of each token, and of the N likeliest there"),
    click.option("--certainty", is_flag=True, help="say how sure the model is of each answer"),
    click.option("--abstain", type=click.FloatRange(0, 1), metavar="P", help="no answer where the mean probability is below P"),
    click.option("--score", metavar="TEXT", help="instead of drawing: the log-probability of TEXT after the prompt"),
    click.option("--changes", is_flag=True, help="instead: what harmless changes of the prompt do to the answer"),
)


@click.command("sample", short_help="continues a prompt by the trained model")
@with_options(TRAINED, DATA, MIXTURE)
@click.option("--prompt", default="", help="how the text begins; - reads one a line from stdin  [default: nothing]")
@with_options(*DRAWING, *FORM, *SEARCH, *SURE)
@click.option("--cache", type=PATH, metavar="DIR", help="keep answers there, and take from there what was asked before")
@click.option("--json", "as_json", is_flag=True, help="a line of JSON for each answer")
@DEVICE
def sample(run: str | None, prompt: str, device: str, **given: Any) -> Iterable[str]:
    """Continue a prompt by the trained model.

    Processors of the logits are taken in this order: bias, penalties, form, temperature, top-k, top-p, min-p, typical. Several
    prompts and samples go through the model together; each gives the text that it would give alone."""
    from textmill.model.device import choose_device
    from textmill.model.generation.engine import Engine
    from textmill.model.generation.language_model import LanguageModel
    from textmill.model.generation.sample import check

    settings, constraint = settings_of(given), constraint_of(given)
    check(given["count"], given["tokens"], settings)
    engine = Engine(LanguageModel.load(run or of_mixture("checkpoints", given), choose_device(device)))
    prompts = [line.rstrip("\n") for line in sys.stdin] if prompt == "-" else [prompt]
    if given["score"] is not None:
        return scored(engine, prompts, given)
    if given["changes"]:
        return changed(engine, prompts, given)
    from textmill.model.generation.request import Request

    sure = given["certainty"] or given["abstain"] is not None
    requests = [Request(engine.model.ids(text), settings, given["tokens"], given["min_tokens"], given["stop"], None,
                        given["logprobs"] if given["logprobs"] is not None or not sure else 0, constraint) for text in prompts]
    return separated(answered(engine, prompts, requests, given), given["as_json"])


def settings_of(given: dict[str, Any]) -> Any:
    """How tokens are drawn. TextmillError where a bias is none."""
    from textmill.model.generation.sampling import SamplingSettings

    bias = {}
    for each in given["logit_bias"]:
        if not (parts := re.fullmatch(r"(\d+)=([-+.\deE]+)", each)):
            raise TextmillError(f"--logit-bias {each} is none; write ID=NUMBER, such as 17=-100")
        bias[int(parts[1])] = float(parts[2])
    names = ("temperature", "top_k", "top_p", "seed", "min_p", "typical_p", "repetition_penalty", "presence_penalty",
             "frequency_penalty")
    return SamplingSettings(**{name: given[name] for name in names}, logit_bias=bias)


def constraint_of(given: dict[str, Any]) -> "Constraint | None":
    """The form of answers. TextmillError where there are two, or a file cannot be read."""
    from textmill.model.generation.constraints import Constraint

    forms: dict[str, Any] = {"options": list(given["choice"]) or None, "regex": given["regex"], "json": given["json_schema"],
                             "grammar": given["grammar"]}
    asked = {kind: form for kind, form in forms.items() if form is not None}
    if len(asked) > 1:
        raise TextmillError("an answer has one form; give only one of --choice, --regex, --json-schema, --grammar")
    for kind, form in asked.items():
        if isinstance(form, Path):
            try:
                form = form.read_text("utf-8")
                form = json.loads(form) if kind == "json" else form
            except ValueError as error:
                raise TextmillError(f"{asked[kind]} cannot be read ({error}); correct it") from None
        return Constraint(kind, form)       # type: ignore[arg-type]
    return None


def answered(engine: "Engine", prompts: list[str], requests: "list[Request]",
             given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each answer as what is shown of it, by the search that is asked for."""
    from textmill.model.generation import search
    from textmill.model.generation.certainty import certainty

    ways = [name for name in ("best_of", "beams", "vote", "tries", "race") if given[name]]
    if len(ways) > 1:
        raise TextmillError("one search at a time; give only one of --best-of, --beams, --vote, --tries, --race")
    if ways and given["cache"] is not None:
        raise TextmillError("--cache keeps plain answers, and a search draws many; leave one of them out")
    if (given["tries"] or given["race"]) and given["valid"] is None:
        raise TextmillError("--tries and --race need to know what is valid; give --valid REGEX")
    valid, final = pattern(given["valid"] or ""), pattern(given["final"])

    def shown(prompt: str, answer: "Answer", **more: Any) -> dict[str, Any]:
        values: dict[str, Any] = {"prompt": prompt, "text": answer.text, "finish_reason": answer.finish_reason,
                                  "usage": answer.usage._asdict()}
        if answer.problem:
            values["problem"] = answer.problem
        if answer.scores and (given["certainty"] or given["abstain"] is not None):
            values["certainty"] = certainty(answer.scores)._asdict()
            if values["certainty"]["mean"] < (given["abstain"] or 0):
                values["text"] = None
        if given["logprobs"] is not None:
            values["logprobs"] = scores_of(engine, answer.scores)
        return values | more

    if not ways:
        each = [one for request in requests for one in search.seeded(request, given["count"])]
        answers = engine.run(each) if given["cache"] is None else kept_or_drawn(engine, each, given["cache"])
        yield from (shown(prompts[number // given["count"]], answer) for number, answer in enumerate(answers))
        return
    for prompt, request in zip(prompts, requests, strict=True):
        if given["beams"]:
            found, generated = search.beam_search(engine, request, given["beams"], given["length_power"])
            for each_ in found:
                text = b"".join(engine.model.pieces[number] for number in each_.tokens).decode("utf-8", "replace")
                yield {"prompt": prompt, "text": text, "score": each_.score, "logprob": each_.logprob, "generated": generated}
            continue
        if given["best_of"]:
            chosen = search.best_of(engine, request, given["best_of"])
        elif given["vote"]:
            chosen = search.self_consistency(engine, request, given["vote"], lambda text: first_group(final, text))
        else:
            way = search.until_valid if given["tries"] else search.first_valid
            chosen = way(engine, request, lambda text: bool(valid.search(text)), given["tries"] or given["race"])
        if chosen.answer is None:
            raise TextmillError(f"none of {len(chosen.answers)} answers is valid, after {chosen.generated:,} tokens; give more "
                                "tries, or another prompt")
        more = {"score": chosen.scores[0]} if chosen.scores else {}
        agreement = {"agreement": chosen.agreement._asdict()} if chosen.agreement else {}
        yield shown(prompt, chosen.answer, generated=chosen.generated, **more, **agreement)


def kept_or_drawn(engine: "Engine", requests: "list[Request]", folder: str) -> "list[Answer]":
    """The answers to requests, drawn where the folder has none that was kept."""
    from textmill.model.serving.answer_cache import AnswerCache, model_digest

    cache = AnswerCache(Path(folder), model_digest(engine.model))
    answers = [cache.answer(request, engine.model.pieces) for request in requests]
    drawn = iter(engine.run([request for request, answer in zip(requests, answers, strict=True) if answer is None]))
    for number, answer in enumerate(answers):
        if answer is None:
            cache.keep_answer(new := next(drawn))
            answers[number] = new
    return [answer for answer in answers if answer is not None]


def separated(answers: Iterator[dict[str, Any]], as_json: bool) -> Iterator[str]:
    """Answers as lines of JSON, or as texts with an empty line between and what else is known below."""
    for number, answer in enumerate(answers):
        if as_json:
            yield json.dumps(answer, ensure_ascii=False)
            continue
        text = "(no answer: not sure enough)" if answer["text"] is None else answer["prompt"] + answer["text"]
        notes = [answer["problem"]] if "problem" in answer else []
        if "certainty" in answer:
            notes.append(", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in answer["certainty"].items()))
        if "agreement" in answer:
            notes.append(f"{answer['agreement']['votes']} answers agree ({answer['agreement']['share']:.0%})")
        if "generated" in answer:
            notes.append((f"score {answer['score']:.4f}; " if "score" in answer else "")
                         + f"{answer['generated']:,} tokens generated")
        yield "\n".join([*([""] if number else []), text, *(f"[{note}]" for note in notes)])


def scored(engine: "Engine", prompts: list[str], given: dict[str, Any]) -> Iterator[str]:
    """The log-probability of a text after each prompt, by token where asked for."""
    from textmill.model.generation.scoring import score

    for prompt in prompts:
        scores = score(engine.model, given["score"], prompt, given["logprobs"] or 0)
        total = sum(each.logprob for each in scores)
        if given["as_json"]:
            yield json.dumps({"prompt": prompt, "text": given["score"], "logprob": total,
                              "logprobs": scores_of(engine, scores)}, ensure_ascii=False)
        else:
            yield f"log-probability {total:.4f} nats in {len(scores)} tokens, {total / max(1, len(scores)):.4f} each"


def changed(engine: "Engine", prompts: list[str], given: dict[str, Any]) -> Iterator[str]:
    """What harmless changes of each prompt do to its likeliest answer."""
    from textmill.model.generation.robustness import changes

    for prompt in prompts:
        text, found = changes(engine, prompt, given["tokens"])
        if given["as_json"]:
            listed = [each._asdict() for each in found]
            yield json.dumps({"prompt": prompt, "text": text, "changes": listed}, ensure_ascii=False)
            continue
        yield prompt + text
        yield from (f"{each.name:26} likeness {each.likeness:6.1%}, first token's total variation {each.variation:.3f}"
                    for each in found)
        same = sum(each.text == text for each in found)
        yield f"{same} of {len(found)} changes leave the answer as it is"


def scores_of(engine: "Engine", scores: Sequence[Any]) -> list[dict[str, Any]]:
    """Scores with the texts of tokens, for JSON."""
    def text(number: int) -> str:
        return engine.model.pieces[number].decode("utf-8", "replace")

    return [{"id": each.id, "token": text(each.id), "logprob": each.logprob, "drawn": each.drawn, "entropy": each.entropy,
             "top": [{"id": number, "token": text(number), "logprob": value} for number, value in each.top]} for each in scores]


def pattern(expression: str) -> re.Pattern[str]:
    """A regular expression. TextmillError where it is none."""
    try:
        return re.compile(expression)
    except re.error as error:
        raise TextmillError(f"{expression} is no regular expression ({error}); correct it") from None


def first_group(expression: re.Pattern[str], text: str) -> str | None:
    """The first group of an expression in a text, without spaces around it; the whole match where it has no groups."""
    found = expression.search(text)
    return None if found is None else found[1 if expression.groups else 0].strip()


SAMPLE = sample
