"""What no emulator proves, asked of a real account: run it after a deployment, and after a change.

    python deploy/aws/smoke.py --prefix clinic-prod --region us-east-1 [--key cck_...]

It reads stacks and metrics with the credentials of boto's usual chain, sends requests to the API,
with --text one SMS, which costs money, and with --notifier to that stack an event that must fail,
of which two of its alarms tell. It changes nothing else. Each line says what was asked,
`ok` or what to do; the exit code is 1 if one is not. docs/serverless.md says what each means.
"""

import argparse
import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from chroniccare.platform.aws import Client
from chroniccare.platform.aws_error import AwsError

_STACKS = ("network", "data", "messaging", "serverless")
_REQUESTS = 50
_SLOWEST_MS = 1000.0
_IN_VAIN = {401, 403}
_NO_DAY = {"date": "1999-12-31"}
"""An event that fails: no list is of that day; one that comes from the platform's API is empty."""


class AmissError(Exception):
    """Something is not as it should be; the message says what to do."""


@dataclass(slots=True)
class Account:
    """The account in one region, and the installation in it."""

    prefix: str
    region: str
    key: str = ""

    async def call(self, service: str, operation: str, **given: Any) -> dict[str, Any]:
        """Call one operation of AWS."""
        client = Client(service, self.region, "")
        try:
            answer: dict[str, Any] = await client.call(operation, **given)
        finally:
            await client.close()
        return answer

    async def outputs(self, stack: str) -> dict[str, str]:
        """Return what a stack tells."""
        return await self.told(f"{self.prefix}-{stack}")

    async def told(self, name: str) -> dict[str, str]:
        """Return what the stack of that whole name tells."""
        told = await self.call("cloudformation", "describe_stacks", StackName=name)
        [made] = told["Stacks"]
        if not made["StackStatus"].endswith("_COMPLETE") or "ROLLBACK" in made["StackStatus"]:
            raise AmissError(f"{made['StackStatus']}: look at its events in CloudFormation")
        return {one["OutputKey"]: one["OutputValue"] for one in made.get("Outputs", ())}

    async def most(self, namespace: str, metric: str, **dimensions: str) -> float | None:
        """Return the most that a metric was in the last hour; None: nobody measured it."""
        now = datetime.now(UTC)
        told = await self.call(
            "cloudwatch", "get_metric_statistics", Namespace=namespace, MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=now - timedelta(hours=1), EndTime=now, Period=300, Statistics=["Maximum"],
        )  # fmt: skip
        found = [float(one["Maximum"]) for one in told["Datapoints"]]
        return max(found) if found else None


def fetched(url: str, key: str = "") -> tuple[int, Any, float]:
    """Return status, body and milliseconds of a GET."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  of the stack's output
    started = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  as above
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    return status, json.loads(body or b"null"), (time.perf_counter() - started) * 1000


async def stacks_stand(account: Account) -> str:
    """Say that every stack stands."""
    for stack in _STACKS:
        await account.outputs(stack)
    return ", ".join(_STACKS)


async def functions_reach_postgres(account: Account) -> str:
    """Say that a function has opened its connection, and so trusts the proxy's certificate."""
    url = (await account.outputs("serverless"))["ApiUrl"]
    status, _, took = await asyncio.to_thread(fetched, f"{url}/readyz")
    if status != 200:  # noqa: PLR2004
        raise AmissError(f"/readyz answered {status}: look at the log of ClinicFunction")
    return f"/readyz after {took:.0f} ms"


async def proxy_shares_connections(account: Account) -> str:
    """Say how many connections RDS Proxy has pinned: a setting of a session would pin one."""
    name = (await account.outputs("data")).get("ProxyName", f"{account.prefix}-proxy")
    pinned = await account.most("AWS/RDS", "DatabaseConnectionsCurrentlySessionPinned",
                                ProxyName=name)  # fmt: skip
    if pinned is None:
        raise AmissError("no measurements of the proxy in an hour: send requests first")
    return f"{pinned:.0f} pinned at most in an hour"


async def broker_is_up(account: Account) -> str:
    """Say that Amazon MQ runs, and with which engine."""
    broker = (await account.outputs("messaging"))["BrokerId"]
    told = await account.call("mq", "describe_broker", BrokerId=broker)
    if told["BrokerState"] != "RUNNING":
        raise AmissError(f"the broker is {told['BrokerState']}")
    return f"{told['EngineType']} {told['EngineVersion']}"


