"""`python -m tests.chaos.fuzz`: a hundred thousand generated requests to every operation (R14).

The suite sends ten of each kind; this sends as many as make up the number asked for, chosen anew
each time: each as it was generated, and with ids of records that exist, none of them twice.
`--fhir` sends them to every interaction of /fhir; `--stateful` sends them to /api/v1 in sequences
that go on with what earlier answers named. Prints JSON with the seed, which `--seed` takes
again; ends with 1 when an answer was a server error or is not what the OpenAPI document, or R4,
says.
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
from collections import Counter
from pathlib import Path
from typing import Any

from tests.contracts.test_fuzz import MODES
from tests.e2e.process import clean_environment

CASES = 100_000
_DIFFERENT = 1.5
"""New requests a generated case, on average: two, but few of an operation without parameters."""
_EACH = 2500
"""Requests that one clinic gets: a longer one would have more records and no other ways."""


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
    parser.add_argument("--fhir", action="store_true", help="to /fhir in place of /api/v1")
    parser.add_argument("--stateful", action="store_true", help="in sequences")
    chosen = parser.parse_args(arguments)
    if chosen.stateful:
        return _in_clinics("CHAIN", "tests/contracts/test_chains.py", chosen)
    if chosen.fhir:
        return _in_clinics("FHIR_FUZZ", "tests/fhir/test_fuzz.py", chosen)
    each = 1 if chosen.small else math.ceil(chosen.cases / len(MODES) / _DIFFERENT)
    done, tally, seconds = _run(
        "tests/contracts/test_fuzz.py", f"--hypothesis-seed={chosen.seed}",
        CHRONICCARE_FUZZ_EXAMPLES=str(each), CHRONICCARE_FUZZ_PART=chosen.part,
    )  # fmt: skip
    told = {"operations and modes": len(MODES), "part": chosen.part, "cases": sum(tally)}
    return _tell(done, {**told, "seed": chosen.seed, "seconds": seconds})


def _in_clinics(name: str, tests: str, chosen: argparse.Namespace) -> int:
    """Run a test that sends requests clinic after clinic, by the throws of a seed."""
    clinics = 1 if chosen.small else max(os.cpu_count() or 1, math.ceil(chosen.cases / _EACH))
    each = 100 if chosen.small else math.ceil(chosen.cases / clinics)
    numbers = {"CASES": each, "PARTS": clinics, "SEED": chosen.seed}
    done, tally, seconds = _run(
        tests, **{f"CHRONICCARE_{name}_{key}": str(value) for key, value in numbers.items()}
    )
    answers = sum(map(Counter, tally), Counter[str]())
    told: dict[str, Any] = {"clinics": clinics, "cases": answers.total(), "seed": chosen.seed}
    return _tell(done, {**told, "seconds": seconds, "answers": dict(sorted(answers.items()))})


def _run(
    tests: str, *options: str, **environment: str
) -> tuple["subprocess.CompletedProcess[str]", list[Any], float]:
    """Run tests; return how they ended, what each process tallied, and the seconds it took."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as tally:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", str(os.cpu_count() or 1), "-p",
             "no:cacheprovider", *options, tests],
            cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
            env=clean_environment(CHRONICCARE_FUZZ_TALLY=tally, **environment),
        )  # fmt: skip
        found = [json.loads(one.read_text()) for one in Path(tally).iterdir()]
    return done, found, round(time.monotonic() - started, 1)


def _tell(done: "subprocess.CompletedProcess[str]", came: dict[str, Any]) -> int:
    came["failed"] = re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    sys.stdout.write(json.dumps(came, indent=2) + "\n")
    if done.returncode:
        sys.stderr.write(done.stdout[-20_000:] + done.stderr)
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
