"""Chat requests: messages to a prompt by the tokenizer's template, and tool calls out of what the model says.

A call is the `<|tool_call|>` token and JSON after it, as the template writes it; text that spells the token is text. Where the
request forces a call, the prompt ends with that token and the answer is held to the JSON of the tools' parameters.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from textmill.model.generation.constraints import Constraint
from textmill.model.serving.errors import ApiError
from textmill.model.serving.parameters import Call
from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.chat import render
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.special import TOOL_CALL


def prompt_of(values: Mapping[str, Any], encoder: Encoder) -> tuple[int, ...]:
    """The ids of the conversation, up to where the assistant goes on. ApiError where it cannot be rendered."""
    messages = values.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError("messages must be a list of one message or more", param="messages", code="invalid_value")
    try:
        ids, _ = render([_plain(message, number) for number, message in enumerate(messages)], encoder,
                        tools_of(values) if values.get("tool_choice") != "none" else None, add_generation_prompt=True)
    except TokenizerError as error:
        if TOOL_CALL not in encoder.special:
            raise ApiError(f"{error}; for a continuation of plain text there is /v1/completions", param="messages",
                           code="no_chat_tokens") from None
        raise ApiError(str(error), param="messages", code="invalid_value") from None
    return tuple(ids.tolist())


def _plain(message: Any, number: int) -> Any:
    """A message whose content is one text, also where it came as parts."""
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(content, list):
        return message
    texts = [part["text"] for part in content
             if isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)]
    if len(texts) < len(content):
        raise ApiError(f"the content of message {number} has a part that is no text; this model reads text only",
                       param="messages", code="invalid_value")
    return {**message, "content": "".join(texts)}


def tools_of(values: Mapping[str, Any]) -> Sequence[Mapping[str, Any]] | None:
    """The definitions of tools, checked as far as they are used. ApiError where one has no name."""
    tools = values.get("tools")
    if tools is None:
        return None
    if not isinstance(tools, list) or not all(isinstance(_function(tool).get("name"), str) for tool in tools):
        raise ApiError('tools must be a list of {"type": "function", "function": {"name": …}}', param="tools",
                       code="invalid_type")
    return tools


def _function(tool: Any) -> Mapping[str, Any]:
    function = tool.get("function") if isinstance(tool, Mapping) and tool.get("type") == "function" else None
    return function if isinstance(function, Mapping) else {}


def with_tools(call: Call, values: Mapping[str, Any], encoder: Encoder, special: frozenset[int]) -> Call:
    """The call with what tools and tool_choice ask for: which ids end the answer, and the form of a forced one."""
    tools, choice = tools_of(values), values.get("tool_choice")
    choice = "auto" if choice is None else choice
    if choice == "none" or not tools:
        if choice not in ("none", "auto"):
            raise ApiError("tool_choice needs tools", param="tool_choice", code="invalid_value")
        return call
    functions = [_function(tool) for tool in tools]
    if isinstance(choice, Mapping):
        name = _function(choice).get("name")
        functions = [function for function in functions if function["name"] == name]
        if not functions:
            raise ApiError("tool_choice names none of the tools", param="tool_choice", code="invalid_value")
    elif choice == "auto":
        ends = special - {encoder.special[TOOL_CALL]}
        return replace(call, tools=True, requests=tuple(replace(request, stop_ids=ends) for request in call.requests))
    elif choice != "required":
        raise ApiError("tool_choice must be none, auto, required or a tool", param="tool_choice", code="invalid_value")
    forms = [{"type": "object", "properties": {"name": {"const": function["name"]},
                                               "arguments": function.get("parameters") or {"type": "object"}},
              "required": ["name", "arguments"], "additionalProperties": False} for function in functions]
    constraint = Constraint("json", forms[0] if len(forms) == 1 else {"anyOf": forms})
    requests = tuple(replace(request, prompt=(*request.prompt, encoder.special[TOOL_CALL]), constraint=constraint)
                     for request in call.requests)
    return replace(call, requests=requests, forced_call=True)


def tool_calls(texts: Sequence[str]) -> list[dict[str, Any]] | None:
    """The calls that these texts are, in the protocol's shape; None where one is no call."""
    calls = []
    for text in texts:
        try:
            call = json.loads(text)
            name, arguments = call["name"], call["arguments"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        if not isinstance(name, str):
            return None
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        calls.append({"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": {"name": name, "arguments": text}})
    return calls


def split_calls(tokens: Sequence[int], pieces: Sequence[bytes], call_id: int) -> tuple[str, list[str]]:
    """What an answer says before its first `<|tool_call|>`, and the text after each."""
    parts: list[list[bytes]] = [[]]
    for token in tokens:
        if token == call_id:
            parts.append([])
        else:
            parts[-1].append(pieces[token])
    text, *calls = (b"".join(part).decode("utf-8", "replace") for part in parts)
    return text, calls
