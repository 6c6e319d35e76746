"""The image: what gets into it, as far as no Docker is needed to know, and that it can be built."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from chroniccare.cli import app
from chroniccare.settings import Settings, variable
from tests.checks.code import ROOT
from tests.deploy.template import AWS, load, of_type

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
PLANTED = (
    ".env", "src/.env", "src/chroniccare/.env.local", "src/chroniccare/master.key",
    "src/chroniccare/platform/tls.pem", "src/id_rsa", "src/credentials.json", "src/prod.env",
    "deploy/.env", ".git/config", "tests/secret.py", ".pypirc", "src/chroniccare/.npmrc",
)  # fmt: skip
NOT_OF_A_CLINIC = {("simulate", "--receipts-secret")}
"""A development tool that signs what it makes up."""
_SECRET = re.compile(r"(password|secret|pepper|token|database_url|redis_url|rabbitmq_url|smtp_url)",
                     re.IGNORECASE)  # fmt: skip


def in_context(path: str) -> bool:
    """Say whether Docker is sent a file: the last line that it, or what holds it, matches."""
    found = True
    parents = [path, *(str(one) for one in Path(path).parents if str(one) != ".")]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").strip()
        if not pattern or pattern.startswith("#"):
            continue
        forms = {pattern, pattern.removeprefix("**/")}
        if any(_matches(one, form) for one in parents for form in forms):
            found = line.startswith("!")
    return found


def _matches(path: str, pattern: str) -> bool:
    """Match as Docker does: `*` stays in its folder, `**/` goes over any number of them."""
    if pattern.startswith("**/"):
        return any(_matches(part, pattern[3:]) for part in _tails(path))
    steps, parts = pattern.split("/"), path.split("/")
    return len(steps) == len(parts) and all(map(fnmatch.fnmatchcase, parts, steps))


def _tails(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[number:]) for number in range(len(parts))]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """What Docker is sent of this folder, in which somebody has left secrets."""
    whole, sent = tmp_path / "whole", tmp_path / "sent"
    for name in ("src", "tools", "deploy"):
        shutil.copytree(ROOT / name, whole / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "requirements.lock", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, whole / name)
    for name in PLANTED:
        (whole / name).parent.mkdir(parents=True, exist_ok=True)
        (whole / name).write_text("planted")
    for path in whole.rglob("*"):
        name = str(path.relative_to(whole))
        if path.is_file() and in_context(name):
            (sent / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, sent / name)
    return sent


def test_sec_38_no_secret_gets_into_the_image_and_it_can_be_built(context: Path) -> None:
    sources = [
        one for line in re.findall(r"^COPY ((?!--from).*)$", DOCKERFILE, re.MULTILINE)
        for one in line.split()[:-1]
    ]  # fmt: skip
    assert len(sources) == 6
    whole = {one for one in (ROOT / "src").rglob("*") if one.is_file() and one.suffix != ".pyc"}
    assert [one for one in whole if not (context / one.relative_to(ROOT)).exists()] == []
    assert all((context / one).exists() for one in sources)
    assert {one.name for one in context.iterdir()} == {one.split("/")[0] for one in sources}
    made = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"],
        cwd=context, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "npm_config_offline": "true"},
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    [wheel] = (context / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        held = {name: opened.read(name) for name in opened.namelist()}
    assert "chroniccare/cli.py" in held
    assert [name for name, text in held.items() if text == b"planted"] == []


def test_sec_38_the_image_is_given_no_secret() -> None:
    secret = {
        variable(name)
        for name, one in Settings.model_fields.items()
        if "SecretStr" in str(one.annotation) or _SECRET.search(variable(name))
    }
    assert len(secret) > 5
    assert [one for one in secret if re.search(rf"\b{one}\b", DOCKERFILE)] == []
    assert not re.search(r"^(ARG|ADD) |--mount=type=secret|://[^/\s]*@", DOCKERFILE, re.MULTILINE)


def options(command: Any, name: str = "") -> list[tuple[str, str]]:
    """Return every option of the command line, with the command that takes it."""
    inner = getattr(command, "commands", {}).items()
    found = [(name.strip(), option) for one in command.params for option in one.opts]
    return found + [pair for word, one in inner for pair in options(one, f"{name} {word}")]


def test_sec_38_no_command_takes_a_secret_as_an_argument() -> None:
    every = options(get_command(app))
    assert len(every) > 50
    found = {(name, option) for name, option in every if _SECRET.search(option)}
    assert found == NOT_OF_A_CLINIC


def _arguments(value: Any) -> list[Any]:
    """Return whatever is started with, of a compose file, of pods or of tasks."""
    if isinstance(value, list):
        return [one for each in value for one in _arguments(each)]
    if not isinstance(value, dict):
        return []
    names = ("command", "args", "entrypoint", "Command", "EntryPoint")
    own = [value[name] for name in names if name in value]
    return own + [one for each in value.values() for one in _arguments(each)]


def test_sec_38_nothing_that_is_deployed_is_started_with_a_secret() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    pods = [
        one
        for path in sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]
    tasks = list(of_type(load(AWS / "app.yaml"), "AWS::ECS::TaskDefinition").values())
    for started in (compose, pods, tasks):
        found = _arguments(started)
        assert found
        assert not re.search(r"\$\(|\$\{|resolve:|Secret|://[^/\s']*:[^/\s']*@", str(found))
