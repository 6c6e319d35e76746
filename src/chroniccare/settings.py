"""Every default and limit an operator may change: one frozen class, read once from the environment.

docs/settings.md is generated from it (`make docs`); a check fails when the two differ.
"""

import os
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, ValidationError

from chroniccare.core import drivers as named
from chroniccare.core.addresses import (
    is_http,
    is_loopback,
    is_smtp,
    is_sns_sender,
    sender_fault,
    topic_list,
)
from chroniccare.settings_identity import issuers
from chroniccare.settings_parts import Parts
from chroniccare.settings_peers import unfit

PREFIX = "CHRONICCARE_"
DATA_DIR = "CHRONICCARE_DATA_DIR"
"""Where `up` and its kin keep what they keep; no setting of a server."""
_UNPREFIXED = {
    "database_url": "DATABASE_URL",
    "redis_url": "REDIS_URL",
    "rabbitmq_url": "RABBITMQ_URL",
}
_MIN_PEPPER = 32
_EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104  only compared with


class SettingsError(Exception):
    """A setting is missing or unsafe; the message names it and says what to do."""


class Settings(Parts):
    """What an operator may set. Field names in capitals behind CHRONICCARE_ are the variables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: Annotated[
        str, Field(description="PostgreSQL 15 to 18. Empty: `up` starts the embedded PostgreSQL.")
    ] = ""
    redis_url: Annotated[
        str, Field(description="Redis or Valkey. Empty: `up` starts the embedded Valkey.")
    ] = ""
    rabbitmq_url: Annotated[
        str, Field(description="RabbitMQ 3.13 or later. Empty: PostgreSQL carries the work alone.")
    ] = ""
    environment: Annotated[
        Literal["development", "production"],
        Field(description="`production` refuses unsafe values at start."),
    ] = "development"
    key_pepper: Annotated[
        SecretStr,
        Field(
            description="Secret of 32 or more characters that keys the hashes of API keys. "
            "Empty: `up` makes one and keeps it in the data directory."
        ),
    ] = SecretStr("")
    host: Annotated[str, Field(description="Address the API listens on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="Port the API listens on.")] = 8000
    public_url: Annotated[
        str,
        Field(
            description="Address under which clients reach the API, such as "
            "`https://api.clinic.example`; calendar feeds begin with it. Empty: host and port, "
            "which production does not take."
        ),
    ] = ""
    workers: Annotated[int, Field(ge=1, le=64, description="API worker processes.")] = 1
    pool_size: Annotated[
        int, Field(ge=1, le=200, description="PostgreSQL connections of each process.")
    ] = 10
    rate_limit_per_minute: Annotated[
        int, Field(ge=1, le=10_000_000, description="Requests a minute for each API key.")
    ] = 6000
    rate_limit_burst: Annotated[
        int, Field(ge=1, le=1_000_000, description="Requests a key may make at once.")
    ] = 600
    max_body_bytes: Annotated[
        int, Field(ge=1024, le=16_777_216, description="Largest request body, in bytes.")
    ] = 1_048_576
    email_driver: Annotated[
        str,
        AfterValidator(named.named("email")),
        Field(
            description="`outbox` keeps messages to look at, `null` drops them, `smtp` and `ses` "
            "(AWS) send them; several with weights from 1 to 100, such as `ses:80,smtp:20`."
        ),
    ] = "outbox"
    sms_driver: Annotated[
        str,
        AfterValidator(named.named("sms")),
        Field(
            description="As for email; `aws` (End User Messaging), `sns` and `http` (a gateway of "
            "your own) send them, several such as `aws:80,http:20`."
        ),
    ] = "outbox"
    push_driver: Annotated[
        str,
        AfterValidator(named.named("push")),
        Field(description="As above; `sns` (AWS platform endpoints) sends them."),
    ] = "outbox"
    push_applications: Annotated[
        str,
        AfterValidator(named.platforms),
        Field(
            description="Platform applications of SNS that devices register with, such as "
            "`fcm=arn:...,apns=arn:...`; also `apns_sandbox`."
        ),
    ] = ""
    sms_parts_per_second: Annotated[
        str,
        AfterValidator(named.rated),
        Field(
            description="Message parts a second that each SMS driver may send, all processes "
            "together: a number, or one for each, such as `aws:20,http:1`. 0: no limit."
        ),
    ] = "0"
    sender_processes: Annotated[
        int,
        Field(ge=1, le=64, description="Worker processes that share it while the cache is away."),
    ] = 4
    provider_connections: Annotated[
        int, Field(ge=1, le=200, description="Calls of a process that one driver has open at once.")
    ] = 10
    aws_region: Annotated[
        str,
        Field(
            pattern=r"^$|^[a-z]{2}(-[a-z]+)+-\d$",
            description="Such as `us-east-1`; needed by the drivers `aws`, `sns` and `ses`. "
            "Credentials come from AWS's default chain.",
        ),
    ] = ""
    aws_endpoint_url: Annotated[
        str, Field(description="In place of AWS's own: a private endpoint, or the simulator.")
    ] = ""
    sms_origination: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_:/+-]{0,256}$",
            description="Sender of SMS: number (`+1...`), pool or sender id; needed by `aws`.",
        ),
    ] = ""
    sms_configuration_set: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_:/-]{0,256}$",
            description="Set of End User Messaging whose events tell what became of an SMS; "
            "production needs it with `aws`.",
        ),
    ] = ""
    sms_protect_configuration: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_:/-]{0,256}$",
            description="Protect configuration of End User Messaging (which countries).",
        ),
    ] = ""
    sms_max_price: Annotated[
        str,
        Field(
            pattern=r"^$|^\d{0,2}\.\d{1,5}$",
            description="Most that AWS may charge for one SMS, in USD, such as `0.10`.",
        ),
    ] = ""
    ses_configuration_set: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_-]{0,64}$",
            description="Set of SES whose events tell of bounces; production needs it with `ses`.",
        ),
    ] = ""
    http_sms_url: Annotated[
        str, Field(description="Where the driver `http` posts SMS; docs/providers.md says what.")
    ] = ""
    http_sms_secret: Annotated[
        SecretStr, Field(description="Bearer token that the gateway asks for.")
    ] = SecretStr("")
    smtp_url: Annotated[
        str,
        Field(
            description="`smtp://user:password@host:587` (STARTTLS, except on loopback) or "
            "`smtps://...:465`. `?tls=none` behind it: no TLS, for a relay in a closed network."
        ),
    ] = ""
    email_from: Annotated[str, Field(description="Sender of email, `Name <address>`.")] = (
        "Clinic <noreply@example.com>"
    )
    sns_topics: Annotated[
        str,
        AfterValidator(topic_list),
        Field(description="Topics of SNS that carry receipts to `/receipts/sns`, as ARNs."),
    ] = ""
    reply_topics: Annotated[
        str,
        AfterValidator(topic_list),
        Field(
            description="Topics of SNS that carry replies to `/inbound/sns`, as ARNs. Empty: none."
        ),
    ] = ""
    sms_asks: Annotated[
        Literal["nothing", "reply", "link"],
        Field(
            description="How an SMS about a visit asks for an answer: `reply` (1 or 2; set it up "
            "first, docs/two-way.md), `link` (takes a segment more) or not at all."
        ),
    ] = "nothing"
    sns_simulator_url: Annotated[
        str,
        Field(
            description="Loopback address from which certificates are taken as well as from "
            "Amazon, such as `http://127.0.0.1:4566`; development only."
        ),
    ] = ""
    receipts_secret: Annotated[
        SecretStr,
        Field(
            description="Secret of 32 or more characters with which callbacks to `/receipts/http` "
            "are signed. Empty: none is taken."
        ),
    ] = SecretStr("")
    doubt_seconds: Annotated[
        int,
        Field(
            ge=10,
            le=86_400,
            description="Seconds that a message in doubt waits for its provider's echo.",
        ),
    ] = 120
    unconfirmed_hours: Annotated[
        int,
        Field(
            ge=1,
            le=720,
            description="Hours after which a message of which its provider told nothing more is "
            "`unconfirmed`.",
        ),
    ] = 72
    quiet_hours: Annotated[
        str,
        Field(
            pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
            description="Local time of the patient in which no reminder is sent.",
        ),
    ] = "21:00-08:00"
    sms_segment_price: Annotated[
        float | None,
        Field(ge=0, le=100, description="Price of one SMS segment where a clinic has set none."),
    ] = None
    undo_minutes: Annotated[
        int,
        Field(
            ge=0, le=1440, description="Minutes in which a step of a visit can be undone; 0: none."
        ),
    ] = 15
    no_show_grace_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=10_080,
            description="Minutes from a visit's end until it is a no-show by itself; 0: never.",
        ),
    ] = 120
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="Least level logged.")
    ] = "INFO"


def takes_replies(settings: Settings) -> bool:
    """Return whether replies by text reach us, from a topic or a gateway."""
    return bool(settings.reply_topics or settings.receipts_secret.get_secret_value())


def variable(name: str) -> str:
    """Return the environment variable behind the field `name`."""
    return _UNPREFIXED.get(name, PREFIX + name.upper())


def drivers(settings: Settings, channel: str) -> dict[str, int]:
    """Return the drivers of `channel` with their weights, in the order written."""
    return named.weights(getattr(settings, f"{channel}_driver"), channel)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ` (default: the process's).

    Raises:
        SettingsError: a value cannot be used; every variable at fault is named.
    """
    environ = os.environ if environ is None else environ
    values = {n: environ[variable(n)] for n in Settings.model_fields if variable(n) in environ}
    known = {variable(n) for n in Settings.model_fields} | {DATA_DIR}
    unknown = sorted(k for k in environ if k.startswith(PREFIX) and k not in known)
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(unknown)}: see docs/settings.md")
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        # The offending value is left out: it may be a secret.
        parts = [f"{variable(str(e['loc'][0]))}: {e['msg']}" for e in error.errors()]
        raise SettingsError("; ".join(parts)) from None
    _refuse_unsafe(settings)
    return settings


