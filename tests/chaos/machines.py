"""`python -m tests.chaos.machines`: a million steps of three state machines and their models (R14).

Appointment, notification and consent: nine steps of ten compare the rules, pure functions, with a
model in plain Python; the tenth goes through the database, on engines of its own. Prints JSON with
the seed, which `--seed` takes again; ends with 1 when product and model differ.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from chroniccare.app import build
from chroniccare.migrations.runner import migrate
from chroniccare.platform import masterkey_file
from chroniccare.platform.embedded import engines
from chroniccare.settings import load
from tests.chaos.servers import PEPPER
from tests.client import Contract, new_clinic
from tests.contracts.operations import document
from tests.e2e.process import data_dir
from tests.machines import all as machines
from tests.machines.running import DiffersError

STEPS = 1_000_000
_STORED = 10
"""One step of so many goes through the database."""


def main(arguments: list[str]) -> int:
    """Run them and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.machines", description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="of all three together")
    parser.add_argument("--small", action="store_true", help="a thousandth of them")
    parser.add_argument("--stored", type=int, help="of these, through the database; a tenth")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**9), help="of an earlier run"
    )
    chosen = parser.parse_args(arguments)
    if chosen.small:
        chosen.steps //= 1000
    stored = chosen.steps // _STORED if chosen.stored is None else chosen.stored
    came: dict[str, Any] = {"seed": chosen.seed}
    started, worked = time.monotonic(), time.process_time()
    try:
        came["on paper"] = machines.on_paper(chosen.steps - stored, chosen.seed)
        came["stored"] = asyncio.run(_stored(stored, chosen.seed)) if stored else {}
    except DiffersError as wrong:
        came["wrong"] = str(wrong)
    came["seconds"] = round(time.monotonic() - started, 1)
    came["CPU seconds, without PostgreSQL's"] = round(time.process_time() - worked, 1)
    sys.stdout.write(json.dumps(came, indent=2) + "\n")
    return 1 if "wrong" in came else 0


async def _stored(steps: int, seed: int) -> dict[str, int]:
    with ExitStack() as stack:
        directory = stack.enter_context(data_dir())
        urls = stack.enter_context(engines(directory, durable=False))
        keys = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "master.key"
        masterkey_file.make(keys)
        await migrate(urls.database_url)
        settings = load(
            {
                "DATABASE_URL": urls.database_url,
                "REDIS_URL": urls.cache_url,
                "CHRONICCARE_KEY_PEPPER": PEPPER,
                "CHRONICCARE_MASTER_KEY_FILE": str(keys),
                "CHRONICCARE_LOG_LEVEL": "WARNING",
            }
        )
        app = build(settings)
        async with (
            app.router.lifespan_context(app),
            new_clinic(app, Contract(document())) as clinic,
        ):
            return await machines.stored(clinic, steps, seed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
