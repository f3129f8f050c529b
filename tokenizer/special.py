"""Special tokens: the ones of a new tokenizer, and what a special token must not be.

They come last in the vocabulary, so that a base model can be fine-tuned for dialogue, or for something of one's own, without
a longer embedding. A tokenizer of `<|endoftext|>` alone can do everything but chat.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

END_OF_TEXT = "<|endoftext|>"       # begins and ends every document
PAD = "<|pad|>"
SYSTEM, DEVELOPER, USER, ASSISTANT = "<|system|>", "<|developer|>", "<|user|>", "<|assistant|>"
END_OF_TURN = "<|end|>"
TOOL_CALL, TOOL_RESULT = "<|tool_call|>", "<|tool_result|>"
RESERVED = tuple(f"<|reserved_{number}|>" for number in range(16))

CHAT_TOKENS = (SYSTEM, DEVELOPER, USER, ASSISTANT, END_OF_TURN, TOOL_CALL, TOOL_RESULT)     # what the chat template writes
SPECIAL_TOKENS = (END_OF_TEXT, PAD, *CHAT_TOKENS, *RESERVED)

BREAK = "\u200b"        # the chat template puts it into text that spells a special token


def special_token_problems(tokens: Sequence[str]) -> Iterator[str]:
    """One sentence for each special token that cannot be, whatever the text."""
    if END_OF_TEXT not in tokens:
        yield f"special_tokens lacks {END_OF_TEXT}, which begins and ends every document; add it"
    if len(set(tokens)) < len(tokens):
        yield "special_tokens names a token twice"
    for token in dict.fromkeys(tokens):
        if len(token) < 2:
            yield f"special_tokens has {token!r}, of fewer than two characters; ordinary text would be full of it"
        elif not token.strip():
            yield f"special_tokens has {token!r}, which is white space; ordinary text would be full of it"
        elif BREAK in token:
            yield f"special_tokens has {token!r} with U+200B, by which spelled tokens are told from real ones; take it out"
        elif other := next((other for other in tokens if _overlap(token, other)), None):
            # Text beside a token, or one broken by U+200B, would spell another.
            beside = "itself" if other == token else repr(other)
            yield f"special_tokens has {token!r}, which overlaps with {beside}; write special tokens as <|name|>, which cannot"


def _overlap(first: str, second: str) -> bool:
    """Whether the second token lies inside the first, or begins with what the first ends with."""
    longest = min(len(first), len(second)) - (first == second)
    return (first != second and second in first) or any(first.endswith(second[:n]) for n in range(1, longest + 1))


def learned_token_problems(special: Collection[str], vocabulary: Collection[str], characters: Sequence[str]) -> Iterator[str]:
    """One sentence for each special token that text was seen to spell as one learned token.

    `vocabulary`: of the model, in `characters`, the printable character of each byte."""
    for token in special:
        if "".join(characters[byte] for byte in token.encode()) in vocabulary:
            yield (f"the special token {token!r} is also a token learned from the text, where it would become the special one; "
                   f"write it as <|{token.strip().lower()}|>")


def added_token_problems(added: Sequence[Mapping[str, Any]], vocabulary: Mapping[str, int],
                         characters: Sequence[str]) -> Iterator[str]:
    """One sentence for each added token of a tokenizer.json whose id and content disagree with its vocabulary."""
    contents = {number: token for token, number in vocabulary.items()}
    for token in added:
        content, number = str(token["content"]), token["id"]
        as_bytes = "".join(characters[byte] for byte in content.encode("utf-8", "replace"))
        # What is not special is text, and may well be a token of its own beside the learned one: runs of spaces, in some.
        other = vocabulary.get(content, vocabulary.get(as_bytes) if token.get("special", True) else None)
        if contents.get(number, content) not in (content, as_bytes):
            yield (f"the added token {content!r} has the id {number} of the ordinary token {contents[number]!r}; give it an id "
                   "of its own, after the vocabulary")
        elif other not in (None, number):
            yield f"the added token {content!r} has the id {number} and is an ordinary token of id {other} too; remove one"
