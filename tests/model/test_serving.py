"""The server: what the `openai` client gets is what the engine says; limits hold; whoever leaves is forgotten."""

import concurrent.futures
import http.client
import json
import random
import socket
import time
import urllib.error
import urllib.request
from collections import Counter

import openai
import pytest
import torch

from tests.command_line import refused
from tests.model.served import CONTEXT, served, write_run
from tests.model.test_blocks import write_mixture
from tests.model.test_origins import block
from textmill.model.data.blocks import PackedMixture
from textmill.model.evaluation.origins_index import build_index, index_folder
from textmill.model.generation.engine import Engine
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.generation.scoring import score
from textmill.model.serving.chat import split_calls, tool_calls
from textmill.model.serving.metrics import Metrics
from textmill.model.serving.parameters import CHAT, COMPLETION
from textmill.tokenizer.chat import render
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.special import TOOL_CALL

pytestmark = pytest.mark.slow

SECRET = "the-secret-prompt-nobody-may-log"
USER = [{"role": "user", "content": "the river runs"}]
SCHEMA = {"type": "object", "properties": {"name": {"enum": ["hare", "train"]}, "count": {"type": "integer", "maximum": 99, "minimum": 0}},
          "required": ["name", "count"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    write_run(folder / "run")
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with served(folder / "run", folder, "--queue", "200", "--cache", str(folder / "cache")) as address:
        yield address


@pytest.fixture(scope="module")
def client(address):
    return openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def model(folder):
    torch.set_num_threads(1)
    return LanguageModel.load(folder / "run", torch.device("cpu"))


@pytest.fixture(scope="module")
def letters(model):
    """A bias to letters: a model that nobody trained else soon says a special token, and many bytes that are no text."""
    return {number: 60.0 for number, piece in enumerate(model.pieces) if piece.decode("ascii", "replace").strip().isalpha()}


def alone(model, prompt, tokens, seed=1, temperature=1.0, bias=None, **more):
    settings = SamplingSettings(temperature, seed=seed, logit_bias=bias or {})
    return Engine(model).run([Request(tuple(prompt), settings, tokens, **more)])[0]


def post(address, path, body, content_type="application/json", **headers):
    """Status, headers and body of what is posted as it is."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = urllib.request.Request(address + path, data, {"Content-Type": content_type, **headers})
    try:
        with urllib.request.urlopen(asked, timeout=60) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def figures(address):
    text = urllib.request.urlopen(f"{address}/metrics", timeout=30).read().decode()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if not line.startswith("#")}


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_completions_are_what_the_engine_says(client, model):
    listed = client.models.list().data
    assert [each.id for each in listed] == ["run"] and client.models.retrieve("run").context_length == CONTEXT
    reply = client.completions.create(model="run", prompt=["the river", "a road"], max_tokens=12, n=2, seed=5, temperature=0.9)
    expected = [alone(model, model.ids(prompt), 12, seed, 0.9) for prompt in ("the river", "a road") for seed in (5, 6)]
    assert [choice.text for choice in reply.choices] == [answer.text for answer in expected]
    assert [choice.index for choice in reply.choices] == [0, 1, 2, 3]
    assert [choice.finish_reason for choice in reply.choices] == [answer.finish_reason for answer in expected]
    prompts = sum(len(model.ids(prompt)) for prompt in ("the river", "a road"))
    generated = sum(answer.usage.generated for answer in expected)
    assert reply.usage.model_dump(exclude_none=True) == {"prompt_tokens": prompts, "completion_tokens": generated,
                                                         "total_tokens": prompts + generated}
    ids = list(model.ids("the river"))
    assert client.completions.create(model="run", prompt=ids, max_tokens=12, seed=5, temperature=0.9).choices[0].text == expected[0].text
    echoed = client.completions.create(model="run", prompt="the river", max_tokens=12, seed=5, temperature=0.9, echo=True)
    assert echoed.choices[0].text == "the river" + expected[0].text


def test_best_of_is_the_likeliest_by_the_mean(client, model):
    reply = client.completions.create(model="run", prompt="a", max_tokens=8, n=2, best_of=6, seed=1)
    drawn = [alone(model, model.ids("a"), 8, seed, top_logprobs=0) for seed in range(1, 7)]
    drawn.sort(key=lambda answer: sum(answer.logprobs) / len(answer.logprobs) if answer.logprobs else -99, reverse=True)
    assert [choice.text for choice in reply.choices] == [answer.text for answer in drawn[:2]]
    assert reply.usage.completion_tokens == sum(answer.usage.generated for answer in drawn)
    assert reply.choices[0].logprobs is None


def test_chat_is_rendered_by_the_template_and_streams_the_same_text(client, model):
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": [{"type": "text", "text": "the "}, {"type": "text", "text": "hare <|end|>"}]}]
    plain = [messages[0], {"role": "user", "content": "the hare <|end|>"}]
    prompt, _ = render(plain, Encoder(model.tokenizer.to_str()), add_generation_prompt=True)
    expected = [alone(model, prompt.tolist(), 40, seed) for seed in (3, 4)]
    asked = {"model": "run", "messages": messages, "max_completion_tokens": 40, "seed": 3, "n": 2}
    reply = client.chat.completions.create(**asked)
    assert [choice.message.content for choice in reply.choices] == [answer.text for answer in expected]
    assert reply.choices[0].message.role == "assistant" and reply.object == "chat.completion"
    texts, reasons, usage = ["", ""], [None, None], None
    for chunk in client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            reasons[choice.index] = choice.finish_reason or reasons[choice.index]
        usage = chunk.usage or usage
    assert texts == [answer.text for answer in expected] and reasons == [answer.finish_reason for answer in expected]
    assert usage == reply.usage


def test_log_probabilities_are_the_engines_whole_or_in_a_stream(client, model, letters):
    expected = alone(model, model.ids("the"), 20, 2, bias=letters, top_logprobs=3)
    asked = {"model": "run", "logit_bias": letters, "prompt": "the", "max_tokens": 20, "seed": 2, "logprobs": 3, "temperature": 1}
    logprobs = client.completions.create(**asked).choices[0].logprobs
    assert logprobs.token_logprobs == expected.logprobs
    assert [len(each) for each in logprobs.top_logprobs] == [3] * len(expected.tokens)
    assert logprobs.text_offset[0] == 0 and logprobs.text_offset == sorted(logprobs.text_offset)
    streamed = [number for chunk in client.completions.create(**asked, stream=True) for choice in chunk.choices
                if choice.logprobs for number in choice.logprobs.token_logprobs]
    assert streamed == expected.logprobs
    chat = client.chat.completions.create(model="run", messages=USER, max_tokens=20, seed=2, logprobs=True, top_logprobs=2)
    content = chat.choices[0].logprobs.content
    whole = b"".join(bytes(each.bytes) for each in content).decode("utf-8", "replace")
    assert whole == chat.choices[0].message.content and all(len(each.top_logprobs) == 2 for each in content)


def test_a_given_text_is_scored(client, model):
    text = "the river runs through a green valley"
    asked = {"model": "run", "prompt": [text, list(model.ids(text))[1:]], "max_tokens": 0, "echo": True, "logprobs": 2}
    whole, ids = client.completions.create(**asked).choices
    expected = score(model, text, "", 2)
    assert whole.text == ids.text == text and whole.finish_reason == "length"
    assert whole.logprobs.token_logprobs == pytest.approx([each.logprob for each in expected], abs=1e-5)
    assert "".join(whole.logprobs.tokens) == text and whole.logprobs.text_offset[:2] == [0, len(whole.logprobs.tokens[0])]
    assert ids.logprobs.token_logprobs[0] is None and len(ids.logprobs.token_logprobs) == len(expected)
    more = client.completions.create(**asked | {"max_tokens": 3, "prompt": text, "seed": 1, "temperature": 0}).choices[0]
    assert more.logprobs.token_logprobs[:len(expected)] == whole.logprobs.token_logprobs
    assert len(more.logprobs.tokens) > len(expected) and more.text.startswith(text)


def test_a_stop_text_is_left_out_wherever_tokens_end(client, model, letters):
    text = alone(model, model.ids("the"), 60, 4, bias=letters).text
    stop = text[20:23]
    asked = {"model": "run", "prompt": "the", "max_tokens": 60, "seed": 4, "logit_bias": letters, "temperature": 1, "stop": [stop, "zzzzz"], "logprobs": 0}
    choice = client.completions.create(**asked).choices[0]
    assert choice.text == text[:text.index(stop)] and choice.finish_reason == "stop"
    assert "".join(chunk.choices[0].text for chunk in client.completions.create(**asked, stream=True)) == choice.text
    assert not any(offset > len(choice.text) for offset in choice.logprobs.text_offset)


def test_forms(client):
    for seed in range(3):
        asked = {"model": "run", "messages": USER, "max_tokens": 60, "seed": seed}
        reply = client.chat.completions.create(**asked, response_format={"type": "json_schema", "json_schema": {"name": "animal", "schema": SCHEMA}})
        found = json.loads(reply.choices[0].message.content)
        assert found["name"] in ("hare", "train") and 0 <= found["count"] <= 99
        reply = client.chat.completions.create(**asked, extra_body={"guided_regex": "[a-c]{3}-[0-9]{2}"})
        assert len(reply.choices[0].message.content) == 6 and reply.choices[0].message.content[3] == "-"
        reply = client.chat.completions.create(**asked, extra_body={"guided_choice": ["hare", "train"]})
        assert reply.choices[0].message.content in ("hare", "train")
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="run", messages=USER, extra_body={"guided_regex": "("})
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="run", messages=USER, extra_body={"guided_regex": "("}, stream=True)


def test_a_form_too_large_costs_nobody_elses_answer(client, letters):
    stream = client.completions.create(model="run", prompt="the", max_tokens=600, logit_bias=letters, stream=True, seed=1)
    chunks = iter(stream)
    next(chunks)
    form = {"type": "json_schema", "json_schema": {"name": "long", "schema": {"type": "array", "minItems": 1500, "items": {"type": "integer"}}}}
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model="run", messages=USER, max_tokens=3000, response_format=form, timeout=90)
    assert raised.value.status_code in (400, 500)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"


def test_tools_are_called(client):
    asked = {"model": "run", "messages": USER, "tools": [TOOL], "max_tokens": 80, "seed": 2}
    for choice in ("required", {"type": "function", "function": {"name": "look_up"}}):
        reply = client.chat.completions.create(**asked, tool_choice=choice).choices[0]
        assert reply.finish_reason == "tool_calls" and reply.message.content is None
        call, = reply.message.tool_calls
        assert call.function.name == "look_up" and json.loads(call.function.arguments)["name"] in ("hare", "train")
    chunks = [chunk.choices[0] for chunk in client.chat.completions.create(**asked, tool_choice="required", stream=True)]
    assert chunks[-1].finish_reason == "tool_calls" and chunks[-1].delta.tool_calls[0].function.name == "look_up"
    assert client.chat.completions.create(**asked).choices[0].message.tool_calls is None
    answered = [*USER, {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]},
                {"role": "tool", "tool_call_id": call.id, "content": "3"}]
    assert client.chat.completions.create(model="run", messages=answered, max_tokens=3).choices


def test_tool_calls_are_read_by_their_token_and_not_by_its_name():
    pieces = [b"so ", TOOL_CALL.encode(), b'{"name":"f",', b'"arguments":{"a":1}}', b"<|tool_call|>{"]
    assert split_calls([0, 1, 2, 3, 1, 2, 3], pieces, 1) == ("so ", ['{"name":"f","arguments":{"a":1}}'] * 2)
    assert split_calls([0, 4], pieces, 1) == ("so <|tool_call|>{", [])
    call, = tool_calls(['{"name":"f","arguments":{"a":1}}'])
    assert call["function"] == {"name": "f", "arguments": '{"a": 1}'}
    assert tool_calls(["{"]) is tool_calls(["[]"]) is tool_calls(['{"name":1,"arguments":{}}']) is None


@pytest.mark.parametrize(("changed", "status", "param", "said"), [
    ({"model": "gpt-4"}, 404, "model", "does not exist"), ({"model": None}, 400, "model", "must provide a model"),
    ({"max_tokens": 0}, 400, "max_tokens", "must be 1 to"), ({"max_tokens": "9"}, 400, "max_tokens", "must be a whole number, is str"),
    ({"temperature": -1}, 400, "temperature", "must be 0 to"), ({"temperature": True}, 400, "temperature", "must be a number"),
    ({"top_p": 0}, 400, None, "top_p must be above 0"), ({"n": 1000}, 400, "n", "must be 1 to"), ({"n": 2, "best_of": 1}, 400, "best_of", "must be 2"),
    ({"stop": [""]}, 400, "stop", "not empty"), ({"stop": ["a"] * 99}, 400, "stop", "give 16 at most"),
    ({"logit_bias": {"x": 1}}, 400, "logit_bias", "token ids"), ({"logit_bias": {"999999": 1}}, 400, None, "ids go from 0 to"),
    ({"logit_bias": {"5": 1e9}}, 400, "logit_bias", "-100 to 100"), ({"stream": 1}, 400, "stream", "true or false"),
    ({"prompt": {}}, 400, "prompt", "a list of lists"), ({"prompt": [99999]}, 400, "prompt", "ids of the model"),
    ({"prompt": "the " * CONTEXT}, 400, "prompt", f"context is {CONTEXT} tokens"), ({"suffix": "x"}, 400, "suffix", "not supported"),
    ({"prompt": "\ud800"}, 400, None, "no JSON that can be read"), ({"seed": 1.5}, 400, "seed", "whole number"), ({"tempratur": 1}, 400, "tempratur", "unrecognized"),
    ({"response_format": {"type": "xml"}}, 400, "response_format", "must have the type"), ({"min_tokens": 99}, 400, "min_tokens", "must be 0 to"),
    ({"stream_options": 3}, 400, "stream_options", "an object"), ({"best_of": 3, "stream": True}, 400, "best_of", "compared first"),
    ({"guided_regex": "a", "guided_choice": ["b"]}, 400, "response_format", "one form")])
def test_what_cannot_be_is_refused_as_the_protocol_does(address, changed, status, param, said):
    body = {"model": "run", "prompt": "the", "max_tokens": 4} | changed
    got, headers, reply = post(address, "/v1/completions", {name: value for name, value in body.items() if value is not None})
    error = json.loads(reply)["error"]
    assert (got, error["param"]) == (status, param) and said in error["message"], error
    assert set(error) == {"message", "type", "param", "code"} and headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(("messages", "said"), [
    ([], "a list of one message"), ("x", "a list of one message"), ([{"role": "x", "content": ""}], "unknown role"), ([3], "is no object"),
    ([{"role": "user", "content": [{"type": "image_url"}]}], "reads text only"), ([{"role": "user", "content": 3}], "is no text"),
    ([{"role": "user", "content": "\ud800"}], "no JSON that can be read")])
def test_messages_that_cannot_be_are_refused(address, messages, said):
    status, _, reply = post(address, "/v1/chat/completions", {"model": "run", "messages": messages})
    assert status == 400 and said in json.loads(reply)["error"]["message"]


@pytest.mark.parametrize(("path", "body", "content_type", "status"), [
    ("/v1/completions", b"{", "application/json", 400), ("/v1/completions", b"[" * 100_000, "application/json", 400),
    ("/v1/completions", b"\xff", "application/json", 400), ("/v1/completions", b"[]", "application/json", 400),
    ("/v1/completions", b"{}", "text/plain", 415), ("/v1/completions", b" " * (2 << 20), "application/json", 413),
    ("/v1/embeddings", b"{}", "application/json", 404), ("/v1/models", b"{}", "application/json", 405), ("/origins", b"{}", "application/json", 404)])
def test_what_is_no_request_is_an_error_in_the_same_shape(address, path, body, content_type, status):
    got, headers, reply = post(address, path, body, content_type)
    assert got == status and set(json.loads(reply)["error"]) == {"message", "type", "param", "code"}
    assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["X-Content-Type-Options"] == "nosniff"


def test_the_client_raises_what_it_should(client):
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="gpt-4", messages=USER)
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("gpt-4")
    with pytest.raises(openai.BadRequestError, match="shorten it") as raised:
        client.chat.completions.create(model="run", messages=[{"role": "user", "content": "the " * CONTEXT}])
    assert raised.value.code == "context_length_exceeded" and raised.value.param == "messages"


def test_only_names_of_this_machine_are_answered_to(address):
    """A page elsewhere whose name was made to point here sends its own name."""
    def status(host):
        connection = http.client.HTTPConnection("127.0.0.1", int(address.rpartition(":")[2]), timeout=30)
        connection.request("GET", "/v1/models", headers={"Host": host})
        reply = connection.getresponse()
        assert reply.status == 200 or "answers to" in json.loads(reply.read())["error"]["message"]
        return reply.status

    for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "localhost@evil", "a:b:c", "[::1", "", "localhost:8000:1"):
        assert status(host) == 421, host
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"):
        assert status(host) == 200, host


def test_a_repeatable_answer_is_kept_and_one_without_a_seed_is_not(address):
    body = {"model": "run", "prompt": "the hare", "max_tokens": 9, "seed": 77, "n": 2, "logprobs": 2}
    states, replies = [], []
    for _ in range(2):
        _, headers, reply = post(address, "/v1/completions", body)
        states.append(headers["X-Textmill-Cache"])
        replies.append({name: value for name, value in json.loads(reply).items() if name not in ("id", "created")})
    assert states == ["miss", "hit"] and replies[0] == replies[1]
    _, headers, stream = post(address, "/v1/completions", body | {"stream": True})
    assert headers["X-Textmill-Cache"] == "hit" and stream.endswith(b"data: [DONE]\n\n")
    assert post(address, "/v1/completions", body | {"seed": 78})[1]["X-Textmill-Cache"] == "miss"
    del body["seed"]
    assert post(address, "/v1/completions", body)[1]["X-Textmill-Cache"] == "off"
    assert post(address, "/v1/completions", body | {"temperature": 0})[1]["X-Textmill-Cache"] == "miss"


def test_64_clients_at_once_get_what_each_would_get_alone(client, model):
    def ask(n):
        return client.completions.create(model="run", prompt="the road " * (n % 7 + 1), max_tokens=5 + n % 30, seed=1000 + n, temperature=1).choices[0].text

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        texts = list(pool.map(ask, range(64)))
    for n in range(0, 64, 9):
        assert texts[n] == alone(model, model.ids("the road " * (n % 7 + 1)), 5 + n % 30, 1000 + n).text


def test_clients_that_vanish_leave_nothing_behind(address, client):
    before = figures(address)
    body = {"model": "run", "prompt": "the", "max_tokens": CONTEXT - 10}
    for stream in (True, False):
        for n in range(10):
            with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as connection:
                data = json.dumps(body | {"stream": stream, "min_tokens": CONTEXT - 10}).encode()
                connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                   b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
                if n % 2:
                    time.sleep(0.1)
    until(lambda: figures(address)["textmill_answers_open"] == 0)
    until(lambda: figures(address)["textmill_cancelled_total"] - before.get("textmill_cancelled_total", 0) == 20)
    assert figures(address)["textmill_generated_tokens_total"] == before["textmill_generated_tokens_total"]
    begin = time.monotonic()
    assert client.completions.create(model="run", prompt="the", max_tokens=4).choices[0].text is not None
    assert time.monotonic() - begin < 20


def test_limits_of_queue_and_time(folder):
    with served(folder / "run", folder, "--queue", "4", "--seconds", "1") as address:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
        long = {"model": "run", "prompt": "the", "max_tokens": CONTEXT - 10, "extra_body": {"min_tokens": CONTEXT - 10}, "n": 4}
        stream = client.completions.create(**long, stream=True)
        next(iter(stream))
        with pytest.raises(openai.RateLimitError) as raised:
            client.completions.create(model="run", prompt="the", max_tokens=1)
        assert raised.value.code == "queue_full" and int(raised.value.response.headers["Retry-After"]) > 0
        with pytest.raises(openai.APIError, match="took longer than 1 s"):
            list(stream)
        until(lambda: figures(address)["textmill_answers_open"] == 0)
        with pytest.raises(openai.InternalServerError, match="took longer than 1 s"):
            client.completions.create(**long)
        assert client.completions.create(model="run", prompt="the", max_tokens=1).choices


def test_a_key_is_asked_for_and_no_prompt_is_in_the_log(folder):
    key = "k" * 24
    with served(folder / "run", folder, TEXTMILL_API_KEY=key) as address:
        wrong = openai.OpenAI(base_url=f"{address}/v1", api_key="wrong", max_retries=0)
        with pytest.raises(openai.AuthenticationError, match="incorrect API key"):
            wrong.models.list()
        for path in ("/health", "/"):
            assert urllib.request.urlopen(address + path, timeout=30).status == 200
        for path in ("/metrics", "/v1/models"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(address + path, timeout=30)
        right = openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)
        right.completions.create(model="run", prompt=SECRET, max_tokens=3)
        with pytest.raises(openai.BadRequestError):
            right.completions.create(model="run", prompt=SECRET, max_tokens=-3)
    assert SECRET not in (folder / "serve.log").read_text()


def test_a_tokenizer_without_chat_tokens_says_what_there_is_instead(tmp_path):
    write_run(tmp_path / "run", chat=False)
    with served(tmp_path / "run", tmp_path) as address:
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
        assert client.models.retrieve("run").chat is False
        with pytest.raises(openai.BadRequestError, match="for a continuation of plain text there is /v1/completions"):
            client.chat.completions.create(model="run", messages=USER)
        assert client.completions.create(model="run", prompt="the", max_tokens=2).choices


def test_what_cannot_be_served_is_a_sentence(folder, capsys):
    asked = ["serve", "--run", str(folder / "run"), "--device", "cpu"]
    assert "there is no API key; give --api-key-file" in refused(capsys, *asked, "--host", "0.0.0.0", "--port", "0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "give another --host or --port" in refused(capsys, *asked, "--port", str(taken.getsockname()[1]))
    (folder / "key").write_text("short\n")
    assert "is no key of 16 printable" in refused(capsys, *asked, "--api-key-file", str(folder / "key"))
    assert "cannot be read" in refused(capsys, *asked, "--api-key-file", str(folder / "none"))


def test_origins_of_a_text_are_answered_with_characters_and_documents(tmp_path):
    blocks = write_mixture(tmp_path / "blocks/small", [[block(tmp_path, "é, the river runs through a green valley", "d1"), block(tmp_path, "a river runs through", "d2")]],
                           [[block(tmp_path, "the hare")]])
    build_index(mixture := PackedMixture(blocks), index_folder(mixture.folder))
    write_run(tmp_path / "run")
    with served(tmp_path / "run", tmp_path, "--blocks", str(blocks)) as address:
        assert json.load(urllib.request.urlopen(f"{address}/v1/models", timeout=30))["data"][0]["origins"] is True
        text = "🦔 so the river runs through a green town"
        status, _, reply = post(address, "/origins", {"text": text, "least": 4})
        found = json.loads(reply)
        run, = found["runs"]
        assert status == 200 and text[run["start"]:run["end"]] == " the river runs through a green" and run["count"] == 1
        assert [each["id"] for each in run["documents"]] == ["d1"] and run["documents"][0]["block"] == 0 and run["documents"][0]["url"] is None
        assert found["share_in_runs"] == pytest.approx(run["tokens"] / found["tokens"])
        run, = json.loads(post(address, "/origins", {"text": "my river runs through", "least": 3})[2])["runs"]
        assert sorted(each["id"] for each in run["documents"]) == ["d1", "d2"] and run["count"] == 2
        assert json.loads(post(address, "/origins", {"text": "zzz"})[2])["runs"] == []
        for body in ({"text": 3}, {"text": "x", "least": 0}, {"text": "x", "more": 1}, {"text": "\ud800"}, []):
            assert post(address, "/origins", body)[0] == 400, body
        assert post(address, "/origins", {"text": "a b " * 9000})[0] == 413


def test_metrics_are_prometheus_text():
    metrics = Metrics()
    metrics.add("requests", labels='path="/v1/models",status="200"')
    metrics.observe("request_seconds", 0.3)
    lines = metrics.text().splitlines()
    assert 'textmill_requests_total{path="/v1/models",status="200"} 1' in lines and "textmill_cancelled_total 0" in lines
    assert 'textmill_request_seconds_bucket{le="0.25"} 0' in lines and 'textmill_request_seconds_bucket{le="0.5"} 1' in lines
    assert 'textmill_request_seconds_bucket{le="+Inf"} 1' in lines and "textmill_request_seconds_count 1" in lines


STRANGE = [None, True, -1, 0, 1, 3, 1e308, -1e-300, 2**70, "", "x", "\ud83d", "\x00", [], {}, [[]], [None], {"a": []}, [1, 2], [299], ["", "a"],
           {"type": "json_schema"}, {"type": "json_object"}, {"5": 1}, [{"role": "user"}], [{"role": "tool", "content": "x", "tool_call_id": 3}],
           [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 3}}]}], [TOOL], [{"type": "function", "function": {}}], "required"]


@pytest.mark.parametrize(("path", "good"), [
    ("/v1/completions", {"model": "run", "prompt": "the", "max_tokens": 2, "seed": 1}),
    ("/v1/chat/completions", {"model": "run", "messages": USER, "max_tokens": 2, "seed": 1})])
def test_strange_requests_are_answered_or_refused_and_nothing_breaks(address, path, good):
    draw = random.Random(8)
    names = sorted(CHAT if "chat" in path else COMPLETION)
    counted = Counter()
    for _ in range(400):
        body = good | {draw.choice(names): draw.choice(STRANGE) for _ in range(draw.randrange(1, 4))}
        status, *_ = post(address, path, body)
        counted[status] += 1
        assert status < 500, str(body)
    assert counted[200] > 10 and counted[400] > 100 and set(counted) <= {200, 400, 404}
    assert figures(address)["textmill_answers_open"] == 0