def _refuse_unsafe(settings: Settings) -> None:
    """Refuse a pepper too short to protect, and in production anything that loses or leaks."""
    pepper = settings.key_pepper.get_secret_value()
    if pepper and len(pepper) < _MIN_PEPPER:
        raise SettingsError(f"{variable('key_pepper')}: needs {_MIN_PEPPER} or more characters")
    _refuse_gaps(settings)
    letters = drivers(settings, "email")
    if "smtp" in letters and not is_smtp(settings.smtp_url):
        raise SettingsError(
            f"{variable('smtp_url')}: must be like smtp://user:password@host:587 or smtps://host"
        )
    live = settings.environment == "production"
    if not named.LOCAL & letters.keys() and (fault := sender_fault(settings.email_from, live=live)):
        raise SettingsError(f"{variable('email_from')}: {fault}")
    if "sns" in drivers(settings, "sms") and not is_sns_sender(settings.sms_origination):
        raise SettingsError(f"{variable('sms_origination')}: SNS takes a number or a sender id")
    _refuse_urls(settings)
    if live and (wrong := unfit(partial(values_of, settings))):
        names, text = wrong
        raise SettingsError(f"{', '.join(map(variable, names))}: {text}")
    _refuse_address(settings)
    _refuse_receipts(settings)


