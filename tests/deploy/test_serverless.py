"""What deploy/aws/serverless.yaml must say: each route reaches the function that has it."""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from starlette.routing import Match, Route

from chroniccare import app
from chroniccare.console import ROUTERS as CONSOLE
from chroniccare.lambdas import environment
from chroniccare.platform import aws_secrets
from chroniccare.settings import load as load_settings
from chroniccare.smart import token_api
from tests.deploy.gateway import BODY, FUNCTIONS, INTEGRATION, METHOD, TEMPLATE, chosen, module
from tests.deploy.gateway import modules as modules_of
from tests.deploy.gateway import serving as module_of
from tests.deploy.template import AWS, actions, load, of_type, statements

# The console keeps streams open, which no function can: it is served beside them, or by the tasks.
ROUTERS = [one for one in app.ROUTERS if one not in CONSOLE]
RESOURCES = TEMPLATE["Resources"]
ALARMS = of_type(TEMPLATE, "AWS::CloudWatch::Alarm")
ROLES = ("ApiRole", "SchedulerRole", "ProcessorRole", "AuditorRole", "TickRole")


def test_the_deployment_is_named_by_what_it_deploys() -> None:
    # API Gateway deploys what stands when the resource is made, and never again.
    document = json.dumps(RESOURCES["Api"]["Properties"], sort_keys=True)
    name = f"Deployment{sha256(document.encode()).hexdigest()[:8]}"
    assert list(of_type(TEMPLATE, "AWS::ApiGateway::Deployment")) == [name]
    assert RESOURCES["Stage"]["Properties"]["DeploymentId"] == {"Ref": name}


def routes() -> Iterator[tuple[str, str]]:
    """Yield each method and path of the application."""
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, Route)
            for method in sorted(route.methods or ()):
                yield method, route.path


def endpoint(routers: Any, method: str, path: str) -> Any:
    """Return what serves a request, of the routers in their order."""
    scope = {"type": "http", "method": method, "path": path, "root_path": ""}
    for router in routers:
        for route in router.routes:
            if route.matches(scope)[0] is Match.FULL:
                return route.endpoint
    return None


def test_each_route_is_served_by_the_function_that_the_gateway_takes() -> None:
    for method, template in routes():
        path = re.sub(r"\{[^}]+\}", "0f8fad5b-d9cb-469f-a165-70867728950e", template)
        name, _ = chosen(path)
        there = endpoint(module_of(name, path).ROUTERS, method, path)
        assert there is not None, f"{name} has no {method} {template}"
        assert there is endpoint(ROUTERS, method, path), f"{name} serves {path} by another"


def test_each_router_is_in_one_function() -> None:
    names = {uri["Fn::Sub"].split("${")[-1].split(".")[0]
             for path in BODY["paths"].values()
             for uri in [path[METHOD][INTEGRATION]["uri"]]}  # fmt: skip
    listed = [id(router) for name in names for part in modules_of(name) for router in part.ROUTERS]
    assert sorted(listed) == sorted(map(id, ROUTERS))


def test_a_part_of_the_clinics_function_is_found_by_each_of_its_words_and_no_other() -> None:
    clinic = module("ClinicFunction")
    words = {word for router in ROUTERS for route in router.routes for word in _words(route)}
    assert words >= set(clinic.PARTS)
    for path in ("/", "/readyz", "/api/v1", "/api/v1/nothing", "/api/v1/patients/x"):
        assert clinic.part(path) is None
    assert clinic.part("/api/v1/%74asks") == "chroniccare.lambdas.clinic_work"


def _words(route: Any) -> list[str]:
    return [one for one in str(route.path).split("/") if "{" not in one]


def test_what_needs_no_key_passes_the_gateway_and_nothing_else_does() -> None:
    public = {id(route) for router in ROUTERS for route in router.routes
              if not str(getattr(route, "path", "")).startswith(("/api/", "/fhir"))}  # fmt: skip
    public |= {id(route) for route in token_api.public.routes}
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, Route)
            path = re.sub(r"\{[^}]+\}", "x", route.path)
            is_public = id(route) in public or route.path == "/fhir/metadata"
            assert chosen(path)[1] is not is_public, route.path


def test_the_authorizers_policy_is_kept_for_half_a_minute_at_most() -> None:
    [scheme] = BODY["components"]["securitySchemes"].values()
    asked = scheme["x-amazon-apigateway-authorizer"]
    assert asked["authorizerResultTtlInSeconds"] <= 30
    assert asked["identitySource"] == {"Fn::Sub": "method.request.header.${CredentialHeader}"}
    assert scheme["name"] == {"Ref": "CredentialHeader"}


