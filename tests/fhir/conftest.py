"""/fhir of the clinic under test, and of another one."""

import pytest

from tests.client import Clinic
from tests.fhir.server import Server


@pytest.fixture
def fhir(clinic: Clinic) -> Server:
    return Server(clinic)


@pytest.fixture
def other_fhir(other_clinic: Clinic) -> Server:
    return Server(other_clinic)
