"""Shares that depend on what there is: available, by temperature, and a schedule."""

from collections import Counter

import numpy as np
import pytest

from tests.pack.test_packing import World, check_blocks, filled, recipe
from textmill.pipelines.pack.mixture import Entry, MixtureError, Phase, Spread
from textmill.pipelines.pack.plan import plan_blocks, resolve
from textmill.pipelines.pack.requirements import share_of

LANGUAGES = {"de": 16, "fr": 4, "it": 1}        # thousands of tokens


def languages(sizes=None, per=100):
    """A world of documents of 10 tokens, so many of each language."""
    spoken = [language for language, size in (sizes or LANGUAGES).items() for _ in range(size * per)]
    world = World({n: [[1] * 8] for n in range(len(spoken))})
    for part in world.parts:
        for row in part:
            row["language"] = spoken[int(row["id"], 16)]
    return world


def shares(world, mixture):
    found = resolve(world.index(mixture)).mixture
    return {entry: round(share_of(found, entry), 4) for entry in found.entries}


@pytest.mark.parametrize(("temperature", "expected"), [
    (1, {"de": 16 / 21, "fr": 4 / 21, "it": 1 / 21}), (0.5, {"de": 4 / 7, "fr": 2 / 7, "it": 1 / 7}), (0, {"de": 1 / 3, "fr": 1 / 3, "it": 1 / 3})])
def test_a_spread_is_an_entry_for_each_value_by_tokens_to_the_temperature(temperature, expected):
    mixture = recipe(6000, {"web": Entry({"source": "s"}, Spread("language", temperature), 9)})
    assert shares(languages(), mixture) == {f"web-{language}": round(share, 4) for language, share in expected.items()}


def test_a_spread_beside_numbers_divides_its_part():
    world = languages()
    mixture = recipe(6000, {"web": Entry({"source": "s", "language": ["de", "fr"]}, Spread("language", 0.5, 0.6)),
                            "it": Entry({"language": "it"}, 0.4, 9)})
    assert shares(world, mixture) == {"web-de": 0.4, "web-fr": 0.2, "it": 0.4}
    plan = plan_blocks(world.index(mixture))
    assert [packed.entry for packed in plan.train.packed] == ["web-de", "web-fr", "it"]
    tokens = [packed.tokens for packed in plan.train.packed]
    assert all(0 <= taken - asked < 8 for taken, asked in zip(tokens, (2400, 1200, 2400), strict=True))
    check_blocks(world, filled(world, plan.train, mixture), mixture)


def test_values_too_small_for_a_block_and_texts_without_the_value_are_one_entry_that_loses_nothing():
    world = languages({"de": 6, "fr": 4}, per=10)
    for row, language in zip(world.parts[0], [None, "it", "pl"], strict=False):
        row["language"] = language
    mixture = recipe(512, {"web": Entry({"source": "s"}, Spread("language"))}, block=64)
    found = resolve(world.index(mixture)).mixture
    assert list(found.entries) == ["web-de", "web-fr", "web-other"]
    assert found.entries["web-de"].where == {"all": [{"source": "s"}, {"language": ["de"]}]}
    assert found.entries["web-other"].where == {"all": [{"source": "s"}, {"not": {"language": ["de", "fr"]}}]}
    assert share_of(found, "web-other") == pytest.approx(0.03)
    all_of_it = recipe(1000, mixture.entries, block=64)
    seen = check_blocks(world, filled(world, plan_blocks(world.index(all_of_it)).train, all_of_it), all_of_it)
    assert len(seen) == 1000 and set(seen.values()) == {1}


def test_an_expanded_recipe_is_a_recipe_that_packs_the_same():
    world = languages()
    mixture = recipe(6000, {"web": Entry({"source": "s"}, Spread("language", 0.7), 3)})
    expanded = resolve(world.index(mixture)).mixture
    assert plan_blocks(world.index(expanded)).train.blocks.equals(plan_blocks(world.index(mixture)).train.blocks)


def test_values_that_are_no_names_become_names():
    world = World({n: [[1] * 8] for n in range(40)}, lambda n: ["http://a/b", "http:a b"][n % 2])
    mixture = recipe(300, {"web": Entry({"language": "en"}, Spread("source"))})
    assert list(resolve(world.index(mixture)).mixture.entries) == ["web-http-a-b"]


