"""Wire shapes of availability: weekly rules, exceptions, holidays, and stranded visits."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from pydantic import StringConstraints as Str

from chroniccare.core.fields import (
    ClockTime,
    Day,
    Instant,
    Language,
    Line,
    Prose,
    WallTime,
    Wire,
)
from chroniccare.facilities.schemas import Facility
from chroniccare.providers.schemas import Provider
from chroniccare.scheduling.slots.schemas import Slot

MAX_RULES = 200
MAX_NAMED = 200
MAX_RELEASE_MINUTES = 43_200

Minutes = Annotated[int, Field(ge=5, le=1440)]
Choice = Literal["keep", "move", "cancel"]


class StrandedVisit(Wire):
    """A booked visit that lies outside the hours that can be booked, once they change."""

    appointment_id: Annotated[UUID, Field(description="The visit.")]
    provider_id: Annotated[UUID, Field(description="With whom.")]
    facility_id: Annotated[UUID, Field(description="Where.")]
    scheduled_start: Annotated[Instant, Field(description="UTC instant, before the change.")]
    scheduled_end: Annotated[Instant, Field(description="UTC instant, before the change.")]
    outcome: Annotated[
        Literal["stranded", "kept", "moved", "not_moved", "cancelled"],
        Field(
            description="What became of it; `stranded`: nothing was changed; `not_moved`: there"
            " is no time to move it to, so it was kept.",
            examples=["kept"],
        ),
    ]
    moved_to: Annotated[Instant | None, Field(description="UTC instant of its new start.")] = None
    moved_to_facility_id: Annotated[UUID | None, Field(description="Where it is then.")] = None


class Preview(Wire):
    """What a change would strand, or has stranded."""

    stranded: Annotated[list[StrandedVisit], Field(description="Visits by start.")]


_Stranded = Annotated[
    list[StrandedVisit],
    Field(description="Visits that the change left outside the hours; absent when there are none."),
]


class RuleWrite(Wire):
    """One weekly range, in the facility's time zone, as a client writes it."""

    facility_id: Annotated[UUID, Field(description="Where; the provider must work there.")]
    day_of_week: Annotated[
        int,
        Field(
            ge=0,
            le=6,
            description="Day on which the range starts: 0 is Sunday, 6 Saturday.",
            examples=[1],
        ),
    ]
    start_time: Annotated[
        WallTime, Field(description="Wall-clock time, 24 hours.", examples=["09:00"])
    ]
    end_time: Annotated[
        ClockTime,
        Field(
            description="Wall-clock time; 24:00 is midnight. At or before `start_time` it lies on"
            " the next day.",
            examples=["17:00"],
        ),
    ]
    slot_duration: Annotated[
        Minutes, Field(description="Minutes between the starts of visits.", examples=[30])
    ] = 30
    is_available: Annotated[
        bool, Field(description="False: the range is set aside, nothing can be booked in it.")
    ] = True
    effective_from: Annotated[
        Day, Field(description="First day on which a range may start.", examples=["2026-01-01"])
    ]
    effective_until: Annotated[
        Day | None, Field(description="Last such day; null for no end.", examples=["2026-12-31"])
    ] = None
    reserved_for: Annotated[
        Literal["high", "urgent"] | None,
        Field(
            description="The range is kept for visits at least that urgent; null for any visit.",
            examples=["urgent"],
        ),
    ] = None
    release_minutes: Annotated[
        int | None,
        Field(
            ge=0,
            le=MAX_RELEASE_MINUTES,
            description="How long before its time anybody may have what is kept, in minutes;"
            " null for never. Only with `reserved_for`.",
            examples=[120],
        ),
    ] = None


class Rule(RuleWrite):
    """One weekly range as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7; a new one each time rules are put.")]


class AvailabilityWrite(Wire):
    """A provider's whole week, as a client writes it."""

    rules: Annotated[
        list[RuleWrite],
        Field(max_length=MAX_RULES, description="Every weekly range; they must not overlap."),
    ]


class Availability(Wire):
    """A provider's whole week, as the API answers it."""

    rules: Annotated[list[Rule], Field(description="Weekly ranges by day and start.")]


