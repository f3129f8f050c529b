"""The plans that docs/scale.md shows, as `textmill plan` prints them: `python -m benchmarks.plans` writes them to results/."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLANS = {
    "plan-1tb": ["--stored", "1TB", "--runner", "flink", "--workers", "64", "--memory-gb", "4"],
    "plan-1tb-local": ["--stored", "1TB", "--workers", "16", "--memory-gb", "64"],
    "plan-100tb": ["--stored", "100TB", "--runner", "flink", "--workers", "2000", "--memory-gb", "4"],
}


def main() -> None:
    for name, options in PLANS.items():
        said = subprocess.run([sys.executable, "-m", "textmill", "plan", *options], cwd=ROOT, check=True,
                              capture_output=True, text=True)
        (ROOT / f"benchmarks/results/{name}.txt").write_text(f"$ textmill plan {' '.join(options)}\n{said.stdout}")


if __name__ == "__main__":
    main()
