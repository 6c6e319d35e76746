"""What the platform's templates must say: imports that exist, settings that start, alarms."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from chroniccare.settings import Settings, load, variable
from tests.checks.code import ROOT
from tests.deploy.template import AWS, actions, of_type, statements
from tests.deploy.template import load as template

ORDER = ("network", "data", "messaging", "edge", "app", "observability")
STACKS = {name: template(AWS / f"{name}.yaml") for name in ORDER}
ENVIRONMENTS = ("development", "staging", "production")
ALL = sorted(path for path in AWS.glob("*.yaml") if path.stem != "notifier")
EXPORT = re.compile(r"^\$\{Prefix\}-([a-z]+)-([A-Za-z]+)$")
TASKS = of_type(STACKS["app"], "AWS::ECS::TaskDefinition")
ALARMS = of_type(STACKS["observability"], "AWS::CloudWatch::Alarm")
MONITORING = ROOT / "deploy" / "monitoring"


def exports(made: dict[str, Any]) -> set[str]:
    return {one["Export"]["Name"]["Fn::Sub"] for one in made.get("Outputs", {}).values()
            if "Export" in one}  # fmt: skip


def imports(part: Any) -> set[str]:
    if isinstance(part, list):
        return {name for one in part for name in imports(one)}
    if not isinstance(part, dict):
        return set()
    if "Fn::ImportValue" in part:
        return {part["Fn::ImportValue"]["Fn::Sub"]}
    return {name for one in part.values() for name in imports(one)}


def sizes(stack: str, environment: str) -> dict[str, Any]:
    found: dict[str, Any] = STACKS[stack]["Mappings"]["Sizes"][environment]
    return found


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.stem))
def test_each_import_is_an_export_of_an_earlier_stack(path: Path) -> None:
    made = template(path)
    before = ORDER[: ORDER.index(path.stem)] if path.stem in ORDER else ORDER
    there = {name for stack in before for name in exports(STACKS[stack])}
    assert imports(made) <= there
    assert all(EXPORT.fullmatch(name) for name in exports(made))
    assert all(name.startswith(f"${{Prefix}}-{path.stem}-") for name in exports(made))
    assert {"Prefix", "Environment"} <= made["Parameters"].keys()


@pytest.mark.parametrize("stack", ORDER)
def test_each_parameter_is_bound_and_explained(stack: str) -> None:
    for name, one in STACKS[stack]["Parameters"].items():
        bound = {"AllowedPattern", "AllowedValues", "MinValue"} & one.keys()
        assert bound, name
        assert one["Description"], name
        assert one["Type"] == "String" or {"MinValue", "MaxValue"} <= one.keys()
        default = one.get("Default")
        if isinstance(default, str) and "AllowedPattern" in one:
            assert re.fullmatch(one["AllowedPattern"], default), name
        if isinstance(default, str) and "AllowedValues" in one:
            assert default in one["AllowedValues"], name
    assert STACKS[stack]["Parameters"]["Environment"]["AllowedValues"] == list(ENVIRONMENTS)


@pytest.mark.parametrize(
    ("stack", "name", "good", "bad"),
    [("network", "Prefix", "clinic-prod", ["Clinic", "c", "clinic-", "a" * 21, "9a", "a_b"]),
     ("messaging", "EmailDomain", "mail.clinic.example", ["clinic", "a@b.example", "C.example"]),
     ("messaging", "AlarmEmail", "ops@clinic.example", ["ops", "a b@c.example"]),
     ("edge", "PublicName", "api.clinic.example", ["https://a.example", "api", "-a.example"]),
     ("edge", "HostedZoneId", "Z0123456789ABC", ["z1", "Z 1"]),
     ("app", "Image", "123456789012.dkr.ecr.us-east-1.amazonaws.com/clinic@sha256:" + "a" * 64,
      ["clinic:latest", "123456789012.dkr.ecr.us-east-1.amazonaws.com/clinic:1", "docker.io/a"]),
     ("app", "SenderName", "Dr. O'Neil & Sons", ["", "Clinic <x@y>", "a\nBcc: b"]),
     ("app", "MaxPrice", "0.10", ["0", "free", "100.00", "0.123456"])],
)  # fmt: skip
def test_patterns_take_what_is_meant_and_nothing_else(
    stack: str, name: str, good: str, bad: list[str]
) -> None:
    pattern = STACKS[stack]["Parameters"][name]["AllowedPattern"]
    assert re.fullmatch(pattern, good)
    assert [one for one in bad if re.fullmatch(pattern, one)] == []


def test_rules_refuse_what_fits_no_production() -> None:
    [rule] = STACKS["data"]["Rules"].values()
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Environment"}, "production"]}
    assert STACKS["app"]["Rules"].keys() == {
        "ProductionSends", "EndUserMessagingHasASender", "RepliesComeSomewhere",
    }  # fmt: skip
    for stack in ORDER:
        for one in STACKS[stack].get("Rules", {}).values():
            assert all(each["AssertDescription"] for each in one["Assertions"])


def test_environments_differ_as_they_should() -> None:
    days = [sizes("data", one)["BackupDays"] for one in ENVIRONMENTS]
    assert days == [1, 7, 30]
    assert [sizes("app", one)["Log"] for one in ENVIRONMENTS] == ["DEBUG", "INFO", "ERROR"]
    assert [sizes("messaging", one)["Mode"] for one in ENVIRONMENTS] == [
        "SINGLE_INSTANCE", "CLUSTER_MULTI_AZ", "CLUSTER_MULTI_AZ",
    ]  # fmt: skip
    database = STACKS["data"]["Resources"]["Database"]["Properties"]
    assert database["MultiAZ"] == {"Fn::If": ["IsDoubled", True, False]}
    assert database["DeletionProtection"] == {"Fn::If": ["IsProduction", True, False]}
    for name in ("DataKey", "MasterKey", "Files", "Bucket", "ExportsBucket", "PepperSecret",
                 "OwnerSecret"):  # fmt: skip
        kept = STACKS["data"]["Resources"][name]["DeletionPolicy"]
        assert kept == {"Fn::If": ["IsProduction", "Retain", "Delete"]}, name
    scaled = of_type(STACKS["app"], "AWS::ApplicationAutoScaling::ScalableTarget")
    assert scaled.keys() == {"ApiCount", "WorkerCount"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_all_processes_together_leave_a_fifth_of_the_connections(environment: str) -> None:
    counted = sizes("app", environment)
    # A pool, and the connection that hears the bell; functions share what RDS Proxy may open.
    each = Settings.model_fields["pool_size"].default + 1
    data = STACKS["data"]["Resources"]["ProxyTargets"]["Properties"]
    share = data["ConnectionPoolConfigurationInfo"]["MaxConnectionsPercent"]
    most = int(sizes("data", environment)["Connections"])
    asked = (counted["MostApi"] + counted["MostWorker"]) * each
    assert asked + most * share // 100 <= most * 80 // 100
    assert sizes("observability", environment)["Api"] == counted["Api"]


def told(task: str) -> dict[str, Any]:
    [ours] = [one for one in TASKS[task]["ContainerDefinitions"] if one["Name"] != "collector"]
    return dict(ours)


WORDS = {
    "${Prefix}-data-MasterKeyArn": "arn:aws:kms:us-east-1:123456789012:key/0a",
    "${Prefix}-edge-PublicUrl": "https://api.clinic.example",
    "${Prefix}-network-VpcCidr": "10.20.0.0/16",
    "${Prefix}-messaging-ReceiptsTopicArn": "arn:aws:sns:us-east-1:123456789012:receipts",
    "${Prefix}-messaging-RepliesTopicArn": "arn:aws:sns:us-east-1:123456789012:replies",
}
REFS = {"AWS::Region": "us-east-1", "EmailDriver": "ses", "SmsDriver": "aws", "MaxPrice": "0.10",
        "OriginationIdentity": "+15550001111", "SmsAsks": "reply"}  # fmt: skip


def said(value: Any, environment: str) -> str:
    """Return what a value of a variable is once deployed."""
    if not isinstance(value, dict):
        return str(value)
    [(name, given)] = value.items()
    if name == "Ref":
        return REFS[given]
    if name == "Fn::ImportValue":
        return WORDS.get(given["Fn::Sub"], "a-name")
    if name == "Fn::FindInMap":
        return str(sizes("app", environment)[given[2]])
    if isinstance(given, str):  # Fn::Sub of what AWS itself knows
        return ("cloudwatch:arn:aws:logs:us-east-1:123456789012:log-group:audit"
                if given.startswith("cloudwatch:") else given)  # fmt: skip
    known = {"SenderName": "Clinic", "Domain": "clinic.example", "Bucket": "clinic-exports"}
    return re.sub(r"\$\{(\w+)\}", lambda one: known[one[1]], given[0])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("task", TASKS)
def test_what_tasks_are_told_starts_in_production(task: str, environment: str) -> None:
    ours = told(task)
    given = {one["Name"]: said(one["Value"], environment) for one in ours["Environment"]}
    secrets = {one["Name"]: one["ValueFrom"]["Fn::ImportValue"]["Fn::Sub"]
               for one in ours["Secrets"]}  # fmt: skip
    assert secrets == {
        "DATABASE_URL": "${Prefix}-data-DatabaseUrlSecretArn",
        "REDIS_URL": "${Prefix}-data-CacheUrlSecretArn",
        "RABBITMQ_URL": "${Prefix}-messaging-BrokerUrlSecretArn",
        "CHRONICCARE_KEY_PEPPER": "${Prefix}-data-PepperSecretArn",
    }
    urls = {
        "DATABASE_URL": "postgresql://chroniccare:x@db.example:5432/chroniccare?sslmode=verify-full",
        "REDIS_URL": "rediss://:x@cache.example:6379/0",
        "RABBITMQ_URL": "amqps://chroniccare:x@mq.example:5671/",
        "CHRONICCARE_KEY_PEPPER": "p" * 64,
    }
    settings = load(given | urls)
    assert settings.environment == "production"
    assert settings.trusted_proxies == "10.20.0.0/16"
    assert settings.fhir_export_dir == "s3://clinic-exports/exports"
    assert settings.master_key_kms.startswith("arn:aws:kms:")
    assert (settings.otlp_url != "") is (task != "PrepareTask")
    known = {variable(name) for name in Settings.model_fields}
    assert {name for name in given if name.startswith("CHRONICCARE_")} <= known
    assert urls["DATABASE_URL"].partition("?")[2] in json.dumps(
        STACKS["data"]["Resources"]["DatabaseUrlSecret"]
    )


def test_tasks_mount_what_they_are_told_of_and_only_some_may_write() -> None:
    for name in TASKS:
        mounted = {one["ContainerPath"]: one["ReadOnly"] for one in told(name)["MountPoints"]}
        # What signs the audit is below /state: who answers requests has no way there.
        state = {"/state"} if name != "ApiTask" else set()
        assert mounted.keys() == {"/keys", "/tmp"} | state  # noqa: S108  in the container
        assert {one["Name"] for one in TASKS[name]["Volumes"]} == {
            one["SourceVolume"] for one in told(name)["MountPoints"]
        }
        for path in mounted.keys() - {"/tmp"}:  # noqa: S108
            assert (str(mounted[path]).lower() == "true") is (name == "ApiTask")
        for volume in TASKS[name]["Volumes"]:
            if volume["Name"] != "tmp":
                files = volume["EFSVolumeConfiguration"]
                assert (
                    files["TransitEncryption"] == files["AuthorizationConfig"]["IAM"] == "ENABLED"
                )
        assert told(name)["User"] == "10001:10001"
    assert (told("ApiTask")["Command"], told("WorkerTask")["Command"]) == (["serve"], ["work"])


def test_only_the_worker_and_prepare_may_mount_what_signs_the_audit() -> None:
    may = {
        role for role in ("ExecutionRole", "ApiRole", "WorkerRole", "PrepareRole")
        for one in statements(STACKS["app"], role)
        if any(action.startswith("elasticfilesystem:") for action in actions(one))
        and "StateAccessPointArn" in json.dumps(one["Condition"])
    }  # fmt: skip
    assert may == {"WorkerRole", "PrepareRole"}
    assert not [one for one in told("ApiTask")["Environment"] if "AUDIT" in one["Name"]]


def test_exports_are_in_a_bucket_that_keeps_nothing() -> None:
    bucket = STACKS["data"]["Resources"]["ExportsBucket"]["Properties"]
    assert "VersioningConfiguration" not in bucket  # what is removed is gone
    [rule] = bucket["LifecycleConfiguration"]["Rules"]
    [most] = [one.le for one in Settings.model_fields["fhir_export_hours"].metadata
              if hasattr(one, "le")]  # fmt: skip
    assert most <= rule["ExpirationInDays"] * 24 - 24
    assert {
        role: {action for one in statements(STACKS["app"], role) for action in actions(one)
               if action.startswith("s3:")}
        for role in ("ExecutionRole", "ApiRole", "WorkerRole", "PrepareRole")
    } == {
        "ExecutionRole": set(), "ApiRole": {"s3:GetObject", "s3:ListBucket"},
        "WorkerRole": {"s3:PutObject", "s3:DeleteObject", "s3:ListBucket"},
        "PrepareRole": {"s3:DeleteObject", "s3:ListBucket"},
    }  # fmt: skip


def test_prepare_makes_what_is_missing_once(tmp_path: Path) -> None:
    [script] = told("PrepareTask")["Command"]
    assert told("PrepareTask")["EntryPoint"] == ["sh", "-ec"]
    assert "https://truststore.pki.rds.amazonaws.com/" in script
    # A download that is cut off leaves no half file that the next run would take for a whole one.
    assert "open('/keys/rds.pem.new', 'wb')" in script
    assert "os.replace('/keys/rds.pem.new', '/keys/rds.pem')" in script
    programs, shell = tmp_path / "bin", shutil.which("sh")
    assert shell is not None
    (tmp_path / "state").mkdir()
    (tmp_path / "keys").mkdir()
    programs.mkdir()
    log = tmp_path / "log"
    for name, line in {
        "chroniccare": f'echo "$@" >> {log}; case "$*" in *new-master)'
        f" echo k > {tmp_path}/keys/master.key;; esac",
        "python": f"echo python >> {log}; echo pem > {tmp_path}/keys/rds.pem",
    }.items():  # fmt: skip
        (programs / name).write_text(f"#!{shell}\n{line}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    here = script.replace("/keys", f"{tmp_path}/keys").replace("/state", f"{tmp_path}/state")
    for _ in range(2):
        subprocess.run([shell, "-ec", here], env={"PATH": f"{programs}:/usr/bin:/bin"}, check=True,
                       timeout=20)  # fmt: skip
    assert log.read_text(encoding="utf-8").splitlines() == [
        "python", "encryption new-master", "migrate", "migrate",
    ]  # fmt: skip
    assert (tmp_path / "keys" / "tenants").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("role", ["ExecutionRole", "ApiRole", "WorkerRole", "PrepareRole"])
def test_no_role_may_do_everything(role: str) -> None:
    without_resource = {
        "ecr:GetAuthorizationToken", "xray:PutTraceSegments", "xray:PutTelemetryRecords",
        "ses:GetAccount", "ses:GetEmailIdentity", "ses:GetConfigurationSetEventDestinations",
        "sms-voice:DescribeAccountAttributes", "sms-voice:DescribeSpendLimits",
        "sns:GetSMSSandboxAccountStatus", "sns:GetSMSAttributes",
    }  # fmt: skip
    for one in statements(STACKS["app"], role):
        assert "NotAction" not in one
        assert not [action for action in actions(one) if "*" in action]
        if one.get("Resource") == "*":
            assert set(actions(one)) <= without_resource


def collector(task: str) -> dict[str, Any]:
    [one] = [one for one in TASKS[task]["ContainerDefinitions"] if one["Name"] == "collector"]
    made: dict[str, Any] = yaml.safe_load(one["Environment"][0]["Value"]["Fn::Sub"])
    return made


def test_the_collector_hands_on_what_alarms_and_dashboard_look_at() -> None:
    declared = collector("ApiTask")["exporters"]["awsemf"]["metric_declarations"]
    assert collector("WorkerTask")["exporters"]["awsemf"]["metric_declarations"] == declared

    def is_sent(name: str, *dimensions: str) -> bool:
        return any(
            list(dimensions) in one["dimensions"]
            and any(re.search(each, name) for each in one["metric_name_selectors"])
            for one in declared
        )

    looked = 0
    for alarm in [*ALARMS.values(), *of_type(STACKS["app"], "AWS::CloudWatch::Alarm").values()]:
        for metric in [alarm, *(one["MetricStat"]["Metric"] for one in alarm.get("Metrics", ())
                                if "MetricStat" in one)]:  # fmt: skip
            if str(metric.get("MetricName", "")).startswith("chroniccare."):
                looked += 1
                names = [one["Name"] for one in metric["Dimensions"]]
                assert is_sent(metric["MetricName"], *names), metric
    assert looked == 15
    text = json.dumps(widgets())
    for name in set(re.findall(r"(?:chroniccare|http)(?:\.[a-z]+)+", text)) - {"http.route"}:
        assert any(re.search(each, name) for one in declared
                   for each in one["metric_name_selectors"]), name  # fmt: skip


def widgets() -> list[dict[str, Any]]:
    [board] = of_type(STACKS["observability"], "AWS::CloudWatch::Dashboard").values()
    made: list[dict[str, Any]] = json.loads(board["DashboardBody"]["Fn::Sub"][0])["widgets"]
    return made


OTHERWISE = {
    "Slowest routes, 99th percentile": "Slowest routes, longest of each minute",
    "Providers' answers, 95th percentile": "Providers' answers, mean and longest",
}
"""CloudWatch keeps of our histograms count, sum, least and most alone."""


def test_the_dashboard_has_the_panels_of_grafanas() -> None:
    grafana = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    titles = [OTHERWISE.get(one["title"], one["title"]) for one in grafana["panels"]]
    assert [one["properties"]["title"] for one in widgets()][: len(titles)] == titles


SAME = {
    "ChronicCareErrors": "ErrorsAlarm", "ChronicCareSlow": "SlowAlarm",
    "ChronicCareConnections": "ConnectionsAlarm", "ChronicCareMessagesFail": "MessagesFailAlarm",
    "ChronicCareUrgentLate": "UrgentLateAlarm", "ChronicCareLate": "LateAlarm",
    "ChronicCareNoWorker": "NoWorkerAlarm", "ChronicCareLoopFails": "LoopFailsAlarm",
}  # fmt: skip
PERCENT = {"ErrorsAlarm", "ConnectionsAlarm", "MessagesFailAlarm"}


def test_alarms_are_those_of_prometheus_at_the_same_figures() -> None:
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))
    known = {one["alert"]: one for group in rules["groups"] for one in group["rules"]}
    assert known.keys() == SAME.keys()
    for rule, name in SAME.items():
        alarm = ALARMS[name]
        if name != "NoWorkerAlarm":  # no figure: nobody measures
            figure = float(known[rule]["expr"].rpartition("> ")[2])
            assert alarm["Threshold"] == figure * (100 if name in PERCENT else 1), name
            assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        assert (
            alarm["AlarmDescription"].split()[0]
            == (known[rule]["annotations"]["summary"].split()[0])
        )
    assert ALARMS["NoWorkerAlarm"]["TreatMissingData"] == "breaching"


@pytest.mark.parametrize("name", ALARMS)
def test_each_alarm_acts_and_says_when_it_is_over(name: str) -> None:
    topic = [{"Fn::ImportValue": {"Fn::Sub": "${Prefix}-messaging-AlarmTopicArn"}}]
    assert ALARMS[name]["AlarmActions"] == ALARMS[name]["OKActions"] == topic


def test_error_rate_latency_and_connections_alarm_where_they_should() -> None:
    errors, slow, used = (ALARMS[name] for name in ("ErrorsAlarm", "SlowAlarm", "ConnectionsAlarm"))
    assert (errors["Threshold"], errors["EvaluationPeriods"]) == (1, 2)
    assert (slow["ExtendedStatistic"], slow["Threshold"], slow["EvaluationPeriods"]) == (
        "p99",
        1,
        3,
    )
    assert (used["Threshold"], used["EvaluationPeriods"]) == (80, 2)


@pytest.mark.parametrize(
    ("requests", "ours", "unreached", "alarms"),
    [(1000, 11, 0, True), (1000, 10, 0, False), (0, 0, 5, True), (0, 0, 0, False),
     (100, 1, 1, True)],
)  # fmt: skip
def test_one_percent_is_a_share(requests: int, ours: int, unreached: int, *, alarms: bool) -> None:
    [math] = [one for one in ALARMS["ErrorsAlarm"]["Metrics"] if "Expression" in one]
    known = {"requests": requests, "ours": ours, "unreached": unreached, "FILL": max}
    found = re.fullmatch(r"IF\((.+) > 0, (.+), 0\)", math["Expression"])
    assert found is not None
    total = eval(found[1], {}, known)  # noqa: S307  ours
    rate = eval(found[2], {}, known) if total > 0 else 0  # noqa: S307  ours
    assert (rate > ALARMS["ErrorsAlarm"]["Threshold"]) is alarms


def test_workers_follow_the_age_of_the_queue() -> None:
    resources = STACKS["app"]["Resources"]
    old, fresh = (resources[name]["Properties"] for name in ("QueueGrowsOld", "QueueIsFresh"))
    assert old["AlarmActions"] == [{"Ref": "MoreWorkers"}]
    assert fresh["AlarmActions"] == [{"Ref": "FewerWorkers"}]
    assert old["Threshold"] < ALARMS["UrgentLateAlarm"]["Threshold"]
    assert fresh["Threshold"] < old["Threshold"]
    steps = resources["MoreWorkers"]["Properties"]["StepScalingPolicyConfiguration"]
    assert [one["ScalingAdjustment"] for one in steps["StepAdjustments"]] == [1, 3]