@pytest.mark.parametrize("kind", BODY["x-amazon-apigateway-gateway-responses"])
def test_the_gateways_own_answers_have_the_envelope(kind: str) -> None:
    made = BODY["x-amazon-apigateway-gateway-responses"][kind]
    said = json.loads(made["responseTemplates"]["application/json"])
    assert said["success"] is False
    assert said["error"].keys() >= {"code", "message"}
    assert said["meta"]["requestId"] == "$context.requestId"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_is_as_the_seed_has_it_where_that_makes_sense(name: str) -> None:
    made = FUNCTIONS[name]
    assert (made["Runtime"], made["Architectures"]) == ("python3.13", ["arm64"])
    memory, seconds = {
        "AppointmentsFunction": (1024, 29), "ClinicFunction": (1024, 29),
        "FhirFunction": (1024, 29),
        "AuthorizerFunction": (512, 10), "SchedulerFunction": (256, 300),
        "ProcessorFunction": (512, 300), "AuditorFunction": (256, 300),
    }.get(name, (512, 29))  # fmt: skip
    assert (made["MemorySize"], made["Timeout"]) == (memory, seconds)
    assert made["ReservedConcurrentExecutions"]
    assert {"SubnetIds", "SecurityGroupIds"} <= made["VpcConfig"].keys()
    assert made["KmsKeyArn"]
    assert module(name)


@pytest.mark.parametrize("name", ["production", "staging", "development"])
def test_no_more_functions_run_at_once_than_the_proxy_opens_connections(name: str) -> None:
    counts = TEMPLATE["Mappings"]["Concurrency"][name]
    fixed = [made["ReservedConcurrentExecutions"] for made in FUNCTIONS.values()
             if isinstance(made["ReservedConcurrentExecutions"], int)]  # fmt: skip
    assert len(counts) + len(fixed) == len(FUNCTIONS)
    data = load(AWS / "data.yaml")
    share = data["Resources"]["ProxyTargets"]["Properties"]["ConnectionPoolConfigurationInfo"]
    opened = int(data["Mappings"]["Sizes"][name]["Connections"]) * share["MaxConnectionsPercent"]
    assert sum(counts.values()) + sum(fixed) <= opened // 100


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_function_is_given_is_what_production_starts_with(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "DATABASE_URL": "postgresql://u:p@proxy.example:5432/c?sslmode=verify-full",
        "REDIS_URL": "rediss://:p@cache.example:6379", "RABBITMQ_URL": "amqps://u:p@mq.example",
        "CHRONICCARE_KEY_PEPPER": "x" * 32,
    }  # fmt: skip
    given = {
        one: _resolved(value) for one, value in FUNCTIONS[name]["Environment"]["Variables"].items()
    }
    wanted = {one.removeprefix("SECRET_") for one in given if one.startswith("SECRET_")}
    monkeypatch.setattr(
        aws_secrets, "read",
        lambda names, *_: {one: secrets[one] for one in names},
    )  # fmt: skip
    made = environment.settings_of({"AWS_REGION": "us-east-1", **given})
    assert made.environment == "production"
    assert made.pool_size == 1
    assert wanted >= {"DATABASE_URL", "REDIS_URL", "CHRONICCARE_KEY_PEPPER"}
    assert made != load_settings({})
    # libpq's own file is nowhere on Lambda; RDS Proxy's certificates are ACM's, by Amazon's roots.
    assert given["PGSSLROOTCERT"] == "/etc/pki/tls/certs/ca-bundle.crt"
    [issuer] = json.loads(made.oidc_issuers)
    assert issuer["token_use"] == "access"


def _resolved(value: Any) -> str:
    """Return a value that a deployed stack could have in its place."""
    if isinstance(value, str):
        return value
    [(kind, what)] = value.items()
    if kind == "Fn::ImportValue":
        name = str(what["Fn::Sub"]).rpartition("-")[2]
        return {
            "MasterKeyArn": "arn:aws:kms:us-east-1:123456789012:key/0f8fad5b",
            "ReceiptsTopicArn": "arn:aws:sns:us-east-1:123456789012:receipts",
            "RepliesTopicArn": "arn:aws:sns:us-east-1:123456789012:replies",
        }.get(name, name)  # fmt: skip
    if kind == "Ref":
        return {"PublicUrl": "https://api.clinic.example", "EmailFrom": "care@clinic.example",
                "OriginationIdentity": "+14155550100", "MaxPrice": "0.10", "SmsAsks": "reply",
                "Environment": "production"}[what]  # fmt: skip
    if kind == "Fn::FindInMap":
        return str(TEMPLATE["Mappings"][what[0]]["production"][what[2]])
    assert kind == "Fn::Sub"
    known = {"AWS::Region": "us-east-1", "AWS::Partition": "aws", "AWS::AccountId": "123456789012",
             "AuditCopies": "/clinic/audit"}  # fmt: skip
    return re.sub(r"\$\{([^}]+)\}", lambda one: known.get(one[1], one[1]), str(what))


