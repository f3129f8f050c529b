"""Chat rendering: messages to token ids, and the same as a Jinja template for other programs.

    <|endoftext|> <|system|>…<|end|> <|user|>…<|end|> <|assistant|>…<|tool_call|>{"name":…,"arguments":…}<|end|> …

`render` writes the ids of special tokens itself and encodes what people wrote as ordinary bytes, so no text can become a
special id, and every text comes back exactly. A template gives one string, in which a spelled token is like a real one:
it breaks the spelled ones by U+200B. Where no text spells a special token the two give the same ids.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.special import (
    ASSISTANT,
    CHAT_TOKENS,
    DEVELOPER,
    END_OF_TEXT,
    END_OF_TURN,
    SYSTEM,
    TOOL_CALL,
    TOOL_RESULT,
    USER,
)

MARKERS = {"system": SYSTEM, "developer": DEVELOPER, "user": USER, "assistant": ASSISTANT, "tool": TOOL_RESULT}

Message = Mapping[str, Any]
Segment = tuple[str, bool, bool]        # a special token or a text, whether it is the former, whether the assistant says it


def render(messages: Sequence[Message], encoder: Encoder, tools: Sequence[Mapping[str, Any]] | None = None,
           add_generation_prompt: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The ids of a conversation, and which of them the assistant says (bool): those carry the loss.

    A message has a `role` of MARKERS and a `content` of text, which may be missing or None; the assistant's may have
    `tool_calls`, each with a name and arguments (an object, or JSON as text, which is taken as it is), alone or under
    `function`. `tools` are definitions, which go into the system turn, a line of JSON each. The assistant says its content,
    its calls and its `<|end|>`, but not its marker, which `add_generation_prompt` adds for it to go on from.
    TokenizerError where a message cannot be rendered or the tokenizer has no special tokens for chat.
    """
    check_chat_tokens(encoder)
    pieces = list(segments(messages, tools, add_generation_prompt))
    try:
        texts = encoder.encode(pa.array([text for text, is_special, _ in pieces if not is_special], pa.string()))
    except UnicodeEncodeError:
        raise TokenizerError("a message has half of a surrogate pair, which no UTF-8 text can hold; replace it") from None
    of_texts = iter(np.split(texts.flatten().to_numpy(), texts.offsets.to_numpy()[1:-1]) if len(texts) else ())
    parts = [np.array([encoder.special[text]]) if is_special else next(of_texts) for text, is_special, _ in pieces]
    ids = np.concatenate(parts).astype(encoder.dtype)
    return ids, np.repeat([by_assistant for _, _, by_assistant in pieces], [len(part) for part in parts])


def check_chat_tokens(encoder: Encoder) -> None:
    """TokenizerError where the tokenizer lacks special tokens that chat needs."""
    if missing := [token for token in (END_OF_TEXT, *CHAT_TOKENS) if token not in encoder.special]:
        raise TokenizerError(f"this tokenizer has no {', '.join(missing)}, which chat needs; train one with the default "
                             "special_tokens")


def render_turns(roles: Sequence[str], texts: pa.StringArray, counts: np.ndarray,
                 encoder: Encoder) -> tuple[pa.ListArray, np.ndarray, np.ndarray]:
    """Many conversations of plain turns at once: the ids that `render` gives each, without the first end-of-text.

    `roles` (of MARKERS) and `texts` are those of all turns in order; conversation n has the next `counts[n]` of them. With the
    ids come two int64[turns]: where in its conversation what each turn says begins, and where its `<|end|>` ends.
    """
    check_chat_tokens(encoder)
    encoded = encoder.encode(texts)
    encoder.check(texts, encoded)
    marker_of = {role: encoder.special[token] for role, token in MARKERS.items()}
    lengths = encoded.value_lengths().to_numpy().astype(np.int64) + 2
    edges = np.append(0, np.cumsum(lengths))
    ids = np.empty(edges[-1], encoder.dtype)
    is_text = np.ones(len(ids), bool)
    is_text[edges[:-1]] = is_text[edges[1:] - 1] = False
    ids[edges[:-1]], ids[edges[1:] - 1] = [marker_of[role] for role in roles], encoder.special[END_OF_TURN]
    ids[is_text] = encoded.flatten().to_numpy()
    offsets = edges[np.append(0, np.cumsum(counts))]
    first = edges[:-1] - np.repeat(offsets[:-1], counts)
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(ids)), first + 1, first + lengths


