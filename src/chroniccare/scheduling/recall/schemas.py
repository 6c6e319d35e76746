"""Wire shapes of recalls."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Day, Instant, Name, Prose, Wire, Word

Status = Literal["open", "closed"]
Outcome = Literal["agreed_to_visit", "remind_to_call_later", "no_answer", "removed"]
Removal = Literal[
    "already_visited",
    "not_responding",
    "refused",
    "invalid_number",
    "public_transfer",
    "private",
    "moved",
    "dead",
    "other",
]
ClosedReason = Literal[
    "already_visited",
    "not_responding",
    "refused",
    "invalid_number",
    "public_transfer",
    "private",
    "moved",
    "dead",
    "other",
    "returned",
    "patient_deceased",
    "patient_inactive",
    "patient_removed",
]
Days = Annotated[int, Field(ge=0, le=365)]
Worker = Annotated[
    Name,
    Field(
        description="Name of the person who calls; one key may serve many people.",
        examples=["Nurse Okafor"],
    ),
]


class RecallWrite(Wire):
    """A recall as a client writes it."""

    patient_id: Annotated[UUID, Field(description="Who is due back; cannot be changed later.")]
    provider_id: Annotated[
        UUID | None, Field(description="Who should see the patient, if it matters.")
    ] = None
    facility_id: Annotated[
        UUID | None, Field(description="Where; days are in its zone, else in the patient's.")
    ] = None
    appointment_type: Annotated[
        Word, Field(description="Kind of visit that is due.", examples=["follow_up"])
    ]
    reason: Annotated[
        Prose | None, Field(description="Why, in words.", examples=["HbA1c after three months"])
    ] = None
    due_on: Annotated[
        Day, Field(description="Local day on which the patient is due.", examples=["2026-12-01"])
    ]
    high_risk: Annotated[
        bool, Field(description="True comes first on the worklist.", examples=[False])
    ] = False
    remind_on: Annotated[
        Day | None,
        Field(description="Local day before which nobody calls.", examples=["2026-12-08"]),
    ] = None


class Recall(Wire):
    """A recall as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    patient_id: Annotated[UUID, Field(description="Who is due back.")]
    provider_id: Annotated[UUID | None, Field(description="Who should see the patient.")]
    facility_id: Annotated[UUID | None, Field(description="Where.")]
    appointment_type: Annotated[str, Field(description="Kind of visit that is due.")]
    reason: Annotated[str | None, Field(description="Why, in words.")]
    due_on: Annotated[Day, Field(description="Local day on which the patient is due.")]
    time_zone: Annotated[str, Field(description="IANA zone in which the days are days.")]
    high_risk: Annotated[bool, Field(description="True comes first on the worklist.")]
    status: Annotated[Status, Field(description="Whether the patient is still due.")]
    closed_reason: Annotated[
        ClosedReason | None,
        Field(description="Why it was closed; `returned` and `patient_...` by itself."),
    ]
    closed_at: Annotated[Instant | None, Field(description="UTC instant at which it was closed.")]
    source: Annotated[
        Literal["staff", "no_show", "cancelled"],
        Field(description="Who opened it: staff, or the loop for a visit that was missed."),
    ]
    source_appointment_id: Annotated[UUID | None, Field(description="The visit that was missed.")]
    remind_on: Annotated[Day | None, Field(description="Local day before which nobody calls.")]
    claimed_until: Annotated[
        Instant | None, Field(description="UTC instant until which somebody is calling.")
    ]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]


class CardPatient(Wire):
    """Whom to call."""

    id: Annotated[UUID, Field(description="The patient.")]
    first_name: Annotated[str, Field(description="Given name.")]
    last_name: Annotated[str, Field(description="Family name.")]
    age: Annotated[int, Field(description="Completed years of life.", examples=[64])]
    language: Annotated[str, Field(description="BCP 47 tag.", examples=["en"])]
    phone: Annotated[
        str | None,
        Field(
            description="First number in E.164 that is not an old one.", examples=["+14155550100"]
        ),
    ]


class LastVisit(Wire):
    """The last visit the patient came to."""

    id: Annotated[UUID, Field(description="The visit.")]
    appointment_type: Annotated[str, Field(description="Kind of visit.")]
    scheduled_start: Annotated[Instant, Field(description="UTC instant.")]


