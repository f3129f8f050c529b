"""Every parser survives a few hundred seeded inputs; `python -m tests.fuzz` tries as many as there is time for."""

import pytest

from tests.fuzz.campaign import fault_of, input_of
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_survives_hostile_inputs(name):
    target = TARGETS[name]
    seeds = target.seeds()
    assert [fault for seed in seeds if (fault := fault_of(target, target.wrap(seed) if target.wrap else seed))] == []
    inputs = ((number, input_of(name, target, seeds, 1, number)) for number in range(200))
    assert [(number, fault) for number, data in inputs if (fault := fault_of(target, data))] == []


def test_an_input_is_the_same_everywhere_and_the_faults_are_seen():
    target = TARGETS["settings"]
    assert input_of("settings", target, target.seeds(), 7, 42) == input_of("settings", target, target.seeds(), 7, 42)

    def hang(_: bytes) -> None:
        while True:
            pass

    assert "HangError" in (fault_of(target._replace(parse=hang, seconds=0.05), b"") or "")
    assert "ZeroDivisionError at test_fuzz.py" in (fault_of(target._replace(parse=lambda data: 1 / len(data)), b"") or "")
