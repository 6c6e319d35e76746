"""The stock FHIR client of Node, unmodified, against the server's own process."""

from pathlib import Path

from chroniccare.settings import Settings
from tests.client import Clinic
from tests.fhir.clients import story
from tests.fhir.clients.live import served

COUNT, PAGE = 120, 25


async def test_fhir_kit_client_finds_what_it_expects(
    settings: Settings, clinic: Clinic, tmp_path: Path
) -> None:
    with served(settings, tmp_path) as base:
        came = story.with_kit(story.Live(f"{base}/fhir", clinic.key), COUNT, PAGE)
    assert came == story.expected(COUNT, PAGE)