class AvailabilityShown(Availability):
    """A provider's whole week, and their free times if dates were given."""

    slots: Annotated[
        list[Slot] | None, Field(description="Free times by start; null without a date.")
    ]


class AvailabilityChanged(Availability):
    """A provider's whole week, and the visits that it left outside."""

    stranded: _Stranded = []


class FacilityExceptionWrite(Wire):
    """A closed day, a part of a day, or opening hours beyond the weekly ones."""

    day: Annotated[
        Day, Field(description="Day on the facility's calendar.", examples=["2026-12-24"])
    ]
    start_time: Annotated[
        WallTime | None,
        Field(
            description="Wall-clock time, 24 hours; null, and end_time too: the whole day.",
            examples=["13:00"],
        ),
    ] = None
    end_time: Annotated[
        ClockTime | None,
        Field(
            description="Wall-clock time; 24:00 is midnight. At or before `start_time` it lies on"
            " the next day.",
            examples=["17:00"],
        ),
    ] = None
    is_available: Annotated[
        bool, Field(description="False takes the time off; true adds it to the week.")
    ] = False
    reason: Annotated[
        Prose | None, Field(description="Why, for the staff.", examples=["Conference"])
    ] = None


class ExceptionWrite(FacilityExceptionWrite):
    """Time off, or hours beyond the weekly ones, of a provider on one day."""

    facility_id: Annotated[
        UUID | None,
        Field(description="Where; null is everywhere, which only time off can be."),
    ] = None


class DayException(ExceptionWrite):
    """Time off, a closed day or extra hours, as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]


class ExceptionMade(DayException):
    """An exception that was just made, and the visits that it left outside."""

    stranded: _Stranded = []


class ProviderChanged(Provider):
    """A provider, and the visits that they do not hold any more."""

    stranded: _Stranded = []


class FacilityChanged(Facility):
    """A facility, and the visits that its new hours left outside."""

    stranded: _Stranded = []


Country = Annotated[str, Str(pattern=r"^[A-Z]{2}$")]
Subdivision = Annotated[str, Str(pattern=r"^[A-Za-z0-9]{1,10}$")]


class Holiday(Wire):
    """One public holiday."""

    day: Annotated[date, Field(description="Local date.", examples=["2026-12-25"])]
    name: Annotated[str, Field(description="Its name.", examples=["Christmas Day"])]


class Holidays(Wire):
    """Public holidays."""

    holidays: Annotated[list[Holiday], Field(description="By day; observed days included.")]


class HolidayImport(Wire):
    """Which public holidays close a facility."""

    country: Annotated[Country, Field(description="ISO 3166-1 alpha-2 code.", examples=["US"])]
    subdivision: Annotated[
        Subdivision | None,
        Field(description="State or province, as ISO 3166-2 has it.", examples=["NY"]),
    ] = None
    from_date: Annotated[Day, Field(description="First day.", examples=["2027-01-01"])]
    to_date: Annotated[
        Day, Field(description="Last day, at most three years ahead.", examples=["2027-12-31"])
    ]
    only: Annotated[
        list[Line] | None,
        Field(
            max_length=MAX_NAMED,
            description="Leave out all but these days or names.",
            examples=[["2027-12-25", "Labor Day"]],
        ),
    ] = None
    except_: Annotated[
        list[Line],
        Field(
            alias="except",
            max_length=MAX_NAMED,
            description="Leave out these days or names.",
            examples=[["Columbus Day"]],
        ),
    ] = []
    language: Annotated[
        Language | None,
        Field(description="Language of the names; the country's own unless told.", examples=["en"]),
    ] = None


class Skipped(Holiday):
    """A holiday that was not written."""

    reason: Annotated[
        Literal["closed", "past"],
        Field(description="`closed`: an exception closes the day already.", examples=["closed"]),
    ]


class HolidaysImported(Wire):
    """What an import of holidays wrote, and what it did not."""

    written: Annotated[list[DayException], Field(description="Closed days made, by day.")]
    skipped: Annotated[list[Skipped], Field(description="Days left as they are, by day.")]
    stranded: _Stranded = []
