"""A wheel, alone in an environment without Node and without a network, serves the console."""

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.e2e.process import clean_environment

ROOT = Path(__file__).parents[2]
SERVE = """
import asyncio, json, socket, sys
import httpx

def refuse(*_): raise OSError("there is no network")
socket.socket.connect = socket.getaddrinfo = refuse

import chroniccare
from chroniccare.app import build
from chroniccare.console.pages import asset
from chroniccare.settings import Settings

async def main():
    app = build(Settings(key_pepper="a pepper of thirty-two letters, or more"))
    names = ["console.css", "console.js", "icons.svg", "vendor/htmx.min.js",
             "vendor/event-calendar.min.js", "vendor/uplot.min.js"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:
        found = {name: (await http.get(asset(name) or "/none")).status_code for name in names}
    print(json.dumps([chroniccare.__file__, found]))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with the wheel and, by their path, packages."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, env=clean_environment(), check=True, capture_output=True)
    made = folder / "venv"
    venv.create(made, symlinks=True)
    site = next(made.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    (site / "locked.pth").write_text(sysconfig.get_paths()["purelib"])
    return made / "bin" / "python"


def test_a_wheel_serves_the_console_with_its_scripts(bare: Path) -> None:
    environment = clean_environment(PATH=str(bare.parent))
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [bare, "-c", SERVE], env=environment, cwd=bare.parent, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where, found = json.loads(done.stdout)
    assert Path(where).is_relative_to(bare.parents[1])
    assert set(found.values()) == {200}, found
