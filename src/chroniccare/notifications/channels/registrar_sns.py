"""Devices registered as platform endpoints of SNS."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from chroniccare.core.drivers import applications
from chroniccare.notifications.channels.by_aws import client
from chroniccare.notifications.devices.queries import Waiting
from chroniccare.notifications.devices.registrars import NotNow, Refused
from chroniccare.platform.aws import Client
from chroniccare.platform.aws_error import AwsError
from chroniccare.settings import Settings


def registrar(settings: Settings, stack: AsyncExitStack) -> "Sns":
    """Return the registrar; `stack` closes its connections."""
    held = client(settings, "sns")
    stack.push_async_callback(held.close)
    return Sns(held, applications(settings.push_applications))


@dataclass(frozen=True, slots=True)
class Sns:
    """Platform endpoints of SNS; `apps` are the ARNs of the platform applications."""

    client: Client
    apps: Mapping[str, str]

    async def register(self, device: Waiting) -> str:
        """Make the endpoint, or give the one that the device has its new token.

        SNS answers the same endpoint for the same token, also one that it has disabled: so it is
        enabled afterwards, each time.
        """
        app = self.apps.get(device.platform)
        if app is None:
            raise NotNow("platform_not_set_up")
        try:
            return await self._registered(app, device)
        except AwsError as error:
            raise NotNow(error.code) from None

    async def _registered(self, app: str, device: Waiting) -> str:
        if device.endpoint is not None and device.endpoint.startswith(_endpoints(app)):
            try:
                await self._enable(device.endpoint, device.token)
            except AwsError as error:
                # Deleted there, or another endpoint has this token already: SNS knows which.
                if error.kind != "rejected" and error.code != "configuration":
                    raise
            else:
                return device.endpoint
        endpoint = await self._made(app, device.token)
        await self._enable(endpoint, device.token)
        return endpoint

    async def forget(self, endpoint: str) -> None:
        """Delete the endpoint; one that is not there is deleted."""
        if ":endpoint/" not in endpoint:
            return
        try:
            await self.client.call("delete_endpoint", EndpointArn=endpoint)
        except AwsError as error:
            raise NotNow(error.code) from None

    async def _made(self, app: str, token: str) -> str:
        try:
            answer = await self.client.call(
                "create_platform_endpoint", PlatformApplicationArn=app, Token=token
            )
        except AwsError as error:
            if error.endpoint:  # made by somebody else, with other attributes
                return error.endpoint
            if error.kind == "rejected":
                raise Refused("token_refused") from None
            raise
        endpoint = answer.get("EndpointArn")
        if not endpoint:
            raise AwsError("unknown", "unreadable")
        return str(endpoint)

    async def _enable(self, endpoint: str, token: str) -> None:
        await self.client.call(
            "set_endpoint_attributes", EndpointArn=endpoint,
            Attributes={"Token": token, "Enabled": "true"},
        )  # fmt: skip


def _endpoints(app: str) -> str:
    """Return how the ARNs of an application's endpoints begin."""
    return app.replace(":app/", ":endpoint/") + "/"
