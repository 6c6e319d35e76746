"""What settings refuse, beside what the tests of mail ask of them."""

import pytest

from chroniccare.settings import SettingsError, address, load

PRODUCTION = {
    "CHRONICCARE_ENVIRONMENT": "production",
    "CHRONICCARE_MASTER_KEY_FILE": "/etc/chroniccare/master.key",
    "DATABASE_URL": "postgresql://db/clinic",
    "REDIS_URL": "redis://cache",
    "CHRONICCARE_KEY_PEPPER": "p" * 32,
}


@pytest.mark.parametrize(
    ("given", "reached"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"PORT": "9000", "HOST": "0.0.0.0"}, "http://127.0.0.1:9000"),  # noqa: S104
        ({"HOST": "::1"}, "http://[::1]:8000"),
        ({"PUBLIC_URL": "https://api.clinic.example/"}, "https://api.clinic.example"),
        ({"PUBLIC_URL": "http://[::1]:8000/v"}, "http://[::1]:8000/v"),
    ],
)
def test_the_address_is_what_was_set_or_where_the_api_listens(
    given: dict[str, str], reached: str
) -> None:
    assert address(load({f"CHRONICCARE_{name}": value for name, value in given.items()})) == reached


@pytest.mark.parametrize(
    "url",
    [
        "api.clinic.example",
        "ftp://api.clinic.example",
        "https://",
        "https://user:secret@api.clinic.example",
        "https://api.clinic.example:0",
        "https://api.clinic.example:abc",
        "https://api.clinic.example?key=1",
        "https://api.clinic.example#top",
        "https://[::1",
    ],
)
def test_an_address_that_no_calendar_could_be_read_at_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="CHRONICCARE_PUBLIC_URL") as error:
        load({"CHRONICCARE_PUBLIC_URL": url})
    assert "secret" not in str(error.value)


def test_production_is_reached_over_https() -> None:
    for given in ({}, {"CHRONICCARE_PUBLIC_URL": "http://api.clinic.example"}):
        with pytest.raises(SettingsError, match="CHRONICCARE_PUBLIC_URL: must be https"):
            load({**PRODUCTION, **given})
    settings = load({**PRODUCTION, "CHRONICCARE_PUBLIC_URL": "https://api.clinic.example"})
    assert address(settings) == "https://api.clinic.example"
