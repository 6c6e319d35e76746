"""The authorizer of API Gateway: whether a key or a token is anybody's at all.

The same authority as the API's, which is asked again behind it: scopes, roles and revocation are
the function's to judge, so a policy that API Gateway remembers lets nobody in for longer.
"""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from chroniccare.core.errors import RateLimited, Unauthenticated
from chroniccare.lambdas import environment
from chroniccare.platform.postgres import utc_now
from chroniccare.tenancy.authorities import authority
from chroniccare.tenancy.caller import Authority

log = logging.getLogger(__name__)

NAME = "authorizer"
_BEARER = "bearer "


@cache
def _authority() -> Authority:
    return authority(environment.settings())


environment.start(_authority)


class UnauthorizedError(Exception):
    """What API Gateway answers 401 to; any other exception is a 500 there."""


def handler(event: Any, _context: Any) -> dict[str, Any]:
    """Return the policy for whoever sends the request.

    Raises:
        UnauthorizedError: nobody is behind its credential, or the event is no request.
        Unavailable: PostgreSQL, or the keys of an issuer, cannot be reached.
    """
    if not isinstance(event, Mapping) or not isinstance(event.get("methodArn"), str):
        environment.count(NAME, RejectedEvents=1)
        raise UnauthorizedError("Unauthorized")
    return environment.run(_judged(event))


async def _judged(event: Mapping[str, Any]) -> dict[str, Any]:
    await environment.platform()
    headers = {
        str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()
    }
    identity = (event.get("requestContext") or {}).get("identity") or {}
    try:
        caller = await _authority().identify(
            _credential(headers), now=utc_now(), address=identity.get("sourceIp"),
            clinic=headers.get("x-tenant"),
        )  # fmt: skip
    except (Unauthenticated, RateLimited):
        environment.count(NAME, Refused=1)
        raise UnauthorizedError("Unauthorized") from None
    return _policy(event["methodArn"], str(caller.actor_id), str(caller.tenant_id))


def _credential(headers: Mapping[str, str]) -> str:
    key = headers.get("x-api-key")
    if key is not None:
        return key
    bearer = headers.get("authorization", "")
    if not bearer.lower().startswith(_BEARER):
        raise Unauthenticated
    return bearer[len(_BEARER) :].strip()


def _policy(method_arn: str, principal: str, tenant: str) -> dict[str, Any]:
    """Return an Allow for the whole stage: API Gateway gives it to the caller's next requests too.

    A policy for one method would refuse them.
    """
    api, stage, *_ = method_arn.split("/")
    return {
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Action": "execute-api:Invoke", "Effect": "Allow",
                 "Resource": f"{api}/{stage}/*/*"},
            ],
        },
        "context": {"tenantId": tenant},
    }  # fmt: skip
