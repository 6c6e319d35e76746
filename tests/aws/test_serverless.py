"""The serverless profile on an emulator that enforces IAM: gateway, authorizer, Cognito, roles."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chroniccare.core.errors import Unauthenticated
from chroniccare.platform import jose
from chroniccare.platform.postgres import utc_now
from chroniccare.settings import Settings
from chroniccare.settings_identity import Issuer
from chroniccare.tenancy.guesses import Guess
from chroniccare.tenancy.people import People
from tests.aws.cloud import Cloud
from tests.aws.serverless import BELOW, PREFIX, STACK, Deployed, below, emulated
from tests.client import Clinic
from tests.deploy.gateway import TEMPLATE
from tests.deploy.template import actions, statements

BUCKET = "code-of-the-platform"
PASSWORD = "Correct-horse-9-battery"


@pytest.fixture(scope="module")
def stack(cloud: Cloud, platform_package: Path, settings: Settings) -> Iterator[Deployed]:
    """The stack, on one that has what it imports; both are deleted at the end."""
    storage = cloud.client("s3")
    storage.create_bucket(Bucket=BUCKET)
    storage.put_object(Bucket=BUCKET, Key="1.zip", Body=platform_package.read_bytes())
    pepper = settings.key_pepper.get_secret_value()
    texts = {
        "ProxyUrlSecretArn": settings.database_url, "CacheUrlSecretArn": settings.redis_url,
        "PepperSecretArn": pepper, "BrokerUrlSecretArn": "amqps://u:p@127.0.0.1:9",
        "BrokerUserSecretArn": "{}",
    }  # fmt: skip
    client = cloud.client("secretsmanager")
    secrets = {
        name: client.create_secret(Name=name, SecretString=text)["ARN"]
        for name, text in texts.items()
    }
    under = Deployed(cloud, BELOW)
    assert under.apply(below(secrets)) == "CREATE_COMPLETE"
    made = Deployed(cloud, STACK)
    changes = {
        "CHRONICCARE_MASTER_KEY_FILE": str(settings.master_key_file),
        "CHRONICCARE_TENANT_KEY_DIRS": settings.tenant_key_dirs,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": cloud.url, "CHRONICCARE_PEER_TLS": "as_told",
    }  # fmt: skip
    assert made.apply(emulated(changes), **PARAMETERS) == "CREATE_COMPLETE"
    yield made
    assert made.apply(emulated(changes), **PARAMETERS | {"Dispatch": "functions"}) == (
        "UPDATE_COMPLETE"
    )
    made.delete()
    under.delete()


PARAMETERS = {
    "Prefix": PREFIX, "Environment": "production", "PublicUrl": "https://api.clinic.example",
    "EmailFrom": "care@clinic.example", "OriginationIdentity": "+14155550100",
    "CallbackUrl": "https://console.clinic.example/signed-in", "CodeBucket": BUCKET,
    "CodeKey": "1.zip", "CredentialHeader": "X-API-Key",
}  # fmt: skip


@pytest.fixture(scope="module")
def address(stack: Deployed) -> str:
    """Where the emulator's gateway serves the stage."""
    api = stack.resource("Api")
    return f"{stack.cloud.url}/restapis/{api}/live/_user_request_"


async def asked(address: str, path: str, key: str | None) -> httpx.Response:
    headers = {} if key is None else {"X-API-Key": key}
    async with httpx.AsyncClient(timeout=60) as http:
        return await http.get(address + path, headers=headers)


async def test_the_gateway_lets_in_who_has_a_key_and_nobody_else(
    clinic: Clinic, address: str
) -> None:
    patient = await clinic.patient()
    found = await asked(address, f"/api/v1/patients/{patient['id']}", clinic.key)
    assert found.status_code == 200, found.text
    assert found.json()["data"]["id"] == patient["id"]
    listed = await asked(address, "/api/v1/patients", clinic.key)  # by the policy of the first
    assert listed.status_code == 200
    assert (await asked(address, "/api/v1/patients", None)).status_code == 401
    assert (await asked(address, "/api/v1/patients", clinic.key + "x")).status_code == 401


async def test_a_key_of_another_clinic_finds_nothing(
    clinic: Clinic, other_clinic: Clinic, address: str
) -> None:
    patient = await clinic.patient()
    found = await asked(address, f"/api/v1/patients/{patient['id']}", other_clinic.key)
    assert found.status_code == 404


