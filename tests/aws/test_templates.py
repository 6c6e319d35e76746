"""What tools say of every template of deploy/aws: no warning, and each exception explained."""

import copy
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.aws.environments import program
from tests.deploy.template import AWS, load

TEMPLATES = sorted(AWS.glob("*.yaml"))
RULES = AWS / "rules.guard"
_GUARD = """
import json, sys, guardpycfn
rules = open(sys.argv[1], encoding="utf-8").read()
for one in json.load(sys.stdin):
    said = guardpycfn.validate_with_guard(json.dumps(one), rules, False)
    assert said["success"], said
    result = said["result"]
    if isinstance(result, str):  # it could not put it into JSON, and tells in words what is broken
        print(json.dumps([[result], []]))
        continue
    names = [found["Rule"]["name"] for found in result["not_compliant"]]
    print(json.dumps([names, result["compliant"]]))
"""
Template = dict[str, Any]


def guard(templates: list[Template]) -> list[tuple[list[str], list[str]]]:
    """Return the rules that each template breaks, and those that it keeps."""
    said = subprocess.run(
        [program("guard", "python"), "-c", _GUARD, str(RULES)], input=json.dumps(templates),
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return [tuple(json.loads(line)) for line in said.stdout.splitlines()]


def test_sec_40_cfn_lint_has_nothing_to_say() -> None:
    said = subprocess.run(
        [program("lint", "cfn-lint"), "--include-checks", "I", "--template", *map(str, TEMPLATES)],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert (said.returncode, said.stdout) == (0, "")


def test_sec_40_checkov_finds_nothing_that_is_not_explained(tmp_path: Path) -> None:
    files = [word for path in TEMPLATES for word in ("--file", str(path))]
    said = subprocess.run(
        [program("lint", "checkov"), "--skip-download", "--compact", "--quiet", "--framework",
         "cloudformation", "--output", "json", *files],
        capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
        env={**os.environ, "BC_SKIP_MAPPING": "TRUE"},
    )  # fmt: skip
    found = json.loads(said.stdout)
    assert found["results"]["failed_checks"] == []
    assert found["summary"]["passed"] > 200
    explained = {
        (path, name, one["id"])
        for path in TEMPLATES
        for name, resource in load(path)["Resources"].items()
        for one in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())
        if one["comment"]
    }
    assert found["summary"]["skipped"] == len(explained)


def test_sec_40_our_own_rules_hold() -> None:
    found = guard([load(path) for path in TEMPLATES])
    assert [broken for broken, _ in found] == [[] for _ in TEMPLATES]
    kept = {name for _, names in found for name in names}
    assert kept == {rule for rule, _, _ in BREAKS} | {"functions_run_what_lasts"}


def put(*path: str, value: Any) -> Callable[[Template], None]:
    """Return what sets a value in a template; `None` takes it out."""

    def change(template: Template) -> None:
        place: Any = template
        for name in path[:-1]:
            place = place[name]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value

    return change


def of(name: str, *path: str, value: Any) -> Callable[[Template], None]:
    return put("Resources", name, "Properties", *path, value=value)


BREAKS: list[tuple[str, str, Callable[[Template], None]]] = [
    ("broker_is_of_now_and_private", "messaging", of("Broker", "EngineVersion", value="3.13")),
    ("broker_is_of_now_and_private", "messaging", of("Broker", "PubliclyAccessible", value=True)),
    ("broker_is_of_now_and_private", "messaging",
     put("Mappings", "Sizes", "staging", "Broker", value="mq.t3.micro")),
    ("database_is_sealed_and_private", "data", of("Database", "StorageEncrypted", value=False)),
    ("database_is_sealed_and_private", "data", of("Database", "PubliclyAccessible", value=True)),
    ("database_speaks_tls_and_logs_no_values", "data",
     of("DatabaseParameters", "Parameters", "rds.force_ssl", value="0")),
    ("proxy_asks_for_tls", "data", of("Proxy", "RequireTLS", value=False)),
    ("cache_is_sealed_and_asks_who", "data", of("Cache", "AuthToken", value=None)),
    ("files_are_sealed_and_in_no_backup", "data",
     of("Files", "BackupPolicy", "Status", value="ENABLED")),
    ("buckets_are_private_and_sealed", "data", of("Bucket", "BucketEncryption", value=None)),
    ("queues_are_sealed", "messaging", of("DeadLetterQueue", "KmsMasterKeyId", value=None)),
    ("topics_are_sealed", "messaging", of("AlarmTopic", "KmsMasterKeyId", value=None)),
    ("secrets_are_under_our_key", "data", of("PepperSecret", "KmsKeyId", value=None)),
    ("keys_rotate", "data", of("MasterKey", "EnableKeyRotation", value=False)),
    ("logs_end", "app", of("ApiLogGroup", "RetentionInDays", value=None)),
    ("alarms_act_and_say_why", "observability", of("SlowAlarm", "AlarmActions", value=[])),
    ("tasks_write_nothing_to_their_image", "app", of("ApiTask", "NetworkMode", value="host")),
    ("services_go_back_by_themselves_and_have_no_public_address", "app",
     of("ApiService", "DeploymentConfiguration", "DeploymentCircuitBreaker", "Rollback",
        value=False)),
    ("the_world_reaches_443_alone", "network",
     of("LoadBalancerSecurityGroup", "SecurityGroupIngress", value=[
         {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}])),
    ("roles_say_what_they_may", "data", of("ProxyRole", "Policies", value=[
        {"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "kms:*"}]}}])),
    ("roles_say_what_they_may", "app", of("ApiRole", "Policies", value=[
        {"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": ["s3:Get", "s3:*"]}]}}])),
]  # fmt: skip


def test_each_of_our_rules_can_be_broken() -> None:
    changed = []
    for _, stack, change in BREAKS:
        template = copy.deepcopy(load(AWS / f"{stack}.yaml"))
        change(template)
        changed.append(template)
    assert [broken for broken, _ in guard(changed)] == [[rule] for rule, _, _ in BREAKS]
