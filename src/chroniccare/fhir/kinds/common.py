"""Parameters that every type has, and small helpers for the others."""

from pydantic_core import PydanticCustomError

from chroniccare.core.fields import email_address, phone_to_e164
from chroniccare.fhir import kept
from chroniccare.fhir.parameters import Date, Ids, Parameter


def every(id_: str, updated: str, *, keeps: bool = False) -> tuple[Parameter, ...]:
    """Return the parameters that each type has, of a record with these expressions.

    `keeps` says that what no column holds is kept beside the record: its tags and profiles, say.
    """
    return (
        *kept.of_meta(id_ if keeps else None),
        Ids(name="_id", expression=id_, sort=(id_, "uuid")),
        Date(name="_lastUpdated", expression=updated, sort=(updated, "timestamptz")),
    )


BOOLEAN = {"true": (True,), "false": (False,)}


def phone(value: str) -> str | None:
    """Return a phone number as it is stored; without a country's digits, as one of the US."""
    try:
        return phone_to_e164(value, "US")
    except PydanticCustomError:
        return None


def email(value: str) -> str | None:
    """Return an email address as it is stored."""
    try:
        return email_address(value)
    except PydanticCustomError:
        return None
