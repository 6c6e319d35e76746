"""Settings of drivers: what is missing or unsafe is refused at the start, and named."""

from collections.abc import Mapping

import pytest

from chroniccare.settings import Settings, SettingsError, drivers, load

PRODUCTION = {
    "DATABASE_URL": "postgresql://db?sslmode=verify-full",
    "REDIS_URL": "rediss://cache",
    "CHRONICCARE_KEY_PEPPER": "p" * 32,
    "CHRONICCARE_ENVIRONMENT": "production",
    "CHRONICCARE_MASTER_KEY_FILE": "/etc/chroniccare/master.key",
    "CHRONICCARE_PUBLIC_URL": "https://api.oak.example",
    "CHRONICCARE_EMAIL_FROM": "Oak <noreply@oak.example>",
}
AWS = {"sms_driver": "aws", "aws_region": "us-east-1", "sms_origination": "+12065550100"}
SES = {"email_driver": "ses", "aws_region": "eu-west-1"}
GATEWAY = {"sms_driver": "http", "http_sms_url": "https://sms.oak.example/send"}


def read(environ: Mapping[str, str] | None = None, /, **values: str) -> Settings:
    named = {f"CHRONICCARE_{name.upper()}": value for name, value in values.items()}
    return load({**(environ or {}), **named})


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        (AWS, "aws_region"),
        (AWS, "sms_origination"),
        ({"sms_driver": "sns", "aws_region": "us-east-1"}, "aws_region"),
        ({"push_driver": "sns", "aws_region": "us-east-1"}, "aws_region"),
        (SES, "aws_region"),
        (GATEWAY, "http_sms_url"),
    ],
)
def test_a_driver_is_refused_without_what_it_needs(values: dict[str, str], missing: str) -> None:
    read(**values)
    with pytest.raises(SettingsError, match=f"CHRONICCARE_{missing.upper()}: needed because"):
        read(**{name: value for name, value in values.items() if name != missing})


@pytest.mark.parametrize(
    ("values", "missing", "value"),
    [
        (AWS, "sms_configuration_set", "events"),
        (SES, "ses_configuration_set", "events"),
        (GATEWAY, "http_sms_secret", "s"),
    ],
)
def test_production_refuses_a_driver_that_nobody_hears_from(
    values: dict[str, str], missing: str, value: str
) -> None:
    read(**values)  # to try it out, it may be left out
    read(PRODUCTION, **values, **{missing: value})
    with pytest.raises(SettingsError, match=f"CHRONICCARE_{missing.upper()}"):
        read(PRODUCTION, **values)


@pytest.mark.parametrize("name", ["aws_endpoint_url", "http_sms_url"])
def test_an_address_that_leads_nowhere_is_refused(name: str) -> None:
    for url in ("sms.oak.example", "ftp://oak.example", "https://u:p@oak.example", "http://:80"):
        with pytest.raises(SettingsError, match=f"CHRONICCARE_{name.upper()}"):
            read(**{**GATEWAY, name: url})
    clear = {**GATEWAY, "http_sms_secret": "s", name: "http://10.0.0.1/send"}
    assert getattr(read(**clear), name) == "http://10.0.0.1/send"
    with pytest.raises(SettingsError, match=f"CHRONICCARE_{name.upper()}: must be https"):
        read(PRODUCTION, **clear)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aws_region", "Virginia"),
        ("sms_max_price", "1,50"),
        ("sms_max_price", "100"),
        ("sms_origination", "+1 206 555"),
        ("sms_configuration_set", "a b"),
        ("ses_configuration_set", "x" * 65),
        ("provider_connections", "0"),
    ],
)
def test_a_value_that_aws_would_refuse_is_refused_here(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"CHRONICCARE_{name.upper()}"):
        read(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sms_driver", "pigeon", "must be one of outbox, null, aws, sns, http"),
        ("sms_driver", "aws:80,ses:20", "must be one of"),
        ("sms_driver", "aws:80,aws:20", "names aws twice"),
        ("sms_driver", "aws:0,http:1", "must be 1 to 100"),
        ("sms_driver", "aws:101,http:1", "must be 1 to 100"),
        ("sms_driver", "aws:-1", "must be one of"),
        ("sms_driver", "aws;http", "must be one of"),
        ("sms_driver", "aws,", "must be one of"),
        ("sms_driver", "", "must be one of"),
        ("email_driver", "smtp:90,outbox:10", "stand alone"),
        ("push_driver", "sns,null", "stand alone"),
        ("sms_parts_per_second", "1001", "must be 0 to 1000"),
        ("sms_parts_per_second", "aws:2,pigeon:1", "must be one of"),
        ("sms_parts_per_second", "aws", "must be a number"),
        ("sms_parts_per_second", "-1", "must be a number"),
        ("sms_parts_per_second", "\u0663", "must be a number"),
        ("sender_processes", "0", "greater than or equal to 1"),
    ],
)
def test_a_list_of_drivers_that_cannot_be_read_is_refused(
    name: str, value: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=f"CHRONICCARE_{name.upper()}: .*{words}"):
        read(**{name: value})


def test_each_driver_of_a_list_needs_what_it_needs_alone() -> None:
    both = {**AWS, **GATEWAY, "sms_driver": "aws:80,http:20"}
    assert drivers(read(**both), "sms") == {"aws": 80, "http": 20}
    assert drivers(read(**{**both, "sms_driver": "http"}), "sms") == {"http": 100}
    for missing in ("aws_region", "sms_origination", "http_sms_url"):
        with pytest.raises(SettingsError, match=f"CHRONICCARE_{missing.upper()}: needed because"):
            read(**{name: value for name, value in both.items() if name != missing})
    with pytest.raises(SettingsError, match="CHRONICCARE_SMTP_URL"):
        read(**SES | {"email_driver": "ses:1,smtp:1"})
    with pytest.raises(SettingsError, match="CHRONICCARE_SMS_ORIGINATION"):
        read(**both | {"sms_driver": "aws,sns", "sms_origination": "pool-0123456789abcdef"})


def test_sns_takes_no_pool_for_a_sender() -> None:
    sns = {"sms_driver": "sns", "aws_region": "us-east-1"}
    for sender in ("", "+12065550100", "CLINIC"):
        assert read(**sns, sms_origination=sender).sms_origination == sender
    with pytest.raises(SettingsError, match="CHRONICCARE_SMS_ORIGINATION"):
        read(**sns, sms_origination="pool-0123456789abcdef")


def test_ses_needs_a_sender_as_smtp_does() -> None:
    with pytest.raises(SettingsError, match="CHRONICCARE_EMAIL_FROM"):
        read(**SES, email_from="two@oak.example, more@oak.example")
    with pytest.raises(SettingsError, match=r"example\.com is nobody's"):
        read(
            PRODUCTION,
            **SES,
            ses_configuration_set="events",
            email_from="Clinic <noreply@example.com>",
        )


def test_a_secret_is_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        read(PRODUCTION, **{**GATEWAY, "http_sms_url": "nowhere"}, http_sms_secret="hush")
    assert "hush" not in str(caught.value)
    assert "hush" not in repr(read(**GATEWAY, http_sms_secret="hush"))
