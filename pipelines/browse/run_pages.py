"""Mixtures with their plan beside, and training runs over each other, as pages."""

import dataclasses
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from textmill.base.errors import TextmillError
from textmill.base.names import name_problem
from textmill.base.strict import parse, read_yaml
from textmill.pipelines.browse.browser import Browser, attachment, form_of, part
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.ledger.mixture_plan import UnmetMixtureError, mixture_plan
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.pack.nearest import as_yaml
from textmill.pipelines.report.training import LOG, training
from textmill.pipelines.tokens.settings import TokenizerName

MOST_RUNS = 6           # in one figure, by its colours


def mixture(browser: Browser, request: Request) -> Response:
    """The recipe of the run to edit, its plan beside it."""
    recipe = as_yaml(browser.context.config[Mixture])
    return browser.page("mixture.html", request, recipe=recipe, **plan_of(browser.context, recipe))


def mixture_effect(browser: Browser, request: Request) -> Response:
    """The plan of an edited recipe. Nothing is written."""
    return part("plan.html", **plan_of(browser.context, form_of(request).get("recipe", "")))


def mixture_file(browser: Browser, request: Request) -> Response:
    """An edited recipe as a file to be saved, as it was typed, whether it can be met or not."""
    recipe = form_of(request).get("recipe", "").replace("\r\n", "\n")
    return attachment(file_name(recipe), recipe)


def file_name(recipe: str) -> str:
    """The name of a recipe's file: its own name."""
    try:
        name = read_yaml("the recipe", recipe).get("name")
    except TextmillError:
        name = None
    return f"{'mixture' if name_problem('mixture', name) else name}.yaml"


def plan_of(context: RunContext, recipe: str) -> dict[str, Any]:
    """The plan of a recipe in YAML as lines; or the sentences that say why there is none, and what there is as lines."""
    try:
        asked = parse(Mixture, read_yaml("the recipe", recipe), "the recipe")
        config = context.config.replaced(asked, TokenizerName(asked.tokenizer))
        return {"lines": list(mixture_plan(dataclasses.replace(context, config=config)).lines()), "problems": [],
                "file": file_name(recipe)}
    except UnmetMixtureError as refused:
        return {"lines": list(refused.lines()), "problems": str(refused).splitlines(), "file": ""}
    except TextmillError as error:
        return {"lines": [], "problems": str(error).splitlines(), "file": ""}


def runs(browser: Browser, request: Request) -> Response:
    """Training runs: loss and bits per byte over steps, those chosen over each other."""
    data = browser.context.data
    names = sorted({entry.path.split("/")[1] for entry in data.entries("checkpoints") if entry.path.count("/") == 2
                    and entry.path.endswith(f"/{LOG}")})
    chosen = [name for name in request.query_params.getlist("run") if name in names] or names
    found = {name: run for name in chosen[:MOST_RUNS] if (run := training(data / f"checkpoints/{name}"))}
    end = max((run.steps for run in found.values()), default=1)
    return browser.page(
        "runs.html", request, names=names, chosen=list(found), end=end, chat=browser.chat, most=MOST_RUNS,
        loss=[(name, run.loss) for name, run in found.items() if run.loss],
        bits=[(name, run.validation) for name, run in found.items() if run.validation],
        rows=[(name, run.steps, run.tokens, run.loss[-1][1] if run.loss else None,
               run.validation[-1][1] if run.validation else None) for name, run in found.items()])
