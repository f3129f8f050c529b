"""Cost estimate of a training run: parameters, FLOPs, memory by part, hours and money. Needs no torch.

Memory is that of tensors, as this trainer holds them on one device: weights, gradients and the optimizer's state in float32,
products in bfloat16. What allocators and kernels take beside them (a tenth more is usual) is not in it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from textmill.base.accelerators import (
    ACCELERATORS,
    PRICES,
    TOKENS_PER_PARAMETER,
    UTILISATION,
    dollars,
    flops,
    hours,
)
from textmill.model.architecture.counts import COUNTS, DecoderSize
from textmill.model.architecture.shapes import SHAPES, Shape

FLOAT32, BFLOAT16 = 4, 2        # bytes
LABEL = 12                      # columns


def training_memory(size: DecoderSize, tokens: int, optimizer: str, rematerialised: bool = False) -> dict[str, int]:
    """Bytes by part in training with so many tokens at a time.

    `rematerialised`: of every layer only its input is kept, and going backward one layer at a time is computed again.
    """
    parameters, layers, width = size.parameters, size.shape.layers, size.shape.width
    layer = BFLOAT16 * size.activations.working + FLOAT32 * size.activations.float32
    kept = layers * BFLOAT16 * width + layer if rematerialised else layers * layer
    return {
        "weights": FLOAT32 * parameters.total,
        "weights in bfloat16": BFLOAT16 * parameters.multiplied,
        "gradients": FLOAT32 * parameters.trained,
        "optimizer": optimizer_memory(size, optimizer),
        "activations": round(tokens * (kept + BFLOAT16 * (2 * width + size.activations.masks))),     # the last stream, normed
        "logits": tokens * BFLOAT16 * size.vocabulary,
    }


def optimizer_memory(size: DecoderSize, optimizer: str) -> int:
    """Bytes of state: two moments in AdamW, one in Muon, which takes the layers' matrices and leaves the rest to AdamW."""
    parameters = size.parameters
    of_muon = parameters.layers if optimizer == "muon" else 0
    return FLOAT32 * (2 * parameters.trained - of_muon)


def inference_memory(size: DecoderSize, rows: int = 1) -> dict[str, int]:
    """Bytes by part in generating `rows` texts as long as a block, all in bfloat16."""
    return {"weights": BFLOAT16 * size.parameters.total, "cache": BFLOAT16 * rows * size.block * size.cache_per_token}


