"""/fhir of the clinic under test, and of another one."""

from typing import Any

import pytest

from tests.client import Clinic
from tests.fhir.hours import doctor_of
from tests.fhir.server import Server


@pytest.fixture
def fhir(clinic: Clinic) -> Server:
    return Server(clinic)


@pytest.fixture
def other_fhir(other_clinic: Clinic) -> Server:
    return Server(other_clinic)


@pytest.fixture
async def doctor(clinic: Clinic) -> dict[str, Any]:
    """A provider in Bogota, who works from 9 to 11 on DAY."""
    return await doctor_of(clinic)
