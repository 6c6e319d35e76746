"""Who gives a device the address that messages go to: a provider, or nobody."""

from typing import Protocol

from chroniccare.notifications.devices.queries import Waiting


class Refused(Exception):  # noqa: N818  what it is, not what happened
    """The provider will never take this token; `code` is a word of ours."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class NotNow(Exception):  # noqa: N818  as above
    """The provider did not answer, or not as hoped; `code` is a word of ours."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Registrar(Protocol):
    """Registers devices; each call may be repeated without harm."""

    async def register(self, device: Waiting) -> str:
        """Return the endpoint of `device`, which takes messages from now on.

        Raises:
            Refused: never with this token.
            NotNow: perhaps later.
        """
        ...

    async def forget(self, endpoint: str) -> None:
        """Let the provider forget an endpoint.

        Raises:
            NotNow: perhaps later.
        """
        ...


class Local:
    """Without a provider: a device's endpoint is its own id."""

    async def register(self, device: Waiting) -> str:
        """Return an address that the outbox shows."""
        return f"device:{device.id}"

    async def forget(self, endpoint: str) -> None:
        """There is nobody to tell."""
