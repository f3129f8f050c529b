"""The published format of packed blocks: what `pack` writes and `model` reads.

A folder `blocks/<mixture>/` holds a folder for each of SPLITS, and TOKENIZER_FILES, with those of CHAT_FILES that the tokenizer
has: a copy of it is all that training needs. A split is Arrow IPC streams, uncompressed so that they can be memory-mapped, and
MANIFEST, a JSON object `{"schema": 1, "parts": [{"key", "path", "rows", "bytes", "sha256"}, …], "checksum"}` that lists the
streams in training order and is written last: what it does not name is no part of the dataset. Its checksum (`sealed.py`) may
be absent.

A row is a block. Its columns:

- `tokens`: fixed-size list of `block` ids, uint16 up to 65,536 of them in the vocabulary, else uint32;
- `entry`: the entry of the mixture that its documents belong to, text;
- `spans`: list of structs of SPAN_FIELDS, in order and without overlap: positions `start` to `end` (excluded) of the
  block hold piece `piece` of document `id` from its token `offset` on. A span that begins where a smaller piece of the same
  document ends goes on with its text: to attention the two are one. Positions outside all spans are padding.

- in format 4 a span has a further field LEARN: list of structs start, end: the positions of the block whose ids are to be
  predicted, in order, without overlap and within the span; null for all of them. It is there for dialogues, of which the
  user's turns are read and never learned: whoever trained on such blocks as if they were of format 3 would learn those too.

A document begins and ends with the end-of-text id. Every stream carries the keys of METADATA in its schema's metadata, all
as text and the same in all streams of a split.
"""

FORMAT = "3"            # of the streams, under `schema` in their metadata; readers refuse one that they do not know
LEARN_FORMAT = "4"      # of those whose spans have LEARN
FORMATS = ("1", "2", FORMAT, LEARN_FORMAT)      # 1 and 2 are the same under the names of `older_names.py`
LEARN_FORMATS = ("2", LEARN_FORMAT)
MANIFEST_SCHEMA = 1     # of MANIFEST; readers refuse another
MANIFEST = "_manifest.json"
SPLITS = ("train", "validation")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
CHAT_FILES = ("chat_template.jinja", "special_tokens_map.json", "generation_config.json")      # a tokenizer may have none
COLUMNS = ("tokens", "entry", "spans")
SPAN_FIELDS = ("id", "piece", "start", "end", "offset")
LEARN = "learn"

METADATA = (
    "schema",               # one of FORMATS
    "mixture",              # its name
    "block",                # tokens a block
    "vocab_size",           # ids of the tokenizer; every token is below it
    "end_of_text",          # the id that separates documents and fills padding
    "tokenizer_sha256",     # of tokenizer.json, hex
)
SHARES = "shares"           # a further key of newer streams: the recipe's share of each entry, a JSON object

NO_TARGET = -100        # of a position where nothing is to be predicted: torch's default `ignore_index`
