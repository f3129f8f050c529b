"""Order of examples by the seed: a pure function of the step, so that a run goes on as it would have."""

import numpy as np


def order(count: int, step: int, batch: int, accumulate: int, seed: int) -> list[list[int]]:
    """The numbers in each batch of a step: every pass in another order, passes joined."""
    first, result = step * batch * accumulate, []
    for start in range(first, first + batch * accumulate, batch):
        places = range(start, start + batch)
        passes = {place // count: np.random.default_rng([seed, place // count]).permutation(count) for place in places}
        result.append([int(passes[place // count][place % count]) for place in places])
    return result
