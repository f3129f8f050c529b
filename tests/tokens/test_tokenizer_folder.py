"""The folder of a tokenizer: what is missing is said before any text is read."""

import pytest

from textmill.base.blocks_format import CHAT_FILES, TOKENIZER_FILES
from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.tokens.encode import TOKENIZE, tokenizer_json
from textmill.pipelines.tokens.settings import TokenizerName
from textmill.tokenizer import bpe, files


def test_a_tokenizer_without_its_configuration_is_refused_at_once(tmp_path):
    """Pack copies both files into the blocks, at its very end."""
    with pytest.raises(StageError, match="there is no tokenizer 'mine'"):
        tokenizer_json(Folder(str(tmp_path)), "mine")
    folder = tmp_path / "tokenizers/mine"
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(StageError, match=r"there is no tokenizer_config.json in .*mine; copy the one that belongs to it there"):
        tokenizer_json(Folder(str(tmp_path)), "mine")
    (folder / "tokenizer_config.json").write_text("{}")
    assert tokenizer_json(Folder(str(tmp_path)), "mine") == "{}"


def test_a_chat_template_that_breaks_is_said_before_any_worker_starts(tmp_path):
    folder = tmp_path / "tokenizers/mine"
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(bpe.tokenizer_json([], "qwen2", ["<|endoftext|>"]))
    (folder / "tokenizer_config.json").write_text("{}")
    context = RunContext(Folder(str(tmp_path)), Configuration(TokenizerName("mine")), None)
    TOKENIZE.prepare(context)
    for name, content in (("chat_template.jinja", "{{ messages"), ("tokenizer_config.json", '{"chat_template": "{% endif %}"}')):
        (folder / name).write_text(content)
        with pytest.raises(StageError, match=rf"^tokenizers/mine: the chat template in {name} does not compile \(.*line 1\); copy it again"):
            TOKENIZE.prepare(context)
        (folder / name).write_text("{}")
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(StageError, match=r"^tokenizers/mine: tokenizer_config.json cannot be read"):
        TOKENIZE.prepare(context)


def test_the_stage_writes_what_goes_with_a_tokenizer_and_blocks_carry_it(milled):
    data, _ = milled
    written = files.standard_files((data / "tokenizers/test-1k/tokenizer.json").read_text("utf-8"))
    assert sorted(written) == sorted((*TOKENIZER_FILES, *CHAT_FILES))
    for name, content in written.items():
        assert (data / "tokenizers/test-1k" / name).read_bytes() == (data / "blocks/mixture" / name).read_bytes() == content
