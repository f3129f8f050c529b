"""The model that a method of post-training starts from: a checkpoint, its tokenizer, and its digest."""

from pathlib import Path
from typing import NamedTuple

import torch

from textmill.model import ModelError
from textmill.model.architecture.decoder import Decoder
from textmill.model.data.blocks import PackedMixture
from textmill.model.data.tokenizer import open_tokenizer
from textmill.model.training.checkpoint import load_model, trained
from textmill.model.training.checkpoint_files import WEIGHTS, sha256_of
from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.chat import check_chat_tokens
from textmill.tokenizer.encoder import Encoder


class Start(NamedTuple):
    """A checkpoint to start from, and the folder of its run, which has the tokenizer."""

    checkpoint: Path
    home: Path
    encoder: Encoder

    @property
    def sha256(self) -> str:
        """The digest of the weights."""
        return sha256_of(self.checkpoint / WEIGHTS)

    def model(self, device: torch.device) -> Decoder:
        """The model, ready to be trained. ModelError where its vocabulary is not the tokenizer's."""
        model = load_model(self.checkpoint, device)
        open_tokenizer(self.home, model.vocab_size)
        return model

    def check_blocks(self, mixture: PackedMixture) -> None:
        """ModelError where blocks were packed with another tokenizer."""
        if mixture.train.tokenizer_sha256 != self.encoder.sha256:
            raise ModelError(f"{mixture.folder} was packed with another tokenizer than that of {self.checkpoint}")


def start_from(run: str | Path) -> Start:
    """The latest checkpoint of a run, or the one named. ModelError where none is, or its tokenizer cannot chat."""
    checkpoint, home = trained(Path(run))
    try:
        encoder = Encoder.load(home)
        check_chat_tokens(encoder)
    except TokenizerError as error:
        raise ModelError(f"{checkpoint} cannot be fine-tuned to dialogue: {error}") from None
    return Start(checkpoint, home, encoder)
