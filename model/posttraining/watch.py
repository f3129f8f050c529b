"""Watch over reinforcement: how a policy goes wrong that gets its reward, said in a sentence that ends the run.

It leaves its language (distance), says the same to everything (entropy), never ends (length), or pleases a reward model while
it gets held-out tasks wrong that it got right (Gao et al. 2023).
"""

import json
from collections.abc import Sequence
from pathlib import Path

from textmill.model.posttraining.rollouts import Drawn
from textmill.model.posttraining.settings import PolicySettings

FALL = 0.15             # of the share of held-out tasks right: three standard errors of a hundred


def collapse(drawn: Sequence[Drawn], kl: float, settings: PolicySettings) -> str | None:
    """What is wrong with a round of answers, `kl` nats a token away from the start."""
    if kl > settings.most_kl:
        return (f"the answers are {kl:.2f} nats a token away from the model it started from, and most_kl is "
                f"{settings.most_kl}: it has left its language for reward; raise kl, or lower lr")
    if not any(each.ended for each in drawn):
        return (f"no answer comes to an end within max_tokens ({settings.max_tokens}), so none is rewarded; raise max_tokens, "
                "or fine-tune on dialogues first")
    prompts, texts = {each.row.prompt for each in drawn}, {each.row.answer for each in drawn}
    if len(prompts) > 1 and len(texts) == 1:
        return f"all {len(drawn)} answers to {len(prompts)} prompts are the same; raise kl, or lower lr"
    return None


def overoptimised(log: Path, right: float, reward: float | None) -> str | None:
    """Whether the reward has risen since the first round while the share of held-out tasks right has fallen since the start."""
    try:
        lines = [line for line in map(json.loads, log.read_text("utf-8").splitlines()) if "validation" in line]
    except (OSError, ValueError):
        return None
    rewards = [line["entries"]["reward"] for line in lines if "reward" in line.get("entries", {})]
    if reward is None or not rewards or reward <= rewards[0] or right >= (start := lines[0]["validation"]) - FALL:
        return None
    return (f"the reward rose from {rewards[0]:.3f} to {reward:.3f} while {right:.3f} of held-out tasks are right, after "
            f"{start:.3f} at the start: it pleases its reward and is no better; raise kl, or mend the reward model")