def _refuse_receipts(settings: Settings) -> None:
    """Refuse what would let strangers tell what became of messages."""
    secret = settings.receipts_secret.get_secret_value()
    if secret and len(secret) < _MIN_PEPPER:
        raise SettingsError(f"{variable('receipts_secret')}: {_MIN_PEPPER} or more characters")
    if settings.sms_asks == "reply" and not takes_replies(settings):
        raise SettingsError(f"{variable('sms_asks')}: reply needs {variable('reply_topics')} or "
                            f"{variable('receipts_secret')}: nobody would read it")  # fmt: skip
    url = settings.sns_simulator_url
    if url and (settings.environment == "production" or not is_loopback(url)):
        raise SettingsError(f"{variable('sns_simulator_url')}: loopback, and in development only")


def _refuse_address(settings: Settings) -> None:
    """Refuse an address that no calendar could be read at, and in production one in clear text."""
    if not is_http(address(settings)):
        raise SettingsError(f"{variable('public_url')}: must be like https://api.clinic.example")
    if settings.environment == "production" and not settings.public_url.startswith("https:"):
        raise SettingsError(f"{variable('public_url')}: must be https://... in production")


def address(settings: Settings) -> str:
    """Return the address under which clients reach the API, without a slash at its end."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = "127.0.0.1" if settings.host in _EVERYWHERE else settings.host
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _refuse_gaps(settings: Settings) -> None:
    """Refuse a driver without what it needs."""
    production = settings.environment == "production"
    for channel, name, always, live in named.NEEDS:
        if name not in drivers(settings, channel):
            continue
        wanted = always + (live if production else ())
        missing = [variable(n) for n in wanted if not values_of(settings, n)]
        if missing:
            kind = channel.replace("sms", "SMS")
            raise SettingsError(f"{', '.join(missing)}: needed because the {kind} driver is {name}")


def _refuse_urls(settings: Settings) -> None:
    """Refuse an address that no message could go to, and in production one in clear text."""
    for name in ("aws_endpoint_url", "http_sms_url", "cds_hooks_url"):
        url = values_of(settings, name)
        if url and not is_http(url):
            raise SettingsError(f"{variable(name)}: must be like https://sms.clinic.example/send")
        if url.startswith("http:") and settings.environment == "production":
            raise SettingsError(f"{variable(name)}: must be https://... in production")
    if settings.environment == "production" and any(
        "http:" in "".join(one.addresses) for one in issuers(settings.oidc_issuers)
    ):
        raise SettingsError(f"{variable('oidc_issuers')}: must be https://... in production")


def values_of(settings: Settings, name: str) -> str:
    """Return the field `name` as text, a secret in clear."""
    value = getattr(settings, name)
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