def test_no_secret_stands_in_the_environment_of_a_function() -> None:
    for made in FUNCTIONS.values():
        given = made["Environment"]["Variables"]
        assert "{{resolve:" not in json.dumps(given)
        assert not given.keys() & {"DATABASE_URL", "REDIS_URL", "RABBITMQ_URL"}


@pytest.mark.parametrize("role", ROLES)
def test_sec_39_no_role_may_do_everything(role: str) -> None:
    for one in statements(TEMPLATE, role):
        assert all("*" not in action for action in actions(one))
        if one["Resource"] == "*":
            assert all(action.startswith("ec2:") for action in actions(one))


def test_functions_may_do_no_more_than_the_processes_in_their_place() -> None:
    app = load(AWS / "app.yaml")
    [key] = [one["Condition"] for one in statements(app, "WorkerRole")
             if one["Sid"] == "MasterKeys"]  # fmt: skip
    [trust] = _trusts(app, "WorkerRole")
    for role in ROLES[:-1]:
        assert _trusts(TEMPLATE, role) == [trust]
        for one in statements(TEMPLATE, role):
            if "kms:Decrypt" in actions(one) and one["Sid"] != "MasterKeys":
                assert one["Condition"]["StringEquals"].keys() == {"kms:ViaService"}
        holds_keys = key in [one.get("Condition") for one in statements(TEMPLATE, role)]
        assert holds_keys is (role != "AuditorRole")
    email = {name: [one for one in statements(template, role)
                    if one["Sid"] == "EmailFromOneAddress"]
             for name, template, role in (("app", app, "WorkerRole"),
                                          ("functions", TEMPLATE, "ProcessorRole"))}  # fmt: skip
    [theirs], [ours] = email["app"], email["functions"]
    # SES asks for both where a message is raw, and ours are: they have headers of their own.
    assert actions(ours) == actions(theirs) == ["ses:SendEmail", "ses:SendRawEmail"]
    assert ours["Resource"] == theirs["Resource"]


def _trusts(template: dict[str, Any], role: str) -> list[Any]:
    document = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]
    return [one.get("Condition") for one in document["Statement"]]


