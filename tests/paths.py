"""Where things lie: the checkout, and the folder `shared` beside it, which CI has and a stranger's clone has not."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
