"""The application: routes of OpenAI's protocol, health, metrics, origins and the page, around one model."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from textmill.base.errors import TextmillError
from textmill.model.evaluation.origins import LEAST, Origins, share_in_runs
from textmill.model.generation.engine import Engine
from textmill.model.generation.language_model import LanguageModel
from textmill.model.serving.answer_cache import AnswerCache, model_digest
from textmill.model.serving.answering import Answering, Limits
from textmill.model.serving.chat import prompt_of, with_tools
from textmill.model.serving.errors import ApiError, broken
from textmill.model.serving.http import ClientGoneError, EventStream, Guard, read_json, unless_gone
from textmill.model.serving.metrics import Metrics
from textmill.model.serving.parameters import CHAT, COMPLETION, Body, Call, call_of, check_model
from textmill.model.serving.prompt_scores import prompt_scores
from textmill.model.serving.replies import Echo, Head
from textmill.model.serving.worker import Progress, Worker
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.special import CHAT_TOKENS

PAGE = Path(__file__).parent / "page"
MOST_LOOKED_UP = 8192       # tokens of a text whose origins are asked for
COMPLETION_TOKENS = 16      # where max_tokens is not given, as the protocol has it
Addresses = Callable[[set[str]], Mapping[str, Mapping[str, str | None]]]        # `source` and `url` of documents, by id


@dataclass(frozen=True)
class Serving:
    """A model and how it is served; `hosts` are the names that it answers to, None for any."""

    name: str
    model: LanguageModel
    rows: int = 16
    limits: Limits = field(default_factory=Limits)
    key: str | None = None
    hosts: frozenset[str] | None = None
    cache: Path | None = None
    origins: Origins | None = None
    addresses: Addresses = lambda ids: {}


def application(serving: Serving) -> Starlette:
    """The ASGI application; its engine starts and ends with it."""
    api = _Api(serving)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        api.worker.end()

    routes = [
        Route("/", api.page), Route("/health", api.health), Route("/metrics", api.metrics_text),
        Route("/v1/models", api.models), Route("/v1/models/{name:path}", api.one_model),
        Route("/v1/completions", api.completions, methods=["POST"]),
        Route("/v1/chat/completions", api.chat, methods=["POST"]), Route("/origins", api.origins, methods=["POST"]),
        Mount("/page", StaticFiles(directory=PAGE))]
    guard = Middleware(Guard, key=serving.key, hosts=serving.hosts, metrics=api.metrics)
    handlers: Mapping[Any, Any] = {ApiError: _refused, TextmillError: _sentence, HTTPException: _http_error,
                                   ClientGoneError: api.client_gone, Exception: _broken}
    return Starlette(routes=routes, middleware=[guard], exception_handlers=handlers, lifespan=lifespan)


class _Api:
    """The endpoints."""

    def __init__(self, serving: Serving):
        self.serving, self.metrics, self.model = serving, Metrics(), serving.model
        self.encoder = Encoder(serving.model.tokenizer.to_str())
        self.digest, self.started = model_digest(serving.model), int(time.time())
        cache = None if serving.cache is None else AnswerCache(serving.cache, self.digest)
        self.worker = Worker(lambda: Engine(serving.model, serving.rows))
        self.answering = Answering(serving.model, self.worker, cache, serving.limits, self.metrics)

    async def page(self, _: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def health(self, _: Request) -> Response:
        alive = self.worker.alive
        return JSONResponse({"status": "ok" if alive else "the engine has ended"}, 200 if alive else 503)

    async def metrics_text(self, _: Request) -> Response:
        return PlainTextResponse(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._facts()]})

    async def one_model(self, request: Request) -> Response:
        if request.path_params["name"] != self.serving.name:
            raise ApiError(f"the model does not exist; this server has `{self.serving.name}`", 404, param="model",
                           code="model_not_found")
        return JSONResponse(self._facts())

    def _facts(self) -> dict[str, Any]:
        return {"id": self.serving.name, "object": "model", "created": self.started, "owned_by": "textmill",
                "context_length": self.model.decoder.context_length, "chat": set(CHAT_TOKENS) <= set(self.encoder.special),
                "origins": self.serving.origins is not None}

    async def completions(self, request: Request) -> Response:
        body = Body(await read_json(request, self.serving.limits.body), COMPLETION)
        check_model(body, self.serving.name)
        if body.values.get("suffix"):
            raise ApiError("suffix is not supported: this model goes on from the end of a text", param="suffix")
        logprobs = body.number("logprobs", None, 0, 20, whole=True)
        echo = body.flag("echo")
        prompts, texts = self._prompts(body.values.get("prompt"))
        context = self.model.decoder.context_length
        tokens = body.number("max_tokens", COMPLETION_TOKENS, 0 if echo else 1, context, whole=True)
        call = replace(call_of(body, prompts, context, tokens or 1, logprobs), echo=echo)
        echoes = [Echo(text) for text in texts]
        if echo and logprobs is not None:
            if call.stream:
                raise ApiError("echo with logprobs is not supported in a stream; ask for the whole reply", param="stream")
            echoes = await unless_gone(request, run_in_threadpool(self._scored, prompts, texts, logprobs))
        nothing = [Progress(number, "", (), (), "length") for number in range(len(call.requests))]
        return await self._reply(request, "completion", call, echoes, None if tokens else nothing)

    def _scored(self, prompts: list[tuple[int, ...]], texts: list[str], top: int) -> list[Echo]:
        return [Echo(text, tuple(prompt_scores(self.model, ids, top))) for ids, text in zip(prompts, texts, strict=True)]

    def _prompts(self, value: Any) -> tuple[list[tuple[int, ...]], list[str]]:
        """Prompts as ids, and as texts to echo: a text, a list of texts, ids, or a list of lists of ids."""
        many = isinstance(value, list) and bool(value) and all(isinstance(each, str | list) for each in value)
        prompts, texts = [], []
        for each in value if many else ["" if value is None else value]:
            if isinstance(each, str):
                prompts.append(self.model.ids(each))
                texts.append(each)
            elif isinstance(each, list) and each and all(type(number) is int and 0 <= number < self.model.decoder.vocab_size
                                                         for number in each):
                prompts.append(tuple(each))
                texts.append(self.model.tokenizer.decode(each, skip_special_tokens=False))
            else:
                raise ApiError("prompt must be a text, a list of texts, ids of the model's, or a list of lists of them",
                               param="prompt", code="invalid_type")
        return prompts, texts

    async def chat(self, request: Request) -> Response:
        body = Body(await read_json(request, self.serving.limits.body), CHAT)
        check_model(body, self.serving.name)
        asked, top = body.flag("logprobs"), body.number("top_logprobs", 0, 0, 20, whole=True)
        if top and not asked:
            raise ApiError("top_logprobs needs logprobs to be true", param="top_logprobs", code="invalid_value")
        context = self.model.decoder.context_length
        tokens = body.number("max_completion_tokens", body.number("max_tokens", None, 1, context, whole=True), 1, context,
                             whole=True)
        call = call_of(body, [prompt_of(body.values, self.encoder)], context, tokens, top if asked else None)
        call = with_tools(call, body.values, self.encoder, self.model.special)
        return await self._reply(request, "chat", call, [Echo("")])

    async def _reply(self, request: Request, kind: Any, call: Call, echoes: list[Echo],
                     kept: list[Progress] | None = None) -> Response:
        """The answers to a call, from `kept` where they are known already."""
        decoder = self.model.decoder
        if problems := list(call.requests[0].problems(decoder.vocab_size, decoder.context_length)):
            raise ApiError("; ".join(problems), code="invalid_value")
        begin = time.monotonic()
        name = {"chat": "chatcmpl", "completion": "cmpl"}[kind]
        head = Head(kind, f"{name}-{secrets.token_hex(12)}", int(time.time()), self.serving.name, f"fp_{self.digest[:10]}")
        kept = kept or await run_in_threadpool(self.answering.kept, call)
        state = "off" if self.answering.cache is None or not call.repeatable else "miss" if kept is None else "hit"
        headers = {"x-textmill-cache": state}
        if not call.stream:
            reply = await unless_gone(request, self.answering.whole(head, call, kept, echoes))
            self.metrics.observe("request_seconds", time.monotonic() - begin)
            return JSONResponse(reply, headers=headers)
        async with AsyncExitStack() as until_sent:
            progress = await until_sent.enter_async_context(self.answering.open(call, kept))
            first = await unless_gone(request, _first(progress))     # what is refused late is refused with its status
            stack = until_sent.pop_all()
        stack.callback(lambda: self.metrics.observe("request_seconds", time.monotonic() - begin))
        return EventStream(self.answering.stream(head, call, _joined(first, progress), echoes), stack, self.metrics, headers)

    async def origins(self, request: Request) -> Response:
        """Runs of a text that stand in the training blocks, with characters, documents and addresses."""
        if self.serving.origins is None:
            raise ApiError("this server has no index of origins; run textmill origins on the model's blocks, and start the "
                           "server again", 404, code="no_origins")
        body = Body(await read_json(request, self.serving.limits.body), {"text", "least"})
        text, least = body.values.get("text"), body.number("least", LEAST, 1, 1000, whole=True)
        if not isinstance(text, str):
            raise ApiError("text must be a text", param="text", code="invalid_type")
        found = await unless_gone(request, run_in_threadpool(self._origins_of, self.serving.origins, text, least))
        return JSONResponse(found)

    def _origins_of(self, origins: Origins, text: str, least: int) -> dict[str, Any]:
        ids, characters = origins.ids(text)
        if len(ids) > MOST_LOOKED_UP:
            raise ApiError(f"the text has {len(ids):,} tokens; send {MOST_LOOKED_UP:,} at most", 413, param="text")
        lengths = origins.lengths(ids)
        runs = origins.runs(ids, least, lengths)
        known = self.serving.addresses({place.document for run in runs for place in run.places})
        return {"tokens": len(ids), "share_in_runs": share_in_runs(lengths, least), "indexed": len(origins), "runs": [
            {"start": characters[run.start][0], "end": characters[run.end - 1][1], "tokens": len(run), "count": run.count,
             "documents": [{"id": place.document, **known.get(place.document, {}), "piece": place.piece, "token": place.token,
                            "block": place.block, "entry": place.entry} for place in run.places]} for run in runs]}

    async def client_gone(self, request: Request, error: Exception) -> Response:
        self.metrics.add("cancelled")
        return Response(status_code=499)


async def _first(progress: AsyncIterator[Any]) -> Any:
    return await anext(progress)


async def _joined(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield first
    async for each in rest:
        yield each


async def _refused(_: Request, error: ApiError) -> Response:
    return JSONResponse(error.body(), error.status, error.headers)


async def _sentence(_: Request, error: Exception) -> Response:
    return JSONResponse(ApiError(str(error), code="invalid_value").body(), 400)


async def _http_error(request: Request, error: HTTPException) -> Response:
    message = {404: f"there is nothing at {request.url.path[:80]}",
               405: f"{request.method} is not allowed at {request.url.path[:80]}"}.get(error.status_code, error.detail)
    return JSONResponse(ApiError(message, error.status_code, code="not_found" if error.status_code == 404 else None).body(),
                        error.status_code, error.headers)


async def _broken(_: Request, error: Exception) -> Response:
    return JSONResponse(broken().body(), 500)