ELSEWHERE = {
    "logs:CreateLogStream": "MiniStack writes a function's log by itself",
    "logs:PutLogEvents": "as above; the copy of the audit: tests/audit, against botocore's models",
    "kms:Decrypt": "MiniStack asks nobody before it decrypts",
    "kms:GenerateDataKey": "as above",
    "elasticfilesystem:ClientMount": "MiniStack mounts no file system",
    "elasticfilesystem:ClientWrite": "as above",
    "ec2:CreateNetworkInterface": "MiniStack's functions run on this machine",
    "ec2:DescribeNetworkInterfaces": "as above",
    "ec2:DescribeSubnets": "as above",
    "ec2:DeleteNetworkInterface": "as above",
    "ec2:AssignPrivateIpAddresses": "as above",
    "ec2:UnassignPrivateIpAddresses": "as above",
    "ec2:DescribeVpcs": "MiniStack has no event sources of Amazon MQ",
    "ec2:DescribeSecurityGroups": "as above",
    "mq:DescribeBroker": "as above",
    "sqs:SendMessage": "MiniStack's Lambda and Scheduler need no right to a dead-letter queue",
    "sms-voice:SendTextMessage": "MiniStack has no End User Messaging",
    "ses:SendEmail": "the same driver and right as the notifier's: tests/aws/test_stack.py",
    "ses:SendRawEmail": "as above; AWS asks for it too where a message is raw",
    "lambda:InvokeFunction": "MiniStack's Scheduler calls what it is told to",
}
"""Actions that no test here can miss, and why; tests/deploy holds them to resources."""
NEEDED = {"ApiRole": "PatientsFunction", "SchedulerRole": "SchedulerFunction",
          "ProcessorRole": "ProcessorFunction", "AuditorRole": "AuditorFunction"}  # fmt: skip


def test_sec_39_every_action_of_the_roles_is_known_here() -> None:
    named = {
        action for role in (*NEEDED, "TickRole") for one in statements(TEMPLATE, role)
        for action in actions(one)
    }  # fmt: skip
    assert named == {"secretsmanager:GetSecretValue", *ELSEWHERE}


@pytest.mark.parametrize("role", NEEDED)
def test_sec_39_without_the_right_to_its_secrets_a_function_names_the_first(
    stack: Deployed, role: str
) -> None:
    client, name = stack.cloud.client("iam"), stack.resource(role)
    whole = client.get_role_policy(RoleName=name, PolicyName="work")["PolicyDocument"]
    less = json.loads(json.dumps(whole))
    less["Statement"] = [
        one for one in less["Statement"] if actions(one) != ["secretsmanager:GetSecretValue"]
    ]
    assert len(less["Statement"]) == len(whole["Statement"]) - 1
    client.put_role_policy(RoleName=name, PolicyName="work", PolicyDocument=json.dumps(less))
    try:
        found = _invoked(stack, NEEDED[role])
    finally:
        client.put_role_policy(RoleName=name, PolicyName="work", PolicyDocument=json.dumps(whole))
    assert "DATABASE_URL: 403 AccessDenied" in json.dumps(found)


def _invoked(stack: Deployed, function: str) -> Any:
    """Invoke a function in a new environment: its configuration has changed."""
    client, name = stack.cloud.client("lambda"), stack.resource(function)
    given = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=name, Environment={"Variables": given | {"ROUND": str(uuid4())}}
    )
    answer = client.invoke(FunctionName=name, Payload=b"{}")
    return json.loads(answer["Payload"].read())


async def test_cognitos_tokens_are_verified_against_its_keys(stack: Deployed) -> None:
    client = stack.cloud.client("cognito-idp")
    pool, app = stack.outputs["UserPoolId"], stack.outputs["UserPoolClientId"]
    # Staff sign in through the console's pages; here a password must do.
    client.set_user_pool_mfa_config(UserPoolId=pool, MfaConfiguration="OFF")
    client.update_user_pool_client(
        UserPoolId=pool, ClientId=app,
        ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    )  # fmt: skip
    client.admin_create_user(UserPoolId=pool, Username="nurse@clinic.example",
                             TemporaryPassword=PASSWORD, MessageAction="SUPPRESS")  # fmt: skip
    client.admin_set_user_password(UserPoolId=pool, Username="nurse@clinic.example",
                                   Password=PASSWORD, Permanent=True)  # fmt: skip
    made = client.admin_initiate_auth(
        UserPoolId=pool, ClientId=app, AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "nurse@clinic.example", "PASSWORD": PASSWORD},
    )["AuthenticationResult"]  # fmt: skip
    keys = f"{stack.cloud.url}/{pool}/.well-known/jwks.json"
    issuer = str(jose.unproved(made["AccessToken"])["iss"])
    assert issuer.endswith(f"/{pool}")
    ours = Issuer(issuer=issuer, audiences=frozenset({app}), token_use="access", jwks_url=keys)
    [subject] = [one["Value"] for one in client.admin_get_user(
        UserPoolId=pool, Username="nurse@clinic.example")["UserAttributes"]
        if one["Name"] == "sub"]  # fmt: skip
    who = await People([ours])._prove(made["AccessToken"], now=utc_now())
    assert (who.issuer, who.subject) == (issuer, subject)
    other = ours.model_copy(update={"audiences": frozenset({"another"})})
    head, claims, signature = made["AccessToken"].split(".")
    for known, token in (
        ([other], made["AccessToken"]), ([ours], made["IdToken"]), ([], made["AccessToken"]),
        ([ours], f"{head}.{claims}.{signature[:-8]}AAAAAAAA"),
    ):  # fmt: skip
        with pytest.raises((Unauthenticated, Guess)):
            await People(known)._prove(token, now=utc_now())
