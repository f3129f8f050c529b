"""Every parser under fuzzing, by name: a table for each room."""

from tests.fuzz import configuration, extract, kinds, model
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {**extract.TARGETS, **kinds.TARGETS, **configuration.TARGETS, **model.TARGETS}