def test_available_divides_what_the_numbers_leave():
    world = World({n: [[1] * 8] for n in range(400)}, lambda n: "abcd"[min(3, n // 40)])
    entries = {"a": Entry({"source": "a"}, 0.3), "b": Entry({"source": "b"}, "available"), "d": Entry({"source": "d"}, "available"),
               "c": Entry({"source": "c"}, 0.2)}
    assert shares(world, recipe(1000, entries)) == {"a": 0.3, "b": 0.0625, "d": 0.4375, "c": 0.2}
    alone = {name: Entry(entry.where, "available") for name, entry in entries.items()}
    assert shares(world, recipe(1000, alone)) == {"a": 0.1, "b": 0.1, "d": 0.7, "c": 0.1}
    nothing = recipe(1000, {"a": Entry({"source": "a"}, 0.3, 9), "x": Entry({"source": "x"}, "available")})
    with pytest.raises(MixtureError, match="entry x selects nothing: no token row has source=x"):
        world.plan(nothing)


def entry_tokens(blocks):
    return [(row["entry"], sum(span["end"] - span["start"] for span in row["spans"])) for row in blocks.to_pylist()]


def test_a_schedule_is_met_in_blocks_phase_by_phase():
    world = World({n: [[n % 9] * (n % 23)] for n in range(3000)}, lambda n: "abc"[n % 3])
    entries = {name: Entry({"source": name}, repeat=20) for name in "abc"}
    phases = [Phase(0.5, {"a": 0.9, "b": 0.1}), Phase(0.3, {"a": 0.2, "b": 0.5, "c": 0.3}), Phase(0.2, {"c": 1.0})]
    mixture = recipe(40_000, entries, schedule=phases)
    plan = plan_blocks(world.index(mixture))
    assert shares(world, mixture) == {"a": 0.51, "b": 0.2, "c": 0.29}
    blocks, done = entry_tokens(plan.train.blocks), 0
    for number, phase in enumerate(phases):
        end = done + sum(packed.phases[number] for packed in plan.train.packed)
        taken = Counter()
        for entry, tokens in blocks[done:end]:
            taken[entry] += tokens
        assert abs(taken.total() - phase.part * 40_000) < 8 * 3
        for entry in entries:
            assert abs(taken[entry] - phase.shares.get(entry, 0) * phase.part * 40_000) <= 8, (number, entry)
        done = end
    assert done == len(blocks)
    check_blocks(world, filled(world, plan.train, mixture), mixture)


def test_a_spread_in_a_schedule_divides_what_each_phase_gives_it():
    world = languages()
    entries = {"web": Entry({"language": ["de", "fr"]}, Spread("language", 0.5)), "it": Entry({"language": "it"}, repeat=9)}
    mixture = recipe(6000, entries, schedule=[Phase(0.8, {"web": 0.9, "it": 0.1}), Phase(0.2, {"web": 0.3, "it": 0.7})])
    found = resolve(world.index(mixture)).mixture
    assert shares(world, mixture) == {"web-de": 0.52, "web-fr": 0.26, "it": 0.22}
    assert [{entry: round(share, 4) for entry, share in phase.shares.items()} for phase in found.schedule] == [
        {"web-de": 0.6, "web-fr": 0.3, "it": 0.1}, {"web-de": 0.2, "web-fr": 0.1, "it": 0.7}]
    assert plan_blocks(world.index(mixture)).train.blocks.num_rows > 0


@pytest.mark.parametrize("schedule", [[], [Phase(0.5, {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}), Phase(0.5, {"a": 0.1, "d": 0.9})]])
def test_every_window_of_256_blocks_has_the_shares_to_two_percent_and_passes_lie_evenly(schedule):
    dice = np.random.default_rng(3)
    lengths = (dice.lognormal(3, 1.2, 6000)).astype(int)
    world = World({n: [[1] * int(lengths[n])] for n in range(6000)}, lambda n: "abcd"[0 if n < 3000 else 1 if n < 5000 else 2 if n < 5900 else 3])
    given = {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}
    entries = {entry: Entry({"source": entry}, None if schedule else share, 200) for entry, share in given.items()}
    mixture = recipe(400_000, entries, block=128, schedule=schedule)
    plan = plan_blocks(world.index(mixture))
    blocks, first = entry_tokens(plan.train.blocks), 0
    for number, phase in enumerate(schedule or [Phase(1.0, given)]):
        end = first + sum(packed.phases[number] for packed in plan.train.packed)
        for entry in entries:
            of_entry = np.cumsum([0, *(tokens * (own == entry) for own, tokens in blocks[first:end])])
            of_all = np.cumsum([0, *(tokens for _, tokens in blocks[first:end])])
            window = (of_entry[256:] - of_entry[:-256]) / (of_all[256:] - of_all[:-256])
            assert np.abs(window - phase.shares.get(entry, 0)).max() < 0.02
        first = end
    small = plan.train.packed[3]
    assert small.passes > 2
    if not schedule:        # the passes over the smallest source: their blocks' places are as far apart as the run is long
        one_pass = small.blocks / (small.tokens / small.available)
        places = [place for place, (entry, _) in enumerate(blocks) if entry == "d"]
        for number in range(1, int(small.tokens / small.available)):
            assert abs(places[int(number * one_pass)] / len(blocks) - number * small.available / small.tokens) < 0.02