class Call(Wire):
    """One call and what came of it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    called_by: Annotated[str, Field(description="Who called.")]
    outcome: Annotated[Outcome, Field(description="What came of it.")]
    removed_reason: Annotated[Removal | None, Field(description="Why it was closed.")]
    remind_on: Annotated[Day | None, Field(description="Local day from which to call again.")]
    note: Annotated[str | None, Field(description="In words.")]
    called_at: Annotated[Instant, Field(description="UTC instant at which it was written.")]


class Card(Recall):
    """A recall with what the person who calls must know."""

    days_overdue: Annotated[
        int | None,
        Field(description="Local days since due_on, below 0 before it; null when closed."),
    ]
    patient: Annotated[CardPatient, Field(description="Whom to call.")]
    last_visit: Annotated[LastVisit | None, Field(description="The last visit, if any.")]
    last_call: Annotated[Call | None, Field(description="The last call of this recall, if any.")]


class CardWithCalls(Card):
    """A card with the calls made for it."""

    calls: Annotated[list[Call], Field(description="The last 100, the latest first.")]


class Claim(Wire):
    """Who wants to call, and whom."""

    worker: Worker
    recall_id: Annotated[
        UUID | None,
        Field(description="This one and no other, on the worklist or not; also renews a claim."),
    ] = None
    facility_id: Annotated[UUID | None, Field(description="Only of this facility.")] = None
    provider_id: Annotated[UUID | None, Field(description="Only of this provider.")] = None
    high_risk: Annotated[bool | None, Field(description="Only at high risk, or only not.")] = None
    has_phone: Annotated[bool | None, Field(description="Only with a phone, or only without.")] = (
        None
    )
    overdue_at_least: Annotated[
        Days | None, Field(description="At least so many days overdue.", examples=[1])
    ] = None
    overdue_at_most: Annotated[
        Days | None, Field(description="At most so many days overdue.", examples=[365])
    ] = None


class Release(Wire):
    """Who gives a claim back."""

    worker: Worker


class CallWrite(Wire):
    """What came of a call."""

    worker: Worker
    outcome: Annotated[
        Outcome, Field(description="What came of the call.", examples=["agreed_to_visit"])
    ]
    removed_reason: Annotated[
        Removal | None,
        Field(description="Why nobody shall call again; with `removed`.", examples=[None]),
    ] = None
    remind_on: Annotated[
        Day | None,
        Field(
            description="Local day from which to call again; with `remind_to_call_later`.",
            examples=[None],
        ),
    ] = None
    note: Annotated[
        Prose | None, Field(description="In words.", examples=["Prefers the afternoon"])
    ] = None


class Figure(Wire):
    """A share and what it is made of."""

    numerator: Annotated[int, Field(description="How many of them.", examples=[41])]
    denominator: Annotated[int, Field(description="Of how many.", examples=[100])]
    percent: Annotated[
        float | None, Field(description="With one decimal; null of nothing.", examples=[41.0])
    ]


class OutcomeFigures(Wire):
    """Those whose first call ended in one way."""

    outcome: Annotated[Outcome, Field(description="Of the first call in the period.")]
    called: Annotated[Figure, Field(description="Of those called.")]
    returned: Annotated[Figure, Field(description="Of those whose call ended so.")]


class Report(Wire):
    """What became of those who were overdue when a period began."""

    from_date: Annotated[Day, Field(description="First local day.")]
    to_date: Annotated[Day, Field(description="Last local day.")]
    facility_id: Annotated[UUID | None, Field(description="Only recalls of this facility.")]
    return_days: Annotated[
        int, Field(description="Days of 24 hours within which a patient returns.", examples=[15])
    ]
    overdue: Annotated[int, Field(description="Recalls overdue when the period began.")]
    called: Annotated[Figure, Field(description="Called in the period, of those with a phone.")]
    returned: Annotated[
        Figure, Field(description="Came within return_days of the first call, of those called.")
    ]
    by_outcome: Annotated[
        list[OutcomeFigures], Field(description="The same by the outcome of the first call.")
    ]
