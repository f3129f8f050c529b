"""Fuzz the parsers: seeded inputs, and a file for each that is not survived.

    python -m tests.fuzz --minutes 5                                    every parser, its share of the time
    python -m tests.fuzz --inputs 100000 --parser warc --seed 1
    python -m tests.fuzz --parser warc --repeat build/fuzz/warc-1-4711  one finding again
"""

import argparse
import math
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.campaign import Finding, campaign, fault_of
from tests.fuzz.targets import TARGETS

SAVED = 3       # inputs of one fault


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=math.inf, help="of all parsers together")
    parser.add_argument("--inputs", type=int, default=1 << 40, help="of each parser")
    parser.add_argument("--parser", nargs="*", default=[], help=f"of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="number of the first input")
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz"), help="folder for inputs that are not survived")
    parser.add_argument("--repeat", type=Path, help="try this one file")
    asked = parser.parse_args()
    names = asked.parser or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"there is no parser {unknown[0]!r}; there are {', '.join(TARGETS)}")
    if asked.repeat:
        fault = fault_of(TARGETS[names[0]], asked.repeat.read_bytes())
        print(fault or "survived")
        return int(fault is not None)
    if math.isinf(asked.minutes) and asked.inputs == 1 << 40:
        parser.error("say how much: --minutes or --inputs")
    found: Counter[tuple[str, str]] = Counter()

    def report(finding: Finding) -> None:
        fault = finding.parser, finding.fault.partition(":")[0]
        found[fault] += 1
        if found[fault] > SAVED:
            return
        asked.findings.mkdir(parents=True, exist_ok=True)
        path = asked.findings / f"{finding.parser}-{asked.seed}-{finding.number}"
        path.write_bytes(finding.data)
        print(f"  {path}: {finding.fault}", flush=True)

    for name in names:
        start = time.monotonic()
        until = start + 60 * asked.minutes / len(names)
        tried = campaign(name, TARGETS[name], asked.seed, range(asked.start, asked.start + asked.inputs), until, report)
        print(f"{name}: {tried:,} inputs, {time.monotonic() - start:.0f} s, "
              f"{sum(count for fault, count in found.items() if fault[0] == name)} findings", flush=True)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
