"""Answers of a function behind a CloudFormation custom resource, to the address that it is told."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

_LIMIT = aiohttp.ClientTimeout(total=10)


async def answer(
    event: Mapping[str, Any], *, resource_id: str, fault: str | None, request_id: str
) -> None:
    """Tell CloudFormation that it is done, or which `fault` there is.

    Raises:
        ClientError: it cannot be told; the stack waits until its own time is up.
    """
    body = {
        "Status": "FAILED" if fault else "SUCCESS",
        "Reason": fault or f"see the function's log, request {request_id}",
        "PhysicalResourceId": event.get("PhysicalResourceId", resource_id),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    async with (
        aiohttp.ClientSession(timeout=_LIMIT) as session,
        # The address is signed for a request without a content type.
        session.put(
            event["ResponseURL"], data=orjson.dumps(body), headers={"Content-Type": ""}
        ) as reply,
    ):
        reply.raise_for_status()
