"""Generated tests touch every route by themselves, so they do not count for --every-route."""

from collections.abc import Iterator

import pytest

from tests.client import Contract


@pytest.fixture(autouse=True)
def uncounted() -> Iterator[None]:
    Contract.counting = False
    yield
    Contract.counting = True
