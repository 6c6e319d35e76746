"""`python -m tests.chaos.fuzz`: a hundred thousand generated requests to every operation (R14).

The suite sends ten of each kind; this sends as many as make up the number asked for, chosen anew
each time: each as it was generated, and with ids of records that exist, none of them twice. Prints
JSON with the seed, which `--seed` takes again; ends with 1 when an answer was a server error or is
not what the OpenAPI document says.
"""

import argparse
import json
import math
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.contracts.test_fuzz import MODES
from tests.e2e.process import clean_environment

CASES = 100_000
_DIFFERENT = 1.5
"""New requests a generated case, on average: two, but few of an operation without parameters."""


def main(arguments: list[str]) -> int:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.fuzz", description=__doc__)
    parser.add_argument("--small", action="store_true", help="as few as one of each kind")
    parser.add_argument("--cases", type=int, default=CASES, help="about so many requests")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**9), help="of an earlier run"
    )
    parser.add_argument(
        "--part", default="1/1", help="1/10 to 10/10: a tenth of the operations, as many of each"
    )
    chosen = parser.parse_args(arguments)
    each = 1 if chosen.small else math.ceil(chosen.cases / len(MODES) / _DIFFERENT)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as tally:
        environment = clean_environment(
            CHRONICCARE_FUZZ_EXAMPLES=str(each),
            CHRONICCARE_FUZZ_TALLY=tally,
            CHRONICCARE_FUZZ_PART=chosen.part,
        )
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", str(os.cpu_count() or 1), "-p",
             "no:cacheprovider", f"--hypothesis-seed={chosen.seed}",
             "tests/contracts/test_fuzz.py"],
            cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
            env=environment,
        )  # fmt: skip
        sent = sum(int(one.read_text()) for one in Path(tally).iterdir())
    failed = re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    came = {
        "operations and modes": len(MODES), "part": chosen.part, "cases": sent, "seed": chosen.seed,
        "seconds": round(time.monotonic() - started, 1), "failed": failed,
    }  # fmt: skip
    sys.stdout.write(json.dumps(came, indent=2) + "\n")
    if done.returncode:
        sys.stderr.write(done.stdout[-20_000:] + done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
