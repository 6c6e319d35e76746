"""A process that starts while PostgreSQL is away."""

import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from chroniccare.settings import Settings
from tests.e2e.process import clean_environment

_OPEN = """
import asyncio, os
from chroniccare.platform import wiring
from chroniccare.settings import load

async def main():
    print("trying", flush=True)
    async with wiring.opened_soon(load(os.environ)) as platform:
        await platform.database.ping()
        print("open", flush=True)

asyncio.run(main())
"""


def test_a_worker_that_is_born_during_an_outage_waits_for_its_end(
    settings: Settings, tmp_path: Path
) -> None:
    database = urlsplit(settings.database_url)
    [folder], [port] = (parse_qs(database.query)[name] for name in ("host", "port"))
    name = f".s.PGSQL.{port}"
    environment = clean_environment(
        DATABASE_URL=settings.database_url.replace(f"host={folder}", f"host={tmp_path}"),
        CHRONICCARE_KEY_PEPPER=settings.key_pepper.get_secret_value(),
        CHRONICCARE_MASTER_KEY_FILE=str(settings.master_key_file),
        CHRONICCARE_TENANT_KEY_DIRS=settings.tenant_key_dirs,
    )
    process = subprocess.Popen(
        [sys.executable, "-c", _OPEN], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "trying\n"
        time.sleep(1)
        assert process.poll() is None
        (tmp_path / name).symlink_to(Path(folder) / name)  # now something answers
        said, problems = process.communicate(timeout=60)
        assert said == "open\n", problems
    finally:
        process.kill()
        process.wait()