async def strangers_stay_out(account: Account) -> str:
    """Say that the gateway refuses who has no key."""
    url = (await account.outputs("serverless"))["ApiUrl"]
    status, body, _ = await asyncio.to_thread(fetched, f"{url}/api/v1/patients")
    if status not in _IN_VAIN:
        raise AmissError(f"answered {status} without a key: look at the authorizer")
    if body["success"] is not False:
        raise AmissError("the gateway's own answers have no envelope")
    return str(status)


async def keys_open(account: Account) -> str:
    """Say how long requests with a key take."""
    if not account.key:
        return "left out: no --key"
    url = (await account.outputs("serverless"))["ApiUrl"] + "/api/v1/patients?limit=1"
    status, _, cold = await asyncio.to_thread(fetched, url, account.key)
    if status != 200:  # noqa: PLR2004
        raise AmissError(f"answered {status}")
    times = [(await asyncio.to_thread(fetched, url, account.key))[2] for _ in range(_REQUESTS)]
    if median(times) > _SLOWEST_MS:
        raise AmissError(f"median {median(times):.0f} ms: look at the function's memory")
    return f"first {cold:.0f} ms, then median {median(times):.0f} ms"


async def email_may_go_out(account: Account) -> str:
    """Say that SES has left its sandbox."""
    told = await account.call("sesv2", "get_account")
    if not told["ProductionAccessEnabled"]:
        raise AmissError("SES is in its sandbox: ask AWS for production access")
    return f"{told['SendQuota']['Max24HourSend']:.0f} a day"


CHECKS: dict[str, Callable[[Account], Awaitable[str]]] = {
    "stacks": stacks_stand, "PostgreSQL": functions_reach_postgres,
    "RDS Proxy": proxy_shares_connections, "Amazon MQ": broker_is_up,
    "no key": strangers_stay_out, "a key": keys_open, "SES": email_may_go_out,
}  # fmt: skip


async def text(account: Account, number: str, origination: str) -> str:
    """Send one SMS: whether it arrives only its reader can say."""
    told = await account.call(
        "pinpoint-sms-voice-v2", "send_text_message", DestinationPhoneNumber=number,
        OriginationIdentity=origination, MessageBody="A test of this clinic's messages.",
    )  # fmt: skip
    return f"sent as {told['MessageId']}: look at the telephone"


async def dead_letter(account: Account, stack: str, *, pause_s: float = 10, times: int = 48) -> str:
    """Have the notification stack's function fail, and say that its event became a dead letter."""
    told = await account.told(stack)
    url, function = told["DeadLetterQueueUrl"], told["LambdaFunctionArn"]

    async def letters() -> int:
        asked = await account.call("sqs", "get_queue_attributes", QueueUrl=url,
                                   AttributeNames=["ApproximateNumberOfMessages"])  # fmt: skip
        return int(asked["Attributes"]["ApproximateNumberOfMessages"])

    before = await letters()
    await account.call("lambda", "invoke", FunctionName=function, InvocationType="Event",
                       Payload=json.dumps(_NO_DAY).encode())  # fmt: skip
    for _ in range(times):  # AWS tries again after one minute, and after two
        await asyncio.sleep(pause_s)
        if await letters() > before:
            return "an event that failed three times is there; its alarms are of this"
    raise AmissError(
        "no letter came: may the role send to the queue, and use its key?"
        " (Of a stack with PlatformUrl this check cannot say anything: its function did not fail.)"
    )


async def run(account: Account, checks: dict[str, Callable[[Account], Awaitable[str]]]) -> bool:
    """Make every check, however the others went; return whether all is well."""
    well = True
    for name, check in checks.items():
        try:
            print(f"ok     {name}: {await check(account)}")
        except (AmissError, AwsError, OSError, KeyError, ValueError) as error:
            well = False
            print(f"amiss  {name}: {type(error).__name__} {error}")
    return well


def main() -> None:
    """Ask, and end with 1 if something is amiss."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--key", default="", help="an API key that may read patients")
    parser.add_argument("--text", default="", help="a number that gets one SMS")
    parser.add_argument("--origination", default="", help="where that SMS comes from")
    parser.add_argument("--notifier", default="", help="the notification stack: an event fails")
    asked = parser.parse_args()
    account, checks = Account(asked.prefix, asked.region, asked.key), dict(CHECKS)
    if asked.text:
        checks["SMS"] = lambda one: text(one, asked.text, asked.origination)
    if asked.notifier:
        checks["dead letters"] = lambda one: dead_letter(one, asked.notifier)
    if not asyncio.run(run(account, checks)):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
