"""Stock FHIR clients of Python, unmodified, against the server's own process."""

from collections.abc import Iterator

import pytest

from chroniccare.settings import Settings
from tests.client import Clinic
from tests.fhir.clients import story
from tests.fhir.clients.live import served

COUNT, PAGE = 120, 25


@pytest.fixture(scope="module")
def address(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(settings, tmp_path_factory.mktemp("serve")) as base:
        yield base


@pytest.mark.parametrize("client", [story.with_fhirpy, story.with_fhirclient])
async def test_a_stock_client_finds_what_it_expects(
    client: story.Client, address: str, clinic: Clinic
) -> None:
    live = story.Live(f"{address}/fhir", clinic.key)
    assert client(live, COUNT, PAGE) == story.expected(COUNT, PAGE)
