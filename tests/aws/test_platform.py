"""The platform's stacks, created, updated and deleted on an emulator that enforces IAM."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from tests.aws import stacks
from tests.aws.cloud import Cloud
from tests.aws.stacks import acting, apply, resource
from tests.deploy.template import AWS, actions, load, statements

PURPOSE = {"purpose": "chroniccare-master-key"}
Client = Callable[[str], Any]
SECRETS = {
    "DATABASE_URL": "data-DatabaseUrlSecretArn", "REDIS_URL": "data-CacheUrlSecretArn",
    "RABBITMQ_URL": "messaging-BrokerUrlSecretArn",
    "CHRONICCARE_KEY_PEPPER": "data-PepperSecretArn",
}  # fmt: skip


@pytest.mark.parametrize("environment", ["development", "staging"])
def test_smaller_environments_stand_and_go_too(cloud: Cloud, environment: str) -> None:
    drivers = {"Image": stacks.GIVEN["app"]["PrepareImage"], "EmailDriver": "outbox",
               "SmsDriver": "outbox"}  # fmt: skip
    for stack in stacks.ORDER:
        more = drivers if stack == "app" else {}
        assert apply(cloud, stack, Environment=environment, **more) == "CREATE_COMPLETE"
    name = stacks.exports(cloud)["data-DatabaseIdentifier"]
    [made] = cloud.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    assert made["MultiAZ"] is (environment == "staging")
    assert made["BackupRetentionPeriod"] == {"development": 1, "staging": 7}[environment]
    for stack in reversed(stacks.ORDER):
        stacks.delete(cloud, stack)
    assert stacks.exports(cloud) == {}


@pytest.fixture(scope="module")
def standing(cloud: Cloud) -> Iterator[Cloud]:
    """Every stack, in production; `app` as at a first deployment: nothing serves yet."""
    for stack in stacks.ORDER[:-1]:
        assert apply(cloud, stack) == "CREATE_COMPLETE"
    yield cloud
    for stack in reversed(stacks.ORDER):
        stacks.delete(cloud, stack)
    assert stacks.exports(cloud) == {}


def test_a_first_deployment_prepares_and_a_second_serves(standing: Cloud) -> None:
    assert "app-PrepareTaskArn" in stacks.exports(standing)
    assert "app-ApiServiceName" not in stacks.exports(standing)
    image = stacks.GIVEN["app"]["PrepareImage"]
    assert apply(standing, "app", Image=image) == "UPDATE_COMPLETE"
    found = stacks.exports(standing)
    services = standing.client("ecs").describe_services(
        cluster=found["app-ClusterName"],
        services=[found["app-ApiServiceName"], found["app-WorkerServiceName"]],
    )["services"]
    assert [one["desiredCount"] for one in services] == [3, 2]
    assert apply(standing, "observability") == "CREATE_COMPLETE"


def test_a_release_changes_what_prepares_and_nothing_that_serves(standing: Cloud) -> None:
    before = resource(standing, "app", "ApiTask")
    image = stacks.GIVEN["app"]["PrepareImage"]
    later = {"PrepareImage": image.replace("a" * 64, "c" * 64), "Image": image}
    prepared = resource(standing, "app", "PrepareTask")
    assert apply(standing, "app", **later) == "UPDATE_COMPLETE"
    assert resource(standing, "app", "ApiTask") == before
    assert resource(standing, "app", "PrepareTask") != prepared


def test_stacks_follow_their_parameters(standing: Cloud) -> None:
    client, found = standing.client("rds"), stacks.exports(standing)
    name = found["data-DatabaseIdentifier"]

    def database() -> dict[str, Any]:
        [made] = client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        return dict(made)

    assert database()["DBInstanceClass"] == "db.r7g.xlarge"
    assert (database()["MultiAZ"], database()["BackupRetentionPeriod"]) == (True, 30)
    assert apply(standing, "data", DatabaseClass="db.r7g.2xlarge") == "UPDATE_COMPLETE"
    assert database()["DBInstanceClass"] == "db.r7g.2xlarge"
    assert apply(standing, "messaging", AlarmEmail="night@clinic.example")
    assert "night@clinic.example" in json.dumps(standing.client("sns").list_subscriptions())


def test_what_processes_are_given_leads_to_what_stands(standing: Cloud) -> None:
    found = stacks.exports(standing)
    task = standing.client("ecs").describe_task_definition(
        taskDefinition=resource(standing, "app", "WorkerTask")
    )["taskDefinition"]
    worker = task["containerDefinitions"][0]
    given = {one["name"]: one["value"] for one in worker["environment"]}
    assert given["CHRONICCARE_TRUSTED_PROXIES"] == found["network-VpcCidr"]
    assert given["CHRONICCARE_PUBLIC_URL"] == "https://api.clinic.example"
    assert given["CHRONICCARE_EMAIL_FROM"] == "Clinic <reminders@clinic.example>"
    assert given["CHRONICCARE_SNS_TOPICS"] == found["messaging-ReceiptsTopicArn"]
    # MiniStack does not tell which secrets a task has; tests/deploy/test_platform.py reads them.
    read = standing.client("secretsmanager").get_secret_value
    urls = {name: read(SecretId=found[secret])["SecretString"] for name, secret in SECRETS.items()}
    assert found["data-DatabaseAddress"] in urls["DATABASE_URL"]
    assert urls["DATABASE_URL"].endswith("/chroniccare?sslmode=verify-full")
    assert urls["REDIS_URL"].startswith("rediss://:")
    assert urls["RABBITMQ_URL"].startswith("amqps://chroniccare:")
    assert len(urls["CHRONICCARE_KEY_PEPPER"]) >= 32


def sealed(cloud: Cloud, key: str) -> bytes:
    made = cloud.client("kms").encrypt(KeyId=key, Plaintext=b"a key", EncryptionContext=PURPOSE)
    return bytes(made["CiphertextBlob"])


def calls(cloud: Cloud, found: dict[str, str]) -> dict[str, Callable[[Client, str], Any]]:
    """Return for each action a call that needs it; it is given clients and a role."""
    master = found["data-MasterKeyArn"]
    repository = found["data-RepositoryArn"].partition("/")[2]
    body = {"Simple": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "y"}}}}
    groups = {"ExecutionRole": found["app-ApiLogGroup"], "WorkerRole": found["app-AuditLogGroup"],
              "ApiRole": resource(cloud, "app", "MetricsLogGroup")}  # fmt: skip
    blob, file = sealed(cloud, master), {"Bucket": found["data-ExportsBucketName"],
                                         "Key": "exports/x"}  # fmt: skip

    def written(as_: Client) -> None:
        as_("s3").put_object(**file, Body=b"x")
        cloud.client("s3").delete_object(**file)  # a bucket that holds something is not deleted

    digest = "sha256:" + "a" * 64
    return {
        "secretsmanager:GetSecretValue": lambda as_, role: as_("secretsmanager").get_secret_value(
            SecretId=resource(cloud, "data", "OwnerSecret") if role == "ProxyRole"
            else found["messaging-BrokerUrlSecretArn"]),
        "ecr:GetAuthorizationToken": lambda as_, _: as_("ecr").get_authorization_token(),
        "ecr:BatchGetImage": lambda as_, _: as_("ecr").batch_get_image(
            repositoryName=repository, imageIds=[{"imageTag": "x"}]),
        "ecr:BatchCheckLayerAvailability": lambda as_, _: as_("ecr").batch_check_layer_availability(
            repositoryName=repository, layerDigests=[digest]),
        "ecr:GetDownloadUrlForLayer": lambda as_, _: as_("ecr").get_download_url_for_layer(
            repositoryName=repository, layerDigest=digest),
        "logs:CreateLogStream": lambda as_, role: as_("logs").create_log_stream(
            logGroupName=groups[role], logStreamName=f"of-{role}"),
        "logs:PutLogEvents": lambda as_, role: as_("logs").put_log_events(
            logGroupName=groups[role], logStreamName=f"to-{role}",
            logEvents=[{"timestamp": 1, "message": "x"}]),
        "kms:Decrypt": lambda as_, _: as_("kms").decrypt(
            CiphertextBlob=blob, EncryptionContext=PURPOSE),
        "kms:GenerateDataKeyWithoutPlaintext": lambda as_, _: as_(
            "kms").generate_data_key_without_plaintext(
            KeyId=master, KeySpec="AES_256", EncryptionContext=PURPOSE),
        "s3:GetObject": lambda as_, _: as_("s3").get_object(**file),
        "s3:PutObject": lambda as_, _: written(as_),
        "s3:DeleteObject": lambda as_, _: as_("s3").delete_object(**file),
        "s3:ListBucket": lambda as_, _: as_("s3").list_objects_v2(
            Bucket=file["Bucket"], Prefix="exports/"),
        "ses:SendEmail": lambda as_, _: as_("sesv2").send_email(
            FromEmailAddress="reminders@clinic.example", Content=body,
            Destination={"ToAddresses": ["a@b.example"]}),
        "ses:SendRawEmail": lambda as_, _: as_("ses").send_raw_email(
            Source="reminders@clinic.example", Destinations=["a@b.example"],
            RawMessage={"Data": b"Subject: x\\n\\ny"}),
        "ses:GetAccount": lambda as_, _: as_("sesv2").get_account(),
        "ses:GetEmailIdentity": lambda as_, _: as_("sesv2").get_email_identity(
            EmailIdentity="clinic.example"),
        "ses:GetConfigurationSetEventDestinations": lambda as_, _: as_(
            "sesv2").get_configuration_set_event_destinations(
            ConfigurationSetName=found["messaging-EmailConfigurationSet"]),
        "sns:Publish": lambda as_, _: as_("sns").publish(PhoneNumber="+14155550100", Message="x"),
        "sns:GetSMSAttributes": lambda as_, _: as_("sns").get_sms_attributes(),
        "sns:GetSMSSandboxAccountStatus": lambda as_, _: as_(
            "sns").get_sms_sandbox_account_status(),
    }  # fmt: skip


ELSEWHERE = {
    "elasticfilesystem:ClientMount": "a mount is no call of AWS's API",
    "elasticfilesystem:ClientWrite": "as above",
    "kms:GenerateDataKey": "MiniStack's S3 asks KMS for nothing",
    "xray:PutTraceSegments": "MiniStack has no X-Ray",
    "xray:PutTelemetryRecords": "as above",
}
"""Actions that no test here can miss, and why."""
APP = ("ExecutionRole", "ApiRole", "WorkerRole", "PrepareRole")
ROLES = [("app", role) for role in APP] + [("data", "ProxyRole")]
BY_SERVICE = {("app", "ExecutionRole"), ("data", "ProxyRole")}
"""Their `kms:Decrypt` is by way of Secrets Manager, which MiniStack does not tell."""


def needs(stack: str, role: str) -> list[str]:
    """Return the actions of a role of which a call is made, as SMS go by SNS."""
    named = {action for one in statements(load(AWS / f"{stack}.yaml"), role)
             for action in actions(one) if not action.startswith("sms-voice:")}  # fmt: skip
    if (stack, role) in BY_SERVICE:
        named -= {"kms:Decrypt"}
    return sorted(named - ELSEWHERE.keys())


def refused(call: Callable[[], Any]) -> bool:
    """Return whether a call is denied; that it fails for another reason is no matter here."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"]) in {
            "AccessDenied", "AccessDeniedException", "AuthorizationError",
        }  # fmt: skip
    return False


