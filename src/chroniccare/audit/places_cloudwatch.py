"""CloudWatch Logs as the place of copies: a stream for each clinic, in the operator's group."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.places import CopyError
from chroniccare.platform.aws import Client
from chroniccare.platform.aws_error import AwsError

_ARN = re.compile(r"arn:aws[a-z-]*:logs:([a-z0-9-]+):\d{12}:log-group:(.+)")
_MISSING, _THERE = "ResourceNotFoundException", "ResourceAlreadyExistsException"


@dataclass(slots=True)
class LogGroup:
    """One log group; that it is there, and how long it keeps what, is the operator's."""

    name: str
    client: Client

    @classmethod
    def at(cls, arn: str, endpoint_url: str) -> "LogGroup":
        """Return the group that an ARN names; `settings_audit` has looked at its form."""
        found = _ARN.fullmatch(arn)
        if found is None:
            raise CopyError("configuration")
        return cls(found[2], Client("logs", found[1], endpoint_url))

    async def put(self, tenant_id: UUID, rows: list[bytes], at: datetime) -> None:
        """Put rows into the clinic's stream, which is made if it is not there; see `Place.put`."""
        parameters = request(self.name, tenant_id, rows, at)
        try:
            answer = await self._put(parameters)
        except AwsError as error:
            raise CopyError(f"{error.code} {error.aws}".rstrip()) from None
        # AWS takes a request and leaves out events that are too old or too new for it.
        if answer.get("rejectedLogEventsInfo"):
            raise CopyError("events_rejected")

    async def _put(self, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self.client.call("put_log_events", **parameters)
        except AwsError as error:
            if error.aws != _MISSING:
                raise
        place = {name: parameters[name] for name in ("logGroupName", "logStreamName")}
        try:
            await self.client.call("create_log_stream", **place)
        except AwsError as error:
            if error.aws != _THERE:  # another worker was quicker
                raise
        return await self.client.call("put_log_events", **parameters)

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()


def request(group: str, tenant_id: UUID, rows: list[bytes], at: datetime) -> dict[str, Any]:
    """Return the parameters of PutLogEvents.

    AWS wants events in the order of their times, none a day from another and none older than the
    group keeps, which rows that waited may be: each counts as of now; when it was stands in it.
    """
    moment = int(at.timestamp() * 1000)
    events = [{"timestamp": moment, "message": row.decode()} for row in rows]
    return {"logGroupName": group, "logStreamName": f"audit/{tenant_id}", "logEvents": events}
