"""The platform's stacks on MiniStack, one on the other.

What it cannot do is taken out of a template before, and nowhere else: see `emulated`.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from botocore.session import get_session  # type: ignore[import-untyped]

from tests.aws.cloud import REGION, Cloud, wait_for, without_math
from tests.deploy.template import AWS, load

ORDER = ("network", "data", "messaging", "edge", "app", "observability")
PREFIX = "clinic-test"
UNKNOWN = frozenset(
    {
        "AWS::AmazonMQ::Broker",
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::EC2::EIP",
        "AWS::EC2::FlowLog",
        "AWS::EC2::NatGateway",
        "AWS::RDS::DBProxy",
        "AWS::RDS::DBProxyTargetGroup",
        "AWS::SMSVOICE::ConfigurationSet",
        "AWS::WAFv2::WebACLAssociation",
    }
)
"""Kinds of resources that MiniStack refuses; docs/aws.md lists them."""
_LOGS = "arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:${{{}}}*"
_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/clinic@sha256:" + "a" * 64
_ACCOUNT = "arn:aws:iam::000000000000:root"
GIVEN: dict[str, dict[str, str]] = {
    "messaging": {"EmailDomain": "clinic.example", "AlarmEmail": "ops@clinic.example"},
    "edge": {
        "PublicName": "api.clinic.example",
        "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/0a-0",
    },
    "app": {
        "PrepareImage": _IMAGE,
        "CollectorImage": "public.ecr.aws/aws-observability/collector@sha256:" + "b" * 64,
        "EmailDriver": "ses",
        "SmsDriver": "sns",
    },
}
"""What each stack is given besides prefix and environment: the least there is, in production."""


def emulated(stack: str) -> dict[str, Any]:
    """Return a template without what MiniStack does not have.

    Resources of kinds that it does not know; metric math (such an alarm looks at its last metric
    alone); the keys `ses:FromAddress` and `kms:EncryptionContext`, and the resource of SendEmail;
    the DKIM records of a domain; TLS, so what denies requests for exports without it; `s3:prefix`.
    It compares rights to a log group without the `:*` of its ARN.
    """
    made = load(AWS / f"{stack}.yaml")
    resources = made["Resources"]
    resources.pop("ExportsBucketPolicy", None)
    gone = {name for name, one in resources.items() if one["Type"] in UNKNOWN}
    logs = {name for name, one in resources.items() if one["Type"] == "AWS::Logs::LogGroup"}
    for name in gone:
        del resources[name]
    for one in resources.values():
        if one["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in one["Properties"]:
            without_math(one["Properties"])
        if one.get("DependsOn") in gone:
            del one["DependsOn"]
    for name in [name for name in made.get("Outputs", {}) if name.startswith("Dkim")]:
        del made["Outputs"][name]
    return _plain(made, gone, logs)  # type: ignore[no-any-return]


def _plain(part: Any, gone: set[str], logs: set[str]) -> Any:
    """Put words in the place of what is gone; `logs` are log groups."""
    if isinstance(part, list):
        return [_plain(one, gone, logs) for one in part]
    if isinstance(part, str):
        names = "|".join(gone)
        return re.sub(rf"\$\{{({names})(\.\w+)?\}}", r"no-\1", part) if gone else part
    if not isinstance(part, dict):
        return part
    if part.keys() <= {"Ref", "Fn::GetAtt"} and part:
        return _meant(part, gone, logs)
    if part.get("Sid") in {"EmailFromOneAddress", "MasterKeys", "ListOfExports"}:
        part = {name: value for name, value in part.items() if name != "Condition"}
    if part.get("Sid") == "EmailFromOneAddress":
        part["Resource"] = "*"
    return {name: _plain(value, gone, logs) for name, value in part.items()}


def _meant(part: dict[str, Any], gone: set[str], logs: set[str]) -> Any:
    """Return what a reference is, where it leads to what is gone or to a log group."""
    [at] = part.values()
    name, attribute = (at, "") if isinstance(at, str) else at
    if name in gone:
        return ["amqps://no-broker:5671"] if attribute == "AmqpEndpoints" else f"no-{name}"
    return {"Fn::Sub": _LOGS.format(name)} if name in logs and attribute else part


def apply(cloud: Cloud, stack: str, **changes: str) -> str:
    """Create a stack, or update it if it is there, and return the state it comes to."""
    client = cloud.client("cloudformation")
    given = {"Prefix": PREFIX, "Environment": "production", **GIVEN.get(stack, {}), **changes}
    there = not _is_gone(cloud, stack)
    (client.update_stack if there else client.create_stack)(
        StackName=name_of(stack), TemplateBody=json.dumps(emulated(stack)),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value}
                    for key, value in given.items()],
    )  # fmt: skip
    made = wait_for(lambda: _settled(cloud, stack), seconds=120)
    assert "ROLLBACK" not in made["StackStatus"], _faults(cloud, stack)
    return str(made["StackStatus"])


def name_of(stack: str) -> str:
    """Return the name of a stack of the installation."""
    return f"{PREFIX}-{stack}"


def delete(cloud: Cloud, stack: str) -> None:
    """Delete a stack and wait until it is gone."""
    cloud.client("cloudformation").delete_stack(StackName=name_of(stack))
    wait_for(lambda: _is_gone(cloud, stack), seconds=60)


def resource(cloud: Cloud, stack: str, name: str) -> str:
    """Return the physical id of a resource."""
    found = cloud.client("cloudformation").describe_stack_resource(
        StackName=name_of(stack), LogicalResourceId=name
    )
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


def acting(cloud: Cloud, stack: str, role: str) -> Callable[[str], Any]:
    """Return what makes clients that may do what a role may; it is made to trust the account."""
    iam, name = cloud.client("iam"), resource(cloud, stack, role)
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": _ACCOUNT}}
    iam.update_assume_role_policy(
        RoleName=name,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    lent = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]

    def client(service: str) -> Any:
        return get_session().create_client(
            service, region_name=REGION, endpoint_url=cloud.url,
            aws_access_key_id=lent["AccessKeyId"], aws_session_token=lent["SessionToken"],
            aws_secret_access_key=lent["SecretAccessKey"],
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )  # fmt: skip

    return client


def exports(cloud: Cloud) -> dict[str, str]:
    """Return what the stacks export, by the name without the prefix."""
    client, found = cloud.client("cloudformation"), dict[str, str]()
    for page in client.get_paginator("list_exports").paginate():
        found |= {one["Name"]: one["Value"] for one in page["Exports"]}
    start = f"{PREFIX}-"
    return {name.removeprefix(start): value for name, value in found.items()
            if name.startswith(start)}  # fmt: skip


def _settled(cloud: Cloud, stack: str) -> Any:
    [made] = cloud.client("cloudformation").describe_stacks(StackName=name_of(stack))["Stacks"]
    return None if made["StackStatus"].endswith("IN_PROGRESS") else made


def _is_gone(cloud: Cloud, stack: str) -> bool:
    try:
        made = _settled(cloud, stack)
    except ClientError:
        return True
    assert made is None or made["StackStatus"] != "DELETE_FAILED"
    return made is not None and made["StackStatus"] == "DELETE_COMPLETE"


def _faults(cloud: Cloud, stack: str) -> list[str]:
    told = cloud.client("cloudformation").describe_stack_events(StackName=name_of(stack))
    return [f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}"
            for one in told["StackEvents"] if "FAILED" in one["ResourceStatus"]]  # fmt: skip