@pytest.mark.parametrize(
    ("stack", "role", "action"),
    [(stack, role, action) for stack, role in ROLES for action in needs(stack, role)],
)
def test_sec_39_without_any_one_action_something_is_denied(
    standing: Cloud, stack: str, role: str, action: str
) -> None:
    call = calls(standing, stacks.exports(standing))[action]
    acts = acting(standing, stack, role)
    assert not refused(lambda: call(acts, role))
    iam, name = standing.client("iam"), resource(standing, stack, role)
    [policy] = iam.list_role_policies(RoleName=name)["PolicyNames"]
    whole = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    less = json.loads(json.dumps(whole))
    for one in less["Statement"]:
        one["Action"] = [left for left in actions(one) if left != action]
    less["Statement"] = [one for one in less["Statement"] if one["Action"]]

    def put(document: Any) -> None:
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))

    put(less)
    try:
        assert refused(lambda: call(acts, role))
    finally:
        put(whole)


@pytest.mark.parametrize("role", APP)
def test_sec_39_no_process_may_do_what_is_another_ones(standing: Cloud, role: str) -> None:
    found = stacks.exports(standing)
    made, acts = calls(standing, found), acting(standing, "app", role)
    mine = set(needs("app", role))
    for action in ("ses:SendEmail", "sns:Publish", "kms:GenerateDataKeyWithoutPlaintext",
                   "secretsmanager:GetSecretValue", "kms:Decrypt", "s3:GetObject",
                   "s3:PutObject", "s3:DeleteObject"):  # fmt: skip
        assert refused(partial(made[action], acts, role)) is (action not in mine), action
    owner = resource(standing, "data", "OwnerSecret")
    assert refused(lambda: acts("secretsmanager").get_secret_value(SecretId=owner))
    assert refused(lambda: acts("s3").list_objects_v2(Bucket=found["data-BucketName"]))
    topic = found["messaging-AlarmTopicArn"]
    assert refused(lambda: acts("sns").publish(TopicArn=topic, Message="x"))
    assert refused(lambda: acts("iam").list_roles())


