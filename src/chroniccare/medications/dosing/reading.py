"""How a client says that a drug is taken, in any of three ways, and the one form that is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from chroniccare.core.errors import FieldError, Unprocessable
from chroniccare.medications.dosing import abbreviations, routes, sig, timing, words
from chroniccare.medications.dosing.model import Step
from chroniccare.medications.dosing.said import from_fhir, plain, quantity
from chroniccare.medications.dosing.schemas import Dosage, SigWrite


@dataclass(frozen=True, slots=True)
class Told:
    """What a client says; `dosage` and `frequency` are the seed's texts."""

    instructions: Sequence[Dosage] | None
    sig: str | None
    dosage: str | None
    frequency: str | None
    route: str | None


@dataclass(frozen=True, slots=True)
class Instructions:
    """What it comes to: FHIR Dosages as they are stored, what is planned, and texts."""

    dosages: list[dict[str, Any]]
    steps: tuple[Step, ...]
    dosage: str
    frequency: str
    route: str


def read(told: Told, *, starts_on: date) -> Instructions:
    """Return what is told, with the days of its bounds counted from `starts_on`.

    Raises:
        Unprocessable: it is not understood, says two things, or leaves out what must be known.
    """
    dosages, field = _dosages(told)
    route = _route(told.route, dosages)
    amount = None if told.dosage is None else sig.amount(told.dosage)
    _check_amount(amount, dosages)
    for dosage in dosages:
        dosage.setdefault("route", routes.coded(route))
        if amount is not None and not any("doseAndRate" in one for one in dosages):
            dosage["doseAndRate"] = [{"doseQuantity": quantity(*amount)}]
    stored = timing.normal(dosages, starts_on=starts_on, at=field)
    text = told.dosage or _amount_of(stored[0])
    if text is None:
        raise Unprocessable.field("dosage", "say how much is taken at a time", "missing")
    often = words.timing(stored)
    if told.frequency is not None and field != "frequency":
        _check_frequency(told.frequency, stored)
    return Instructions(
        stored, timing.steps(stored), text, told.frequency or often or "as directed", route
    )


def read_sig(body: SigWrite) -> dict[str, Any]:
    """Return what a sig text says, in FHIR, in words, and what is error-prone in it.

    Raises:
        NotUnderstood: some of it is not known, or could mean two things.
    """
    dosages = sig.read(body.sig)
    if body.route is not None:
        _route(body.route, dosages)
        for dosage in dosages:
            dosage.setdefault("route", routes.coded(body.route))
    return {
        "dosage_instructions": dosages,
        "in_words": in_words(dosages),
        "warnings": abbreviations.warnings(body.sig),
    }


def in_words(dosages: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return Dosages in plain English and Spanish."""
    return {"en": words.say(dosages, "en"), "es": words.say(dosages, "es")}


def document(dosage: Dosage) -> dict[str, Any]:
    """Return a Dosage as JSON that says nothing of what was not given, its whole numbers whole."""
    made = dosage.model_dump(mode="json", by_alias=True, exclude_none=True)
    whole: dict[str, Any] = _whole(made)
    return whole


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items() if one not in ([], {})}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return plain(value) if isinstance(value, float) else value


def _dosages(told: Told) -> tuple[list[dict[str, Any]], str]:
    """Return the Dosages, and the field that they come from."""
    if told.instructions is not None and told.sig is not None:
        raise Unprocessable.field("sig", "give dosage_instructions or sig, not both", "choice")
    if told.instructions is not None:
        return [document(one) for one in told.instructions], "dosage_instructions"
    for field in ("sig", "frequency"):
        text = getattr(told, field)
        if text is not None:
            return sig.read(text, field=field), field
    raise Unprocessable.field(
        "dosage_instructions", "give dosage_instructions, sig or frequency", "missing"
    )


def _route(given: str | None, dosages: Sequence[dict[str, Any]]) -> str:
    said = {routes.named(one["route"]) for one in dosages if "route" in one}
    if None in said:
        number = next(
            place for place, one in enumerate(dosages) if routes.named(one.get("route", {})) is None
        )
        raise Unprocessable.field(
            f"dosage_instructions.{number}.route", "is not one of the routes known here", "route"
        )
    found = {route for route in said if route is not None} | ({given} if given else set())
    if len(found) > 1:
        raise Unprocessable.field("route", "disagrees with the instructions", "route")
    if not found:
        raise Unprocessable.field("route", "say by which route", "missing")
    return found.pop()


def _check_amount(amount: tuple[Decimal, str] | None, dosages: Sequence[dict[str, Any]]) -> None:
    """Check that the text of the dosage does not say another amount than the instructions."""
    if amount is None:
        return
    said = [from_fhir(one) for one in dosages if "doseAndRate" in one]
    same = {one.quantity for one in said if one.unit == amount[1]}
    if same and amount[0] not in same:
        raise Unprocessable.field("dosage", "says another amount than the instructions", "dosage")


def _check_frequency(text: str, dosages: Sequence[dict[str, Any]]) -> None:
    """Check that the text of the frequency, where it is understood, is what is stored."""
    try:
        read_ = sig.read(text, field="frequency")
    except Unprocessable:
        return  # a text for people, such as "per protocol"
    names = ("frequency", "period", "periodUnit", "when", "timeOfDay", "dayOfWeek")

    def rates(found: Sequence[dict[str, Any]]) -> list[list[Any]]:
        repeats = [one.get("timing", {}).get("repeat", {}) for one in found]
        return [[repeat.get(name) for name in names[:3]] for repeat in repeats]

    if len(read_) == len(dosages) and rates(read_) != rates(dosages):
        details = [FieldError("frequency", "says another than the instructions", "frequency")]
        raise Unprocessable(details=details)


def _amount_of(dosage: dict[str, Any]) -> str | None:
    said = from_fhir(dosage)
    return None if said.quantity is None else words.amount(said.quantity, said.unit)
