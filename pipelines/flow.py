"""The flow: every stage, in the order of the data."""

from pipelines.curate import CURATE
from pipelines.dedup import DEDUP
from pipelines.extract.stage import EXTRACT
from pipelines.measure import MEASURE
from pipelines.pack import PACK
from pipelines.screen import SCREEN
from pipelines.tokenize import TOKENIZE
from pipelines.tokenizer import TOKENIZER

STAGES = {stage.name: stage for stage in (EXTRACT, MEASURE, SCREEN, DEDUP, CURATE, TOKENIZER, TOKENIZE, PACK)}
