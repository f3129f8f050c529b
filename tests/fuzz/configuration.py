"""The files that people write: settings, rules and mixtures."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.target import Target
from tests.paths import ROOT
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.pack.mixture import read_mixture
from textmill.pipelines.screen.rules import read_rules
from textmill.pipelines.settings import read_settings

YAML = (b"{", b"}", b"[", b"]", b": ", b"- ", b"? ", b"&a ", b"*a", b"<<: ", b"|", b">", b"!!binary ", b"!!set ", b"!!timestamp ", b"!!python/name:os.system ",
        b"%YAML 9.9\n", b"---\n", b"...\n", b"null", b"~", b"yes", b"on", b".inf", b"-.inf", b".nan", b"1e3", b"1:30:00", b"2026-01-12", b"0777", b"'",
        b'"\\ud800"', b'"\\0"', b"#", b"\t", b"{a: b}: c", b"[a]: b", b"de", b"low", b"high", b"action", b"languages", b"entries", b"where", b"share")


def file(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """A reader of a file by its path; what it gives can be printed."""
    def parse(data: bytes) -> object:
        with TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            path = Path(folder, "f.yaml")
            path.write_bytes(data)
            return repr(read(str(path))).encode()

    return parse


def yaml(*patterns: str) -> list[bytes]:
    """Files of the checkout, whole and each section by itself: small inputs are changed where it matters."""
    whole = [path.read_bytes() for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return [*whole, *(section for file in whole for section in re.split(rb"\n(?=\w)", file))]


TARGETS = {
    "settings": Target(lambda: yaml("settings.yaml", "tests/settings.yaml"), file(read_settings), words=YAML),
    "rules": Target(lambda: yaml("rules.yaml", "benchmarks/published-rules.yaml"),
                    file(lambda path: read_rules(path, RULE_MEASUREMENTS, KINDS)), words=YAML),
    "mixture": Target(lambda: yaml("mixtures/*.yaml", "tests/mixture.yaml"), file(read_mixture), words=YAML),
}
