"""Wire shapes of templates, previews and a clinic's rules of its texts."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Language, Line, Name, Script, Wire, ZoneName
from chroniccare.notifications.schemas import Channel

NotificationType = Literal[
    "appointment_confirmation",
    "appointment_reminder",
    "appointment_rescheduled",
    "appointment_cancelled",
    "waitlist_offer",
    "medication_reminder",
    "refill_reminder",
    "low_adherence",
    "recall",
]
Severity = Literal["error", "warning"]

_Type = Annotated[
    NotificationType, Field(description="What it says.", examples=["appointment_reminder"])
]
_Channel = Annotated[Channel, Field(description="Where it is read.", examples=["sms"])]
_Locale = Annotated[
    Language,
    Field(description="Language it is written in (BCP 47), perhaps with a region.",
          examples=["es-MX"]),
]  # fmt: skip
_Version = Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
_Number = Annotated[int, Field(ge=1, description="1 for the first.", examples=[2])]
_EXAMPLE = (
    "Hello{% if first_name %} {{ first_name }}{% endif %}, see you at {{ clinic }}: {{ when }}."
)
_Text = Annotated[
    Script,
    Field(
        description="Jinja2: text, `{{ variable }}`, `if`, and the filters upper, lower, "
        "capitalize, default, cut. In an email an empty line parts paragraphs.",
        examples=[_EXAMPLE],
    ),
]
_Subject = Annotated[
    Script | None,
    Field(description="The same for the subject; an email needs one.", examples=[None]),
]
_Html = Annotated[
    Script | None,
    Field(
        description="The same for the HTML of an email; made from the text unless given.",
        examples=[None],
    ),
]


class SourceWrite(Wire):
    """A text with variables in it."""

    subject: _Subject = None
    text: _Text
    html: _Html = None


class VersionWrite(SourceWrite):
    """A version as a client writes it; it cannot be changed afterwards."""

    note: Annotated[
        Line | None, Field(description="Why it was written, for staff.", examples=["Shorter."])
    ] = None


class TemplateWrite(VersionWrite):
    """A template and its first version as a client writes them."""

    notification_type: _Type
    channel: _Channel
    locale: _Locale


class Template(Wire):
    """A place for a clinic's own text, one for each type, channel and locale."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    notification_type: _Type
    channel: _Channel
    locale: _Locale
    active_version_id: Annotated[
        UUID | None, Field(description="What is sent; null: the built-in text.")
    ]
    active_number: Annotated[
        int | None, Field(description="The number of that version.", examples=[2])
    ]
    latest_version_id: Annotated[UUID, Field(description="The version written last.")]
    latest_number: _Number
    version: _Version
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]


