"""Parameters of the protocol: the body of a request, read strictly, as what the engine is asked.

Guarantees: a key that is unknown, of a wrong type or out of its range is refused with its name; what the protocol has and
means nothing here (IGNORED) is taken and does nothing. Names beyond the protocol's are those of vLLM's server.
"""

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from textmill.model.generation.constraints import Constraint
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.serving.errors import ApiError

MOST_ANSWERS = 32           # to one request
MOST_STOPS = 16
DRAWING = {"temperature": (0, 100), "top_k": (1, 1 << 31), "top_p": (0, 1), "min_p": (0, 1), "typical_p": (0, 1),
           "repetition_penalty": (0, 100), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)}
WHOLE = ("top_k",)
CONSTRAINTS: dict[str, Literal["options", "regex", "json", "grammar"]] = {
    "guided_choice": "options", "guided_regex": "regex", "guided_json": "json", "guided_grammar": "grammar"}
COMMON = {"model", "n", "max_tokens", "min_tokens", "stop", "stream", "stream_options", "seed", "logit_bias", "logprobs",
          "response_format", *DRAWING, *CONSTRAINTS}
CHAT = {*COMMON, "messages", "tools", "tool_choice", "top_logprobs", "max_completion_tokens"}
COMPLETION = {*COMMON, "prompt", "best_of", "echo", "suffix"}
IGNORED = {"user", "metadata", "store", "service_tier", "parallel_tool_calls", "safety_identifier", "prompt_cache_key",
           "verbosity", "reasoning_effort"}


@dataclass(frozen=True)
class Call:
    """What a request of the protocol comes to: `requests` to the engine, one for each answer, prompt by prompt."""

    requests: tuple[Request, ...]
    prompts: int                    # how many prompts they are to
    n: int                          # answers that each prompt is to get
    stream: bool = False
    include_usage: bool = False
    echo: bool = False
    logprobs: bool = False
    repeatable: bool = False        # the same call gives the same answers, so they may be kept
    tools: bool = False             # tool calls in an answer are read
    forced_call: bool = False       # the answer is the JSON of a tool call


class Body:
    """The keys of a request, taken one by one with their checks."""

    def __init__(self, values: Any, known: set[str]):
        if not isinstance(values, Mapping):
            raise ApiError("the body is no JSON object; send one")
        self.values = values
        if unknown := sorted(set(values) - known - IGNORED):
            raise ApiError(f"unrecognized request argument: {unknown[0]}", param=unknown[0], code="unknown_parameter")

    def number(self, name: str, default: Any, low: float, high: float, whole: bool = False) -> Any:
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not math.isfinite(value):
            raise _wrong(name, "a whole number" if whole else "a number", value)
        if not low <= value <= high:
            raise ApiError(f"{name} must be {low:g} to {high:g}, is {value}", param=name, code="invalid_value")
        return value

    def flag(self, name: str) -> bool:
        value = self.values.get(name)
        if not isinstance(value, bool | None):
            raise _wrong(name, "true or false", value)
        return bool(value)

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        value = self.values.get(name)
        values = [] if value is None else [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(each, str) and each for each in values):
            raise _wrong(name, "a text or a list of texts that are not empty", value)
        if len(values) > most:
            raise ApiError(f"{name} has {len(values)} texts; give {most} at most", param=name, code="invalid_value")
        return tuple(values)


def _wrong(name: str, wanted: str, value: Any) -> ApiError:
    return ApiError(f"{name} must be {wanted}, is {type(value).__name__}", param=name, code="invalid_type")


def check_model(body: Body, name: str) -> None:
    """ApiError where the body asks for another model than the one there is."""
    asked = body.values.get("model")
    if not isinstance(asked, str):
        raise ApiError("you must provide a model parameter", param="model", code="missing_required_parameter")
    if asked != name:
        raise ApiError(f"the model `{asked[:80]}` does not exist; this server has `{name}`", 404, param="model",
                       code="model_not_found")


