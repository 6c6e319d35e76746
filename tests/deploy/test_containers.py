"""Dockerfile, compose file and Kubernetes manifests, as far as no Docker is needed to know."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from chroniccare.cli import app
from chroniccare.platform.embedded import EngineUrls
from chroniccare.settings import Settings, variable
from tests.e2e.process import COMMAND, clean_environment

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml"))
PINNED = re.compile(r"^[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}$")
OURS = {variable(name) for name in Settings.model_fields}


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def manifests() -> list[dict[str, Any]]:
    return [
        one for path in KUBERNETES for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def pods() -> list[tuple[str, dict[str, Any]]]:
    return [
        (one["metadata"]["name"], one["spec"]["template"]["spec"])
        for one in manifests()
        if one["kind"] in {"Deployment", "Job"}
    ]


def commands() -> set[str]:
    return {
        str(one.name or getattr(one.callback, "__name__", "")) for one in app.registered_commands
    }


def test_the_image_is_pinned_and_runs_as_nobody() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert PINNED.match(bases[0])
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    assert any("--require-hashes -r requirements.lock" in line for line in lines)
    said = {word.split("=")[0] for line in lines for word in re.findall(r"CHRONICCARE_\w+=", line)}
    assert said <= OURS
    assert any(line == 'ENTRYPOINT ["chroniccare"]' for line in lines)


def test_every_service_is_pinned_and_asks_for_its_secrets() -> None:
    services = compose()["services"]
    for name, service in services.items():
        if service["image"] != "chroniccare":
            assert PINNED.match(service["image"]), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    assert asked == set(re.findall(r"\$\{(\w+)", text)), "a secret has no default"
    example = (DEPLOY / "env.example").read_text(encoding="utf-8")
    assert asked == set(re.findall(r"^(\w+)=$", example, re.MULTILINE))


def test_ours_are_confined_and_do_what_the_command_line_knows() -> None:
    services = compose()["services"]
    ours = {name: one for name, one in services.items() if one["image"] == "chroniccare"}
    assert set(ours) == {"prepare", "api", "worker"}
    for name, service in ours.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert set(service["environment"]) - {"DATABASE_URL", "REDIS_URL", "RABBITMQ_URL"} <= OURS
        if name != "prepare":
            assert service["command"][0] in commands()
            assert "prepare" in service["depends_on"]


def test_what_compose_sets_works(urls: EngineUrls, database_url: str, tmp_path: Path) -> None:
    service = compose()["services"]["prepare"]
    given = {
        name: re.sub(r"\$\{(\w+):[^}]*\}", "a-secret-of-thirty-two-letters-or-more", str(value))
        for name, value in service["environment"].items()
    }
    assert urlsplit(given["DATABASE_URL"]).hostname in compose()["services"]
    assert urlsplit(given["REDIS_URL"]).hostname in compose()["services"]
    assert urlsplit(given["RABBITMQ_URL"]).hostname in compose()["services"]
    # The same but for the places of the engines and of the keys.
    given |= {"DATABASE_URL": database_url, "REDIS_URL": urls.cache_url}
    key = tmp_path / "master.key"
    line = service["command"][0].replace("/keys/master.key", str(key))
    programs = tmp_path / "bin"
    programs.mkdir()
    made = programs / "chroniccare"
    made.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n', encoding="utf-8")
    made.chmod(0o755)
    assert given["CHRONICCARE_TENANT_KEY_DIRS"] == "/keys/tenants"
    tenants = tmp_path / "tenants"
    tenants.mkdir(mode=0o700)
    given["CHRONICCARE_TENANT_KEY_DIRS"] = str(tenants)
    environment = clean_environment(**given, CHRONICCARE_MASTER_KEY_FILE=str(key))
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    shell = shutil.which("sh")
    assert shell is not None
    kept = []
    for _ in range(2):
        done = subprocess.run(
            [shell, "-ec", line], env=environment, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        kept.append(key.read_text(encoding="utf-8"))
    assert kept[0] == kept[1], "a second start makes no second key"


@pytest.mark.parametrize(("name", "pod"), pods())
def test_pods_are_confined(name: str, pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"], name
    [container] = pod["containers"]
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"]
    assert not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert container["args"][0] in commands()
    assert container["resources"]["limits"]["memory"]
    if name != "chroniccare-migrate":
        assert container["livenessProbe"]
        # Longer than what is on the wire takes at a stop, and the pause before it.
        assert pod["terminationGracePeriodSeconds"] >= 30


def test_deployments_have_budgets_and_settings_exist() -> None:
    found = manifests()
    deployments = {one["metadata"]["name"] for one in found if one["kind"] == "Deployment"}
    budgets = {
        one["spec"]["selector"]["matchLabels"]["app"]
        for one in found
        if one["kind"] == "PodDisruptionBudget"
    }
    assert deployments == budgets == {"chroniccare-api", "chroniccare-worker"}
    [told] = [one["data"] for one in found if one["kind"] == "ConfigMap"]
    assert set(told) <= OURS
    listed = next(one for one in found if one["kind"] == "Kustomization")["resources"]
    assert {*listed, "kustomization.yaml"} == {path.name for path in KUBERNETES}
