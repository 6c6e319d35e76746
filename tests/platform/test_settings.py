"""What settings refuse, beside what the tests of mail ask of them."""

import pytest

from chroniccare.settings import SettingsError, address, load

PRODUCTION = {
    "CHRONICCARE_ENVIRONMENT": "production",
    "CHRONICCARE_MASTER_KEY_FILE": "/etc/chroniccare/master.key",
    "DATABASE_URL": "postgresql://db/clinic?sslmode=verify-full",
    "REDIS_URL": "rediss://cache",
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


PUBLIC = {**PRODUCTION, "CHRONICCARE_PUBLIC_URL": "https://api.clinic.example"}
TOLD = {"CHRONICCARE_PEER_TLS": "as_told"}


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgresql://db/clinic"),
        ("DATABASE_URL", "postgresql://db/clinic?sslmode=require"),
        ("DATABASE_URL", "postgresql://db/clinic?sslmode=verify-full&sslmode=disable"),
        ("DATABASE_URL", "postgresql://127.0.0.1,db/clinic"),
        ("DATABASE_URL", "postgresql:///clinic?host=db"),
        ("DATABASE_URL", "postgresql:///clinic?host=/run/postgresql,db"),
        ("DATABASE_URL", "postgresql://app:pw@db.internal/clinic?host=/var/run/postgresql"),
        ("DATABASE_URL", "postgresql://app:pw@localhost/clinic?host=db.internal"),
        ("DATABASE_URL", "postgresql:///clinic?host=/run/postgresql&host=db"),
        ("DATABASE_URL", "postgresql://localhost.evil.example/clinic"),
        ("DATABASE_URL", "postgresql:///clinic"),
        ("REDIS_URL", "redis://cache"),
        ("REDIS_URL", "redis://:localhost@cache:6379/0"),
        ("REDIS_URL", "cache:6379"),
        ("RABBITMQ_URL", "amqp://broker"),
        ("RABBITMQ_URL", "amqps://broker?no_verify_ssl=1"),
    ],
)
def test_sec_37_production_tells_no_peer_anything_in_clear(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: must ask for verified TLS") as error:
        load({**PUBLIC, name: url})
    assert url not in str(error.value)
    load({**PUBLIC, **TOLD, name: url})
    load({name: url})


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgres://u:p@db:5432/clinic?sslmode=verify-full&sslrootcert=/ca.pem"),
        ("DATABASE_URL", "postgresql://u:p@127.0.0.1:5432/clinic"),
        ("DATABASE_URL", "postgresql://u:p@[::1]:5432/clinic"),
        ("DATABASE_URL", "postgresql://localhost/clinic"),
        ("DATABASE_URL", "postgresql:///clinic?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql://u:p@/clinic?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql://u@%2Frun%2Fpostgresql/clinic"),
        ("REDIS_URL", "rediss://:p@cache:6380/1"),
        ("REDIS_URL", "redis://127.0.0.1"),
        ("REDIS_URL", "unix:///run/valkey.sock"),
        ("RABBITMQ_URL", "amqps://u:p@broker"),
        ("RABBITMQ_URL", "amqp://u:p@localhost:5672/"),
    ],
)
def test_what_is_verified_or_stays_on_the_machine_is_good(name: str, url: str) -> None:
    load({**PUBLIC, name: url})
