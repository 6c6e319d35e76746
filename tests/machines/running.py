"""What the machines share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from chroniccare.platform.postgres import Tx, begin
from tests.client import Clinic


class DiffersError(AssertionError):
    """The product and its model differ; the text says in what."""


class _UndoneError(Exception):
    """Takes a transaction back."""


@asynccontextmanager
async def taken_back(clinic: Clinic) -> AsyncIterator[Tx]:
    """Open a transaction that is never committed."""
    with suppress(_UndoneError):
        async with begin(clinic.caller) as tx:
            yield tx
            raise _UndoneError