@dataclass(frozen=True)
class EstimateSettings:
    """What to estimate: a named shape, parts of it replaced, and how long it is trained on what."""

    shape: str = "124m"
    architecture: str = "qwen3"
    layers: int | None = None
    width: int | None = None
    heads: int | None = None
    head_width: int | None = None
    kv_heads: int | None = None
    mlp: int | None = None
    tied: bool | None = None
    window: int | None = None
    experts: int | None = None
    experts_per_token: int | None = None
    shared_expert: bool | None = None
    vocabulary: int = 32768
    block: int = 2048
    batch: int = 8
    optimizer: str = "muon"
    tokens: float | None = None
    tokens_per_parameter: float = TOKENS_PER_PARAMETER
    accelerator: tuple[str, ...] = ()
    cards: int = 1
    utilisation: float = UTILISATION
    price: float | None = None

    def problems(self) -> Iterator[str]:
        tables: dict[str, Iterable[str]] = {"shape": SHAPES, "architecture": COUNTS, "optimizer": ("adamw", "muon")}
        chosen = [(name, getattr(self, name), table) for name, table in tables.items()]
        for name, value, table in [*chosen, *(("accelerator", card, ACCELERATORS) for card in self.accelerator)]:
            if value not in table:
                yield f"{name}: {value!r} is not one of {', '.join(table)}"
        for name in ("layers", "width", "heads", "head_width", "kv_heads", "mlp", "window", "experts", "experts_per_token",
                     "vocabulary", "block", "batch", "tokens", "tokens_per_parameter", "cards", "price"):
            if (value := getattr(self, name)) is not None and not 0 < value < 1e18:
                yield f"{name}: must be above 0, is {value}"
        if (self.experts_per_token or 2) > (self.experts or 8):
            yield f"experts_per_token: {self.experts_per_token or 2} of {self.experts or 8} experts cannot be chosen"
        if not 0 < self.utilisation <= 1:
            yield f"utilisation: a share of the peak rate, above 0 and at most 1, is {self.utilisation}"

    def sizes(self) -> Shape:
        """The shape with what replaces it; a width brings heads of the same size and a wider MLP with it."""
        shape = SHAPES[self.shape]
        if self.width is not None:
            heads = max(1, self.width // (self.head_width or shape.head_width))
            shape = shape._replace(heads=heads, kv_heads=heads, mlp=-(-8 * self.width // 3 // 64) * 64)
        own = {"active": "experts_per_token", "shared": "shared_expert"}
        given = {name: value for name in shape._fields if (value := getattr(self, own.get(name, name))) is not None}
        if "heads" in given and "kv_heads" not in given:
            given["kv_heads"] = given["heads"]
        return shape._replace(**given)


class Estimate:
    """What a training run takes."""

    def __init__(self, settings: EstimateSettings):
        self.settings = settings
        self.size = DecoderSize(settings.architecture, settings.sizes(), settings.vocabulary, settings.block)
        self.tokens = settings.tokens or settings.tokens_per_parameter * self.size.parameters.total
        price = {} if settings.price is None else {"price": settings.price}
        self.accelerators = {name: ACCELERATORS[name]._replace(**price) for name in settings.accelerator or ACCELERATORS}

    @property
    def flops(self) -> float:
        """Of the whole run, attention included."""
        return self.size.flops_per_token * self.tokens

    def lines(self) -> Iterator[str]:
        """The estimate for a terminal of 80 columns."""
        yield from self._work()
        yield ""
        yield from self._memory()
        yield ""
        yield from self._cards()

    def _work(self) -> Iterator[str]:
        size, shape, parameters = self.size, self.size.shape, self.size.parameters
        yield (f"{size.architecture}: {shape.layers} layers of width {shape.width:,}, {shape.heads} heads of "
               f"{shape.head_width} ({shape.kv_heads} of keys),")
        mlp = f"MLP {shape.mlp:,}"
        if parameters.idle:
            mlp = f"{shape.active}{' + 1' if shape.shared else ''} of {shape.experts} experts of {shape.expert_mlp:,}"
        window = "" if shape.window is None else f", window {shape.window:,}"
        yield f"{mlp}, vocabulary {size.vocabulary:,}, blocks of {size.block:,} tokens{window}"
        parts = [("layers", parameters.layers), ("embedding", parameters.embedding), ("output", parameters.output),
                 ("routers", parameters.routers), ("positions", parameters.positions), ("norms", parameters.vectors)]
        yield _line("parameters", short(parameters.total))
        yield _line("", ", ".join(f"{name} {short(part)}" for name, part in parts if part))
        yield _line("tokens", f"{short(self.tokens)}: {self.tokens / parameters.total:,.3g} a parameter "
                              f"({TOKENS_PER_PARAMETER} is compute-optimal)")
        yield _line("a token", f"{short(size.flops_per_token, 'G')} FLOPs: 6 x {short(parameters.multiplied)} multiplied, "
                               f"{short(size.attention_flops, 'G')} of attention")
        yield _line("in all", f"{self.flops:.3g} FLOPs (6 N D: {flops(parameters.total, self.tokens):.3g})")
        yield _line("by rule", f"updates of {short(batch_by_rule(self.flops))} tokens and a rate of "
                               f"{rate_by_rule(self.flops):.2g} (DeepSeek 2024, AdamW)")

    def _memory(self) -> Iterator[str]:
        size, settings = self.size, self.settings
        full, less = self.training_memory(False), self.training_memory(True)
        yield f"training, {settings.batch} x {size.block:,} tokens at a time, {settings.optimizer}, bfloat16 and float32"
        yield f"  {'':<24}{'memory':>10}{'computing layers again':>26}"
        for part in full:
            yield f"  {part:<24}{gigabytes(full[part]):>10}{gigabytes(less[part]):>26}"
        yield f"  {'in all':<24}{gigabytes(sum(full.values())):>10}{gigabytes(sum(less.values())):>26}"
        yield f"generating a text of {size.block:,} tokens, bfloat16"
        for part, number in inference_memory(size).items():
            yield f"  {part:<24}{gigabytes(number):>10}"

    def training_memory(self, rematerialised: bool) -> dict[str, int]:
        """Bytes by part."""
        return training_memory(self.size, self.settings.batch * self.size.block, self.settings.optimizer, rematerialised)

    def _cards(self) -> Iterator[str]:
        cards, utilisation, work = self.settings.cards, self.settings.utilisation, self.flops
        least = sum(self.training_memory(True).values())
        yield f"on {cards:,} card{'' if cards == 1 else 's'} at {utilisation:.0%} of the peak rate of dense bfloat16"
        yield f"  {'':<10}{'TFLOPs/s':>9}{'memory':>8}{'tokens/s':>12}{'time':>13}{'$/hour':>8}{'dollars':>15}"
        for name, card in self.accelerators.items():
            rate = card.peak * utilisation * cards / self.size.flops_per_token
            time, cost = hours(work, card.peak, cards, utilisation), dollars(work, card.peak, card.price, utilisation)
            small = "*" if least > card.memory else " "
            yield (f"  {name:<10}{card.peak / 1e12:>9,.0f}{card.memory / 1e9:>5,.0f} GB{small}{rate:>11,.0f}"
                   f"{duration(time):>13}{card.price:>8,.2f}{cost:>15,.2f}")
        if any(least > card.memory for card in self.accelerators.values()):
            yield "  * holds less than this: take a smaller batch, or share the state among cards"
        yield f"  $/hour: {PRICES if self.settings.price is None else 'as given'}"


def batch_by_rule(compute: float) -> float:
    """Tokens of an update that fit so many FLOPs of training with AdamW (DeepSeek-AI 2024, DeepSeek LLM, section 3.1)."""
    return 0.2920 * compute ** 0.3271


def rate_by_rule(compute: float) -> float:
    """The highest learning rate that fits so many FLOPs, by the same fit."""
    return 0.3118 * compute ** -0.1250


def _line(label: str, text: str) -> str:
    return f"{label:<{LABEL}}{text}"


def short(number: float, billion: str = "B") -> str:
    """Three digits and a letter: 1.28e8 is 128M."""
    for factor, letter in ((1e12, "T"), (1e9, billion), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * factor:
            return f"{number / factor:.3g}{letter}"
    return f"{number:.3g}"


def gigabytes(number: float) -> str:
    """Bytes, as GB or MB."""
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"


def duration(time: float) -> str:
    """Hours, as days, hours or minutes."""
    if time >= 48:
        return f"{time / 24:,.1f} days"
    return f"{time:,.1f} hours" if time >= 1 else f"{time * 60:,.1f} minutes"