def test_only_the_service_that_runs_tasks_is_lent_their_roles(standing: Cloud) -> None:
    for role in APP:
        [one] = load(AWS / "app.yaml")["Resources"][role]["Properties"]["AssumeRolePolicyDocument"][
            "Statement"
        ]
        assert one["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert "aws:SourceAccount" in one["Condition"]["StringEquals"]
    assert stacks.exports(standing)


@pytest.mark.parametrize(
    ("stack", "bad"),
    [("network", {"Prefix": "Clinic"}), ("network", {"Prefix": "c"}),
     ("network", {"SecondOctet": "256"}),
     ("network", {"Environment": "prod"}), ("data", {"PostgresVersion": "15.4"}),
     ("data", {"DatabaseClass": "db.t3.medium"}), ("data", {"MostConnections": "-1"}),
     ("messaging", {"AlarmEmail": "nobody"}), ("messaging", {"EmailDomain": "no domain"}),
     ("messaging", {"BrokerType": "mq.t3.micro"}), ("edge", {"CertificateArn": "mine"}),
     ("edge", {"PublicName": "https://api.clinic.example"}), ("app", {"Image": "clinic:latest"}),
     ("app", {"EmailDriver": "smtp"}), ("app", {"MaxPrice": "ten"})],
)  # fmt: skip
def test_bad_parameters_are_refused(cloud: Cloud, stack: str, bad: dict[str, str]) -> None:
    with pytest.raises((ClientError, AssertionError)):
        apply(cloud, stack, **bad)
