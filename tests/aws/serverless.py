"""deploy/aws/serverless.yaml on MiniStack, on a stack that has the exports of those below it.

What the emulator cannot do is taken out of the template before, and nowhere else: see `emulated`.
"""

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from tests.aws.cloud import Cloud, wait_for
from tests.deploy.gateway import METHOD, SERVERLESS, TEMPLATE

PREFIX = "lambda-test"
TEMPLATES = "templates-of-stacks"
BELOW, STACK = "lambda-test-below", "lambda-test-serverless"
_METHODS = ("get", "post", "put", "delete")
_UNKNOWN = {"AWS::WAFv2::WebACLAssociation"}
_ONLY_THERE = (
    "CHRONICCARE_MASTER_KEY_KMS", "CHRONICCARE_AUDIT_COPY", "CHRONICCARE_AUDIT_HEADS_DIR",
)  # fmt: skip


def exports() -> set[tuple[str, str]]:
    """Return what the template imports, as stack and thing."""
    text = SERVERLESS.read_text(encoding="utf-8")
    return {
        (stack, thing) for stack, thing in re.findall(r"\$\{Prefix\}-([a-z]+)-([A-Z]\w+)\"", text)
        if stack != "serverless"
    }  # fmt: skip


def below(secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return a stack with every export; `secrets` has the ARNs of secrets by their exports."""
    resources: dict[str, Any] = {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Statement": []}}},
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Topic": {"Type": "AWS::SNS::Topic"},
    }
    values: dict[str, Any] = {
        "KeyArn": {"Fn::GetAtt": ["Key", "Arn"]},
        "MasterKeyArn": {"Fn::GetAtt": ["Key", "Arn"]},
        "DeadLetterQueueArn": {"Fn::GetAtt": ["Queue", "Arn"]},
        "AlarmTopicArn": {"Ref": "Topic"}, "ReceiptsTopicArn": {"Ref": "Topic"},
        "RepliesTopicArn": {"Ref": "Topic"}, "PrivateSubnets": "subnet-1,subnet-2,subnet-3",
        "BrokerArn": "arn:aws:mq:us-east-1:000000000000:broker:clinic:b-1",
        "EmailConfigurationSet": "email", "SmsConfigurationSet": "sms", **secrets,
    }  # fmt: skip
    outputs = {
        f"{stack.capitalize()}{thing}": {
            "Value": values.get(thing, f"arn:aws:none:us-east-1:000000000000:{thing}"),
            "Export": {"Name": f"{PREFIX}-{stack}-{thing}"},
        }
        for stack, thing in exports()
    }
    return {"Resources": resources, "Outputs": outputs}


def emulated(changes: Mapping[str, str]) -> dict[str, Any]:
    """Return the template without what MiniStack does not have.

    The firewall's association; `any-method` of OpenAPI, in whose place stand four; event sources of
    Amazon MQ; EFS, so `changes` say where the keys are, and what else a function is given; master
    keys under KMS, and the copy of the audit.
    """
    made: dict[str, Any] = copy.deepcopy(TEMPLATE)
    resources = made["Resources"]
    for name, one in list(resources.items()):
        properties = one.get("Properties", {})
        if one["Type"] in _UNKNOWN or one["Type"] == "AWS::Lambda::EventSourceMapping":
            del resources[name]
        elif one["Type"] == "AWS::Lambda::Function":
            del properties["FileSystemConfigs"]
            given = properties["Environment"]["Variables"]
            for only in _ONLY_THERE:
                given.pop(only, None)
            given.update(changes)
    for path in resources["Api"]["Properties"]["Body"]["paths"].values():
        served = path.pop(METHOD)
        path.update({method: copy.deepcopy(served) for method in _METHODS})
    return made


@dataclass(slots=True)
class Deployed:
    """A stack as it stands on the emulator."""

    cloud: Cloud
    name: str
    outputs: dict[str, str] = field(default_factory=dict)

    def apply(self, template: dict[str, Any], **parameters: str) -> str:
        """Create or update the stack and return the state it comes to."""
        client, storage = self.cloud.client("cloudformation"), self.cloud.client("s3")
        # As everybody must: it is longer than CloudFormation takes in a call.
        storage.create_bucket(Bucket=TEMPLATES)
        storage.put_object(Bucket=TEMPLATES, Key=self.name, Body=json.dumps(template).encode())
        call = client.update_stack if self.outputs else client.create_stack
        call(
            StackName=self.name, TemplateURL=f"{self.cloud.url}/{TEMPLATES}/{self.name}",
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value}
                        for name, value in parameters.items()],
        )  # fmt: skip
        made = wait_for(self._settled, seconds=180)
        assert "ROLLBACK" not in made["StackStatus"], self._faults()
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in made.get("Outputs", ())}
        return str(made["StackStatus"])

    def _settled(self) -> Any:
        [made] = self.cloud.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return None if made["StackStatus"].endswith("IN_PROGRESS") else made

    def _faults(self) -> list[str]:
        told = self.cloud.client("cloudformation").describe_stack_events(StackName=self.name)
        return [f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}"
                for one in told["StackEvents"] if "FAILED" in one["ResourceStatus"]]  # fmt: skip

    def resource(self, name: str) -> str:
        """Return the physical id of a resource."""
        client = self.cloud.client("cloudformation")
        found = client.describe_stack_resource(StackName=self.name, LogicalResourceId=name)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def delete(self) -> None:
        """Delete the stack, which must work."""
        self.cloud.client("cloudformation").delete_stack(StackName=self.name)
        wait_for(self._gone, seconds=60)

    def _gone(self) -> bool:
        try:
            [made] = self.cloud.client("cloudformation").describe_stacks(StackName=self.name)[
                "Stacks"
            ]
        except ClientError:
            return True
        assert made["StackStatus"] != "DELETE_FAILED"
        return bool(made["StackStatus"] == "DELETE_COMPLETE")