NOT_THEIRS = {
    "CHRONICCARE_TRUSTED_PROXIES": "API Gateway says the client's address itself",
    "CHRONICCARE_FHIR_EXPORT_DIR": "answers of up to 6 MB: exports belong on servers",
    "CHRONICCARE_AWS_REGION": "that of Lambda: lambdas/environment.py",
    "CHRONICCARE_OTLP_URL": "CloudWatch's embedded metrics are in the log",
    "CHRONICCARE_OTLP_SAMPLE": "as above",
    "CHRONICCARE_METRICS_LISTEN": "as above",
    "DATABASE_URL": "by ARN", "REDIS_URL": "by ARN", "CHRONICCARE_KEY_PEPPER": "by ARN",
}  # fmt: skip
"""What tasks are told and functions are not, and why."""
OF_SOME = {
    "CHRONICCARE_AUDIT_COPY": "AuditorFunction",
    "CHRONICCARE_AUDIT_HEADS_DIR": "AuditorFunction",
    "CHRONICCARE_SMS_ASKS": "ProcessorFunction",
    "CHRONICCARE_SENDER_PROCESSES": "ProcessorFunction",
    "RABBITMQ_URL": "SchedulerFunction",
}
"""What one function alone is told."""
OF_KEYS = {"CHRONICCARE_MASTER_KEY_KMS", "CHRONICCARE_TENANT_KEY_DIRS"}
"""What the auditor is not told: it opens no keys."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_told_what_tasks_are(name: str) -> None:
    tasks = of_type(load(AWS / "app.yaml"), "AWS::ECS::TaskDefinition")
    [ours] = [one for one in tasks["WorkerTask"]["ContainerDefinitions"] if one["Name"] == "worker"]
    told = {one["Name"] for one in [*ours["Environment"], *ours["Secrets"]]}
    assert NOT_THEIRS.keys() | OF_SOME.keys() <= told
    given = FUNCTIONS[name]["Environment"]["Variables"]
    keyless = OF_KEYS if name == "AuditorFunction" else set()
    assert told - NOT_THEIRS.keys() - OF_SOME.keys() - keyless <= given.keys()
    assert not given.keys() & keyless
    assert not given.keys() & NOT_THEIRS.keys()
    for one, only in OF_SOME.items():
        assert (not given.keys().isdisjoint({one, f"SECRET_{one}"})) is (name == only), one


def test_the_auditor_mounts_where_heads_go_and_no_keys() -> None:
    made = FUNCTIONS["AuditorFunction"]
    [files] = made["FileSystemConfigs"]
    assert files["LocalMountPath"] == "/mnt/state"
    assert files["Arn"] == {"Fn::ImportValue": {"Fn::Sub": "${Prefix}-data-StateAccessPointArn"}}
    told = made["Environment"]["Variables"]["CHRONICCARE_AUDIT_HEADS_DIR"]
    assert told == "/mnt/state/audit"  # /state/audit of tasks, which `prepare` makes
    [may] = [one for one in statements(TEMPLATE, "AuditorRole") if one["Sid"] == "State"]
    assert json.dumps(files["Arn"]) in json.dumps(may["Condition"])


def test_processors_share_what_a_provider_takes() -> None:
    made = FUNCTIONS["ProcessorFunction"]
    share = made["Environment"]["Variables"]["CHRONICCARE_SENDER_PROCESSES"]
    assert int(share) == made["ReservedConcurrentExecutions"]


def test_receipts_and_replies_come_to_the_functions_where_no_task_takes_them() -> None:
    subscribed = of_type(TEMPLATE, "AWS::SNS::Subscription")
    theirs = of_type(load(AWS / "app.yaml"), "AWS::SNS::Subscription")
    assert subscribed.keys() == theirs.keys() == {"ReceiptsSubscription", "RepliesSubscription"}
    for name, one in subscribed.items():
        assert RESOURCES[name]["Condition"] == "ByFunctions"
        assert json.dumps(one["TopicArn"]) == json.dumps(theirs[name]["TopicArn"])
        path = str(one["Endpoint"]["Fn::Sub"]).partition("${Stage}")[2]
        assert str(theirs[name]["Endpoint"]["Fn::Sub"][0]) == "${Url}" + path
        assert chosen(path) == ("NotificationsFunction", False)
        assert endpoint(module("NotificationsFunction").ROUTERS, "POST", path)


@pytest.mark.parametrize("name", ALARMS)
def test_each_alarm_acts_and_says_so_when_it_is_over(name: str) -> None:
    topic = [{"Fn::ImportValue": {"Fn::Sub": "${Prefix}-messaging-AlarmTopicArn"}}]
    assert ALARMS[name]["AlarmActions"] == ALARMS[name]["OKActions"] == topic
    assert ALARMS[name]["AlarmDescription"]


def test_the_limits_of_errors_and_latency_are_the_seeds() -> None:
    errors, slow = ALARMS["ErrorRateAlarm"], ALARMS["LatencyAlarm"]
    assert (errors["Threshold"], errors["Statistic"], errors["EvaluationPeriods"]) == (
        0.01, "Average", 2,
    )  # fmt: skip
    assert (slow["Threshold"], slow["ExtendedStatistic"], slow["EvaluationPeriods"]) == (
        1000, "p99", 3,
    )  # fmt: skip


def test_each_function_is_watched_by_the_name_that_it_counts_under() -> None:
    for name in FUNCTIONS:
        short = name.removesuffix("Function")
        assert f"{short}ErrorAlarm" in ALARMS
    for alarm in ALARMS.values():
        if alarm["Namespace"] == environment.NAMESPACE:
            of = {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
            assert of["Environment"] == {"Ref": "Environment"}
            assert FUNCTIONS[f"{of['Function'].capitalize()}Function"]


def test_staff_sign_in_with_a_second_factor_and_nobody_signs_up() -> None:
    [pool] = of_type(TEMPLATE, "AWS::Cognito::UserPool").values()
    assert (pool["MfaConfiguration"], pool["EnabledMfas"]) == ("ON", ["SOFTWARE_TOKEN_MFA"])
    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    [client] = of_type(TEMPLATE, "AWS::Cognito::UserPoolClient").values()
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["AccessTokenValidity"] <= 15


def test_the_gateway_keeps_no_path_and_no_address() -> None:
    stage = RESOURCES["Stage"]["Properties"]
    said = set(re.findall(r"\$context\.([\w.]+)", stage["AccessLogSetting"]["Format"]))
    assert not said & {"path", "identity.sourceIp", "identity.userAgent", "customDomain.path"}
    [methods] = stage["MethodSettings"]
    assert methods["DataTraceEnabled"] is False
    [wall] = of_type(TEMPLATE, "AWS::WAFv2::WebACL").values()
    [common] = [one["Statement"]["ManagedRuleGroupStatement"] for one in wall["Rules"]
                if one["Name"] == "common"]  # fmt: skip
    # Bundles, narratives, long searches, programs that say no name: no attacks.
    assert {one["Name"] for one in common["RuleActionOverrides"]} == {
        "SizeRestrictions_BODY", "CrossSiteScripting_BODY", "SizeRestrictions_QUERYSTRING",
        "NoUserAgent_HEADER",
    }  # fmt: skip
    shown = [wall["VisibilityConfig"], *(rule["VisibilityConfig"] for rule in wall["Rules"])]
    assert not any(one["SampledRequestsEnabled"] for one in shown)