def call_of(body: Body, prompts: Sequence[tuple[int, ...]], context: int, max_tokens: int | None,
            top_logprobs: int | None) -> Call:
    """The call for these prompts with what both kinds of requests share."""
    n = body.number("n", 1, 1, MOST_ANSWERS, whole=True)
    drawn = body.number("best_of", n, n, MOST_ANSWERS, whole=True)
    if drawn * len(prompts) > MOST_ANSWERS:
        raise ApiError(f"that is {drawn * len(prompts)} answers; ask for {MOST_ANSWERS} at most", param="n",
                       code="invalid_value")
    stream, options = body.flag("stream"), body.values.get("stream_options") or {}
    if not isinstance(options, Mapping):
        raise _wrong("stream_options", "an object", options)
    if stream and drawn > n:
        raise ApiError("best_of must not be more than n in a stream: all answers are compared first", param="best_of")
    for prompt in prompts:
        if len(prompt) >= context:
            raise ApiError(f"this model's context is {context} tokens and the prompt has {len(prompt)}; shorten it",
                           param="messages" if "messages" in body.values else "prompt", code="context_length_exceeded")
    seed = body.number("seed", None, -(1 << 63), (1 << 63) - 1, whole=True)
    given = {name: value for name, (low, high) in DRAWING.items()
             if (value := body.number(name, None, low, high, name in WHOLE)) is not None}
    settings = SamplingSettings(**{"temperature": 1.0, **given}, logit_bias=_logit_bias(body.values.get("logit_bias")),
                                seed=(seed if seed is not None else secrets.randbits(62)) % ((1 << 63) - MOST_ANSWERS))
    longest = max_tokens or max(1, context - min(map(len, prompts)))
    request = Request(
        prompts[0], settings, longest, body.number("min_tokens", 0, 0, longest, whole=True), body.texts("stop", MOST_STOPS),
        top_logprobs=top_logprobs if drawn == n or top_logprobs is not None else 0, constraint=_constraint(body.values))
    requests = tuple(replace(request, prompt=prompt, settings=settings.another(number))
                     for prompt in prompts for number in range(drawn))
    return Call(requests, len(prompts), n, stream, bool(options.get("include_usage")), logprobs=top_logprobs is not None,
                repeatable=seed is not None or settings.temperature == 0)


def _logit_bias(value: Any) -> dict[int, float]:
    if value is None:
        return {}
    try:
        bias = {int(token): float(number) for token, number in value.items()}
    except (AttributeError, TypeError, ValueError):
        raise _wrong("logit_bias", "an object of token ids and numbers", value) from None
    if not all(abs(number) <= 100 for number in bias.values()):
        raise ApiError("logit_bias must be -100 to 100", param="logit_bias", code="invalid_value")
    return bias


def _constraint(values: Mapping[str, Any]) -> Constraint | None:
    """The form of the answer by response_format, or by a guided_ key."""
    format_ = values.get("response_format")
    asked = [Constraint(kind, values[name]) for name, kind in CONSTRAINTS.items() if values.get(name) is not None]
    if format_ is not None:
        kind = format_.get("type") if isinstance(format_, Mapping) else None
        if kind == "json_object":
            asked.append(Constraint("json", {"type": "object"}))
        elif kind == "json_schema":
            schema = format_.get("json_schema")
            if not isinstance(schema, Mapping) or not isinstance(schema.get("schema"), Mapping | bool):
                raise ApiError("response_format needs json_schema with a schema", param="response_format", code="invalid_value")
            asked.append(Constraint("json", schema["schema"]))
        elif kind != "text":
            raise ApiError("response_format must have the type text, json_object or json_schema", param="response_format",
                           code="invalid_value")
    if len(asked) > 1:
        raise ApiError("an answer has one form; give one of response_format and guided_ keys", param="response_format")
    return asked[0] if asked else None
