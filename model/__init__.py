"""Train a small GPT on packed blocks, sample from it, and export it to Hugging Face.

Needs torch, numpy, pyarrow, tokenizers and safetensors; knows the block format and `tokenizer.json`, and nothing
of the pipelines that made them.
"""


from textmill.base.errors import TextmillError


class ModelError(TextmillError):
    """Something the reader can put right; the message is one sentence that says how."""
