"""Wire shapes of notification preferences."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from chroniccare.core.fields import Instant, Line, WallTime, Wire, distinct
from chroniccare.notifications.rules_categories import Category
from chroniccare.notifications.schemas import Channel

Channels = Annotated[
    list[Channel],
    Field(
        max_length=3, description="Channels in the order to try; empty: see there.",
        examples=[["sms", "email"]],
    ),
    AfterValidator(distinct),
]  # fmt: skip
Reason = Literal[
    "patient_inactive",
    "goes_to_proxy",
    "proxy_inactive",
    "category_off",
    "channel_not_wanted",
    "no_consent",
    "no_contact_point",
    "opted_out",
]


class Consents(Wire):
    """What was said about each channel; null: nothing, which lets care be written about."""

    sms: Annotated[bool | None, Field(description="Consent to SMS.", examples=[True])] = None
    email: Annotated[bool | None, Field(description="Consent to email.", examples=[True])] = None
    push: Annotated[bool | None, Field(description="Consent to push.", examples=[None])] = None


class QuietHours(Wire):
    """Local time of day in which nothing that can wait is sent, over midnight if end < start."""

    start: Annotated[WallTime, Field(description="First minute.", examples=["20:00"])]
    end: Annotated[WallTime, Field(description="Minute after the last.", examples=["09:00"])]


class Choice(Wire):
    """What a patient chose for one category of messages."""

    category: Annotated[Category, Field(description="What they are about.", examples=["refills"])]
    enabled: Annotated[bool, Field(description="False: nothing of it is sent.")] = True
    channels: Annotated[
        Channels, Field(description="Channels for it, in order; empty: those for everything.")
    ] = []


def _once_each(choices: list[Choice]) -> list[Choice]:
    distinct([choice.category for choice in choices])
    return choices


def _some(hours: QuietHours | None) -> QuietHours | None:
    if hours is not None and hours.start == hours.end:
        raise PydanticCustomError("range", "must not begin and end at the same time")
    return hours


class PreferencesWrite(Wire):
    """What a patient wants, as a client writes it; a channel or category left out is unsaid."""

    channels: Annotated[
        Channels, Field(description="For everything, in order; empty: SMS, then email.")
    ]
    consents: Annotated[Consents, Field(description="Consent by channel.")]
    categories: Annotated[
        list[Choice],
        Field(max_length=6, description="Choices; categories left out are on."),
        AfterValidator(_once_each),
    ]
    quiet_hours: Annotated[
        QuietHours | None,
        Field(description="The patient's own, besides those of the clinic and the law."),
        AfterValidator(_some),
    ] = None
    drug_names: Annotated[
        bool,
        Field(description="Name the drugs in their reminders, also where others may read along."),
    ] = False


class ResubscribeWrite(Wire):
    """Somebody wants to be written to again."""

    channel: Annotated[Channel, Field(description="The channel.", examples=["sms"])]
    because: Annotated[
        Line,
        Field(
            description="How they asked for it; kept as evidence.",
            examples=["asked at the front desk, form signed"],
        ),
    ]


class ByChannel(Wire):
    """Whether a message may go out by a channel now."""

    channel: Annotated[Channel, Field(description="The channel.", examples=["sms"])]
    allowed: Annotated[bool, Field(description="It may.")]
    reason: Annotated[Reason | None, Field(description="Why it may not.", examples=["no_consent"])]


class EffectiveCategory(Choice):
    """A choice, and what follows from it and everything else."""

    by_channel: Annotated[
        list[ByChannel], Field(description="Every channel; those wanted first, in order.")
    ]
    goes_to: Annotated[
        list[UUID], Field(description="Related persons who receive it in the patient's place.")
    ]


class Stretch(QuietHours):
    """Quiet hours and whose they are."""

    source: Annotated[
        Literal["clinic", "law", "patient"], Field(description="Whose.", examples=["clinic"])
    ]


class OpenHours(QuietHours):
    """Local hours of a day in which messages may go out."""


class OutreachHours(Wire):
    """When messages that invite may go out, by the law of the country; null: not that day."""

    weekdays: Annotated[OpenHours, Field(description="Monday to Friday.")]
    saturday: Annotated[OpenHours | None, Field(description="Saturday.")]
    sunday: Annotated[OpenHours | None, Field(description="Sunday.")]
    on_holidays: Annotated[bool, Field(description="Public holidays are days as any other.")]


class OptOut(Wire):
    """An address of the patient, or of a related person, that must not be written to."""

    id: Annotated[UUID, Field(description="Entry of the opt-out list.")]
    channel: Annotated[Channel, Field(description="The channel.", examples=["sms"])]
    address: Annotated[str, Field(description="The address.", examples=["+14155550100"])]
    reason: Annotated[str, Field(description="Why, as a code.", examples=["opted_out"])]
    created_at: Annotated[Instant, Field(description="UTC instant since when.")]


class ProxyCategory(Wire):
    """Whether a related person gets a category."""

    category: Annotated[Category, Field(description="The category.", examples=["appointments"])]
    by_channel: Annotated[list[ByChannel], Field(description="Every channel.")]


class EffectiveProxy(Wire):
    """A related person who receives messages."""

    id: Annotated[UUID, Field(description="The related person.")]
    name: Annotated[str, Field(description="Their name.", examples=["Lucia Gonzalez"])]
    relationship: Annotated[str, Field(description="What they are.", examples=["daughter"])]
    receives: Annotated[
        Literal["besides", "instead"], Field(description="With the patient or in their place.")
    ]
    is_current: Annotated[bool, Field(description="Active, and in the period, today.")]
    country: Annotated[str, Field(description="Country whose rules hold.", examples=["US"])]
    categories: Annotated[list[ProxyCategory], Field(description="What they receive.")]


class Preferences(Wire):
    """What a patient chose, and what follows from it: as delivery would decide now."""

    patient_id: Annotated[UUID, Field(description="The patient.")]
    version: Annotated[int, Field(description="The patient's version; the ETag.", examples=[1])]
    reachable: Annotated[
        bool, Field(description="False: inactive or has died; nothing is sent, to nobody.")
    ]
    language: Annotated[str, Field(description="BCP 47 tag for messages.", examples=["en"])]
    time_zone: Annotated[str, Field(description="Where they live.", examples=["America/New_York"])]
    country: Annotated[
        str, Field(description="Where they are: of the phone, else the address.", examples=["US"])
    ]
    country_pack: Annotated[str, Field(description="Whose rules hold.", examples=["US"])]
    channels: Annotated[Channels, Field(description="For everything, in order.")]
    consents: Annotated[Consents, Field(description="Consent by channel.")]
    quiet_hours: Annotated[QuietHours | None, Field(description="The patient's own.")]
    drug_names: Annotated[bool, Field(description="Reminders name the drugs.", examples=[False])]
    effective_quiet_hours: Annotated[
        list[Stretch], Field(description="All that hold for messages that can wait.")
    ]
    outreach_hours: Annotated[OutreachHours, Field(description="For messages that invite.")]
    categories: Annotated[list[EffectiveCategory], Field(description="All six.")]
    opt_outs: Annotated[list[OptOut], Field(description="Addresses that are barred.")]
    related_persons: Annotated[list[EffectiveProxy], Field(description="Who else receives.")]
