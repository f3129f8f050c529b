"""Train the bundled model on a blocks folder, continue a prompt with it, or export it to Hugging Face."""

import argparse
import os
import sys
from collections.abc import Sequence

from textmill.base.strict import SettingsError, parse, read_yaml
from textmill.model import ModelError
from textmill.model.device import choose_device
from textmill.model.export.hugging_face import export
from textmill.model.generation.sample import sample
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.training.pretrain import pretrain
from textmill.model.training.settings import TrainSettings


def main(argv: Sequence[str] | None = None) -> int | str:
    parser = argparse.ArgumentParser(prog="python -m model", description=__doc__, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    train = verbs.add_parser("train", help="train on blocks, or go on where an earlier run stopped", allow_abbrev=False)
    train.add_argument("--blocks", required=True, help="a folder blocks/<mixture>, its tokenizer.json included")
    train.add_argument("--run", required=True, help="where checkpoints and the log go")
    train.add_argument("--settings", help="YAML with a section `train` (default: the plan of the demo)")
    train.add_argument("--replace", action="store_true", help="delete a run of other settings or blocks found in --run")
    draw = verbs.add_parser("sample", help="continue a prompt", allow_abbrev=False)
    draw.add_argument("--run", required=True, help="the folder given to train")
    draw.add_argument("--prompt", default="", help="how the text begins (default: nothing)")
    draw.add_argument("--tokens", type=int, default=100, help="at most so many more (default: %(default)s)")
    draw.add_argument("--count", type=int, default=1, help="how many samples (default: %(default)s)")
    draw.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest token (default: %(default)s)")
    draw.add_argument("--top-k", type=int, help="draw from the k likeliest only (default: from all)")
    draw.add_argument("--top-p", type=float, help="draw from the likeliest that reach p together (default: from all)")
    draw.add_argument("--seed", type=int, default=1, help="another seed, another text (default: %(default)s)")
    for verb in (train, draw):
        verb.add_argument("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto",
                          help="where to compute (default: %(default)s, the first of cuda, mps, cpu that is there)")
    out = verbs.add_parser("export", help="write a folder that transformers opens", allow_abbrev=False)
    out.add_argument("--run", required=True, help="the folder given to train")
    out.add_argument("--to", required=True, help="a folder that is empty or not there yet")
    given = parser.parse_args(argv)
    # On the CPU oneDNN keeps what it compiled for each of 1,024 shapes, and documents in a block have a shape each: 20 MB more
    # with every update. Few are met again, so keeping 32 costs no time (measured).
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    try:
        if given.verb == "train":
            device = choose_device(given.device)
            print(pretrain(given.blocks, given.run, _settings(given.settings), device, given.replace), flush=True)
        elif given.verb == "sample":
            how = SamplingSettings(given.temperature, given.top_k, given.top_p, given.seed)
            texts = sample(given.run, given.prompt, given.count, given.tokens, how, choose_device(given.device))
            print("\n\n".join(texts), flush=True)
        else:
            print(export(given.run, given.to), flush=True)
    except (ModelError, SettingsError) as error:
        return "\n".join(f"{given.verb}: {line}" for line in str(error).splitlines())
    except OSError as error:                                    # a full disk, a folder that may not be written
        return f"{given.verb}: {error.strerror or error} ({error.filename or given.run})"
    except KeyboardInterrupt:
        print(f"{given.verb}: stopped; run the same command to go on from the last checkpoint", file=sys.stderr, flush=True)
        return 130
    return 0


def _settings(settings: str | None) -> TrainSettings:
    """The section `train` of a settings file, or the demo's."""
    section = {} if settings is None else read_yaml(settings).get("train")
    if section is None:
        raise SettingsError([f"{settings}: there is no section `train`; add it, or leave --settings out"])
    return parse(TrainSettings, section, f"{settings}: train")


if __name__ == "__main__":
    sys.exit(main())
