"""The words for a trained model."""

from typing import Any

import click

from textmill.cli.options import DATA, DEVICE, MIXTURE, PATH, of_mixture, with_options

TRAINED = click.option("--run", type=PATH, help="the folder of checkpoints  [default: data/checkpoints/NAME of the mixture]")


@click.command("sample", short_help="continues a prompt by the trained model")
@with_options(TRAINED, DATA, MIXTURE)
@click.option("--prompt", default="", help="how the text begins  [default: nothing]")
@click.option("--tokens", type=int, default=100, show_default=True, help="at most so many more")
@click.option("--count", type=int, default=1, show_default=True, help="how many samples")
@click.option("--temperature", type=float, default=0.8, show_default=True, help="0 takes the likeliest token")
@click.option("--top-k", type=int, help="draw from the k likeliest only  [default: from all]")
@click.option("--top-p", type=float, help="draw from the likeliest that reach p together  [default: from all]")
@click.option("--seed", type=int, default=1, show_default=True, help="another seed, another text")
@DEVICE
def sample(run: str | None, prompt: str, tokens: int, count: int, temperature: float, top_k: int | None, top_p: float | None,
           seed: int, device: str, **given: Any) -> str:
    """Continue a prompt by the trained model."""
    from textmill.model.device import choose_device
    from textmill.model.generation.sample import sample
    from textmill.model.generation.sampling import SamplingSettings

    settings = SamplingSettings(temperature, top_k, top_p, seed)
    return "\n\n".join(sample(run or of_mixture("checkpoints", given), prompt, count, tokens, settings, choose_device(device)))


@click.command("export", short_help="writes a folder that transformers opens")
@with_options(TRAINED, DATA, MIXTURE)
@click.option("--to", type=PATH, required=True, help="a folder that is empty or not there yet")
def export(run: str | None, to: str, **given: Any) -> str:
    """Write the trained model as a folder that Hugging Face transformers opens."""
    from textmill.model.export.hugging_face import export

    return export(run or of_mixture("checkpoints", given), to)


SAMPLE, EXPORT = sample, export
