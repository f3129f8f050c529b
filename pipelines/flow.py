"""The flow: every stage, in the order of the data."""

from textmill.pipelines.curate.stage import CURATE
from textmill.pipelines.dedup.stage import DEDUP
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.measure.stage import MEASURE
from textmill.pipelines.pack.stage import PACK
from textmill.pipelines.screen.stage import SCREEN
from textmill.pipelines.tokens.encode import TOKENIZE
from textmill.pipelines.tokens.train import TOKENIZER

STAGES = {stage.name: stage for stage in (EXTRACT, MEASURE, SCREEN, DEDUP, CURATE, TOKENIZER, TOKENIZE, PACK)}
