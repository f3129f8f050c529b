"""The folder of a tokenizer: what is missing is said before any text is read."""

import pytest

from textmill.pipelines.contract.storage import Folder, StageError
from textmill.pipelines.tokens.encode import tokenizer_json


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