def segments(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None = None,
             add_generation_prompt: bool = False) -> Iterator[Segment]:
    """A conversation as special tokens and texts, in order."""
    yield END_OF_TEXT, True, False
    definitions = "\n".join(compact(tool) for tool in tools or ())
    if definitions and not (messages and isinstance(messages[0], Mapping) and messages[0].get("role") == "system"):
        yield from ((SYSTEM, True, False), (definitions, False, False), (END_OF_TURN, True, False))
    for number, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise TokenizerError(f"message {number} is no object; give its role and content")
        role, content, calls = message.get("role"), message.get("content"), message.get("tool_calls") or ()
        if not isinstance(role, str) or role not in MARKERS:
            raise TokenizerError(f"message {number} has the unknown role {role!r}; roles are {', '.join(MARKERS)}")
        if not isinstance(content, str | None):
            raise TokenizerError(f"the content of message {number} is no text; give text")
        if calls and role != "assistant":
            raise TokenizerError(f"message {number} of the {role} has tool calls; only the assistant calls tools")
        content, by_assistant = content or "", role == "assistant"
        if definitions and number == 0 and role == "system":
            content += ("\n" if content else "") + definitions
        yield MARKERS[role], True, False
        yield content, False, by_assistant
        for call in calls:
            yield TOOL_CALL, True, by_assistant
            yield call_text(call, number), False, by_assistant
        yield END_OF_TURN, True, by_assistant
    if add_generation_prompt:
        yield ASSISTANT, True, False


def call_text(call: Mapping[str, Any], number: int) -> str:
    """A tool call of message `number`, as JSON."""
    function = call.get("function") or call if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name := function.get("name"), str):
        raise TokenizerError(f"a tool call of message {number} has no name; give the tool's")
    arguments = function.get("arguments") or {}
    return f'{{"name":{compact(name)},"arguments":{arguments if isinstance(arguments, str) else compact(arguments)}}}'


def compact(value: Any) -> str:
    """A value as JSON on one line. TokenizerError where it is none."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise TokenizerError(f"a tool or its arguments cannot be written as JSON ({error}); give plain values") from None


def chat_template(special_tokens: Collection[str]) -> str | None:
    """The Jinja template of a tokenizer with these special tokens, with `{% generation %}` around what the assistant says.

    None where a token that it would write is missing."""
    if not {END_OF_TEXT, *CHAT_TOKENS} <= set(special_tokens):
        return None
    text = Path(__file__).with_name("chat_template.jinja").read_text("utf-8")
    return text.replace("special_tokens = []", f"special_tokens = {json.dumps(list(special_tokens), ensure_ascii=False)}", 1)


def check_chat_template(template: str, name: str) -> None:
    """TokenizerError where a template that comes from elsewhere does not compile; where there is no Jinja it is not read."""
    if find_spec("jinja2") is None:
        return
    from jinja2 import TemplateError, TemplateSyntaxError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """The `{% generation %}` block of transformers."""

        tags: frozenset[str] = frozenset({"generation"})        # type: ignore[assignment]

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation])
    try:
        # Parsed only: what compiles a template computes its constants, and `9 ** 9 ** 9` in one takes for ever.
        tree, names = environment.parse(template), (nodes.Filter, nodes.Test)
        conditional = {id(node) for branch in tree.find_all((nodes.If, nodes.CondExpr)) for node in branch.find_all(names)}
        for node in tree.find_all(names):
            known = environment.filters if isinstance(node, nodes.Filter) else environment.tests
            if node.name not in known and id(node) not in conditional:      # there Jinja waits until it is needed
                raise TemplateSyntaxError(f"no {type(node).__name__.lower()} named {node.name!r}", node.lineno)
    except (TemplateError, RecursionError, ValueError, MemoryError) as error:
        message = error.message if isinstance(error, TemplateError) else error
        line = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
        raise TokenizerError(f"the chat template in {name} does not compile ({' '.join(str(message).split())}{line}); copy it "
                             "again, or delete it") from None


def check_configuration(config: bytes, template: bytes | None = None) -> None:
    """TokenizerError where a `tokenizer_config.json`, or the `chat_template.jinja` beside it, cannot be what it is named."""
    try:
        read = json.loads(config)
        templates = read.get("chat_template") or ()
        templates = [templates] if isinstance(templates, str) else [each["template"] for each in templates]
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError) as error:
        raise TokenizerError(f"tokenizer_config.json cannot be read ({error!r}); copy the one that belongs to the tokenizer, "
                             'or write {"tokenizer_class": "PreTrainedTokenizerFast"}') from None
    for each in templates:
        check_chat_template(str(each), "tokenizer_config.json")
    if template is not None:
        check_chat_template(template.decode("utf-8", "replace"), "chat_template.jinja")