class Version(Wire):
    """One text as it was written; it never changes."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    template_id: Annotated[UUID, Field(description="Its template.")]
    number: _Number
    subject: _Subject
    text: _Text
    html: _Html
    note: Annotated[
        str | None, Field(description="Why it was written, for staff.", examples=["Shorter."])
    ]
    created_by: Annotated[UUID | None, Field(description="The key or person that wrote it.")]
    created_by_type: Annotated[str, Field(description="Which of them.", examples=["api_key"])]
    created_at: Annotated[Instant, Field(description="UTC instant it was written.")]
    activated_at: Annotated[
        Instant | None, Field(description="UTC instant it was last activated; null: never.")
    ]
    activated_by: Annotated[
        UUID | None, Field(description="The key or person that activated it last.")
    ]
    activated_by_type: Annotated[
        str | None, Field(description="Which of them.", examples=["staff"])
    ]
    is_active: Annotated[bool, Field(description="It is what is sent now.")]


class FactsWrite(Wire):
    """What an example speaks of; left out, an example stands for it, and null takes it away."""

    first_name: Annotated[Name | None, Field(description="Patient.", examples=["María"])] = None
    clinic: Annotated[Line | None, Field(description="Facility.", examples=["West"])] = None
    provider: Annotated[
        Line | None, Field(description="Provider as recorded.", examples=["Dr. Jane Doe, MD"])
    ] = None
    credentials: Annotated[
        list[Line], Field(max_length=10, description="Degrees.", examples=[["MD"]])
    ] = []
    starts_at: Annotated[
        Instant | None,
        Field(
            description="What it is about; in a week at 9:30 unless told.",
            examples=["2031-03-04T14:30:00Z"],
        ),
    ] = None
    until: Annotated[
        Instant | None,
        Field(
            description="When an offer ends; 20 hours before unless told.",
            examples=["2031-03-03T18:05:00Z"],
        ),
    ] = None
    time_zone: Annotated[
        ZoneName, Field(description="IANA zone of the times.", examples=["America/New_York"])
    ] = "America/New_York"
    join_link: Annotated[
        Line | None,
        Field(description="Way into a video visit.", examples=["https://video.example.com/r/7"]),
    ] = None
    link: Annotated[
        Line | None,
        Field(description="Where to answer.", examples=["https://clinic.example/offers/Zm9v"]),
    ] = None
    medication: Annotated[
        Line | None, Field(description="Name of a drug.", examples=["Metformin 500 mg"])
    ] = None


class PreviewWrite(Wire):
    """What to look at: a source, a version, or with neither what would be sent now."""

    notification_type: _Type
    channel: _Channel
    locale: Annotated[
        Language,
        Field(description="What the source is written in, or the patient reads.", examples=["es"]),
    ] = "en"
    source: Annotated[SourceWrite | None, Field(description="A text, saved or not.")] = None
    version_id: Annotated[
        UUID | None, Field(description="A version that was written.", examples=[None])
    ] = None
    facts: Annotated[FactsWrite, Field(description="What it speaks of.")] = FactsWrite()


class Finding(Wire):
    """One thing found in a text."""

    field: Annotated[
        Literal["subject", "text", "html"], Field(description="Part.", examples=["text"])
    ]
    line: Annotated[
        int | None, Field(description="Line from 1; null: the whole part.", examples=[1])
    ]
    severity: Annotated[
        Severity,
        Field(description="An error keeps a version from being written.", examples=["warning"]),
    ]
    code: Annotated[str, Field(description="What it is, as a code.", examples=["ucs2"])]
    message: Annotated[str, Field(description="The same in words.", examples=["prints nothing"])]


class Character(Wire):
    """A character that GSM-7 does not have."""

    character: Annotated[str, Field(description="As it stands there.", examples=["í"])]
    rewrite: Annotated[
        str | None, Field(description="What could stand there; null: nothing.", examples=["i"])
    ]


class SmsCost(Wire):
    """What an SMS takes."""

    encoding: Annotated[
        Literal["gsm7", "ucs2"], Field(description="160 or 70 a segment.", examples=["ucs2"])
    ]
    units: Annotated[
        int, Field(ge=0, description="Septets, or 16-bit units of UCS-2.", examples=[113])
    ]
    segments: Annotated[int, Field(ge=1, description="Parts that are charged.", examples=[2])]
    left: Annotated[int, Field(ge=0, description="Units free in the last one.", examples=[21])]
    price: Annotated[
        float | None,
        Field(description="At CHRONICCARE_SMS_SEGMENT_PRICE; null: not set.", examples=[0.0158]),
    ]
    characters: Annotated[list[Character], Field(description="What makes it UCS-2.")]
    plain_text: Annotated[
        str | None,
        Field(description="The same in GSM-7, if that can be; null: it is.", examples=[None]),
    ]
    plain_segments: Annotated[int | None, Field(description="Segments of that.", examples=[1])]


class Preview(Wire):
    """What a patient would read."""

    origin: Annotated[
        Literal["source", "version", "active", "built_in"],
        Field(description="Where the text is from.", examples=["built_in"]),
    ]
    locale: Annotated[str, Field(description="Language of the text.", examples=["es"])]
    version_id: Annotated[UUID | None, Field(description="The version; null: none.")]
    source: Annotated[SourceWrite, Field(description="The text with its variables.")]
    subject: Annotated[
        str | None,
        Field(description="Subject of an email.", examples=["Your visit on Tue, Mar 3"]),
    ]
    text: Annotated[
        str | None,
        Field(description="Text; null: an error keeps it from being made.",
              examples=["Hello Maria, ..."]),
    ]  # fmt: skip
    html: Annotated[str | None, Field(description="HTML of an email.", examples=[None])]
    sms: Annotated[SmsCost | None, Field(description="What an SMS takes; null: no SMS.")]
    findings: Annotated[list[Finding], Field(description="What is wrong, or may be.")]


class VariableShown(Wire):
    """A variable that a template may use."""

    name: Annotated[str, Field(description="Name.", examples=["first_name"])]
    meaning: Annotated[str, Field(description="What it is.", examples=["The day."])]
    example: Annotated[str, Field(description="What it looks like.", examples=["Tue, Mar 3"])]
    optional: Annotated[bool, Field(description="There may be none: ask with if.")]
    in_subject: Annotated[bool, Field(description="The subject of an email may use it as well.")]


class BuiltIn(Wire):
    """A built-in text."""

    locale: Annotated[str, Field(description="Language.", examples=["en"])]
    subject: Annotated[
        str | None, Field(description="Subject of an email.", examples=["Your visit on {{ date }}"])
    ]
    text: Annotated[str, Field(description="Text.", examples=[_EXAMPLE])]


class ChannelOfType(Wire):
    """What a type of message may say on a channel."""

    channel: _Channel
    variables: Annotated[list[VariableShown], Field(description="All that it may show.")]
    built_in: Annotated[list[BuiltIn], Field(description="What holds unless a clinic says else.")]


class MessageType(Wire):
    """A type of message."""

    notification_type: _Type
    meaning: Annotated[str, Field(description="What it tells.", examples=["A visit is near."])]
    channels: Annotated[list[ChannelOfType], Field(description="Each channel.")]


class MessageTypes(Wire):
    """Every type of message."""

    filters: Annotated[list[str], Field(description="Filters of templates.", examples=[["upper"]])]
    types: Annotated[list[MessageType], Field(description="Every type.")]


class MessagePolicyWrite(Wire):
    """A clinic's rules of its texts as a client writes them."""

    default_locale: Annotated[
        Language,
        Field(description="What is read whose language is unknown or not to be had.",
              examples=["en"]),
    ]  # fmt: skip
    max_segments: Annotated[
        int, Field(ge=1, le=10, description="Segments that one SMS may take.", examples=[3])
    ]
    plain_letters: Annotated[
        bool, Field(description="Write `María` as `Maria` where that makes an SMS cheaper.")
    ]
    four_eyes: Annotated[
        bool, Field(description="A version is activated by somebody else than its author.")
    ]
    asks: Annotated[
        Literal["nothing", "reply", "link"] | None,
        Field(
            description="How an SMS about a visit asks for an answer: 1 or 2, a link, or not at "
            "all; null: as the operator has set (`CHRONICCARE_SMS_ASKS`).",
            examples=["reply"],
        ),
    ] = None


class MessagePolicy(MessagePolicyWrite):
    """A clinic's rules of its texts."""

    version: Annotated[int, Field(description="0 for the defaults; the ETag.", examples=[1])]
    updated_at: Annotated[Instant | None, Field(description="UTC instant; null: the defaults.")]
