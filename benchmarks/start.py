"""Claim: `import chroniccare.app` takes at most 0.6 s; beside it, FastAPI alone in the same run."""

import subprocess
import sys
from statistics import median

ROUNDS = 7
_CODE = "import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"


def _seconds(name: str) -> float:
    command = [sys.executable, "-c", _CODE.format(name=name)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Run the benchmark; imports alternate, so that noise meets both alike."""
    rounds = [(_seconds("fastapi"), _seconds("chroniccare.app")) for _ in range(ROUNDS)]
    fastapi, ours = median(r[0] for r in rounds), median(r[1] for r in rounds)
    best = min(r[1] for r in rounds)
    print(f"import fastapi         {fastapi:.2f} s (median of {ROUNDS})")
    print(
        f"import chroniccare.app {ours:.2f} s = {ours / fastapi:.2f} times that; best {best:.2f} s"
    )


if __name__ == "__main__":
    main()
