"""A clinic's server with the records that stored resources refer to."""

import pytest

from tests.client import Clinic
from tests.fhir.server import Server
from tests.fhir.stored.made import World, world


@pytest.fixture
async def there(clinic: Clinic, fhir: Server) -> World:
    return await world(clinic, fhir)
