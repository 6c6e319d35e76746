"""Wire shapes of limits and of what was spent. Money is in the tenant's currency, not in cents."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator

from chroniccare.core.fields import Instant, Wire, distinct

GroupBy = Literal["day", "country"]

_Segments = Annotated[int, Field(ge=0, description="Segments.", examples=[1840])]
_Amount = Annotated[float, Field(ge=0, description="What they cost.", examples=[14.54])]
Country = Annotated[
    str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2 code.", examples=["US"])
]
MonthName = Annotated[str, Field(description="UTC month.", examples=["2031-03"])]
_Price = Field(ge=0, le=100, description="Price of one segment.", examples=[0.0079])


class CountryLimit(Wire):
    """A country that SMS may go to."""

    country: Country
    daily_segments: Annotated[
        int | None,
        Field(
            ge=0, le=1_000_000_000, examples=[2000],
            description="Most segments of a UTC day; null: the general limit of a country.",
        ),
    ] = None  # fmt: skip
    segment_price: Annotated[float | None, _Price] = None


class LimitsWrite(Wire):
    """What may be spent on SMS; null is no limit."""

    monthly_segments: Annotated[
        int | None,
        Field(ge=0, le=1_000_000_000, description="Segments of a UTC month.", examples=[20000]),
    ]
    monthly_amount: Annotated[
        float | None,
        Field(ge=0, le=1_000_000_000, description="Cost of a UTC month.", examples=[150.0]),
    ]
    currency: Annotated[
        str,
        Field(
            pattern=r"^[A-Z]{3}$", examples=["USD"],
            description="ISO 4217 code in which amounts and prices are meant.",
        ),
    ] = "USD"  # fmt: skip
    alert_percent: Annotated[
        int, Field(ge=1, le=99, description="Share of a limit that is told.", examples=[80])
    ] = 80
    daily_segments: Annotated[
        int | None,
        Field(
            ge=0, le=1_000_000_000, examples=[5000],
            description="Most segments to one country in a UTC day, also urgent ones.",
        ),
    ] = None  # fmt: skip
    countries: Annotated[
        list[CountryLimit] | None,
        Field(
            max_length=250,
            description="Countries that SMS may go to; null: those of the facilities.",
        ),
    ] = None
    segment_price: Annotated[float | None, _Price] = None

    @field_validator("countries")
    @classmethod
    def _each_once(cls, countries: list[CountryLimit] | None) -> list[CountryLimit] | None:
        distinct([one.country for one in countries or []])
        return countries


class Limits(Wire):
    """What may be spent on SMS."""

    monthly_segments: Annotated[int | None, Field(description="Segments of a UTC month.")]
    monthly_amount: Annotated[float | None, Field(description="Cost of a UTC month.")]
    currency: Annotated[str, Field(description="ISO 4217 code.", examples=["USD"])]
    alert_percent: Annotated[int, Field(description="Share of a limit that is told.")]
    daily_segments: Annotated[
        int | None, Field(description="Most segments to one country in a UTC day.")
    ]
    countries: Annotated[
        list[CountryLimit] | None,
        Field(description="Countries that were set; null: those of the facilities."),
    ]
    segment_price: Annotated[
        float | None, Field(description="Price of one segment; null: the operator's.")
    ]
    allowed_countries: Annotated[
        list[Country] | None,
        Field(
            description="Where SMS may go as things stand; null: anywhere, because neither "
            "countries nor a facility's address are known."
        ),
    ]
    version: Annotated[int, Field(ge=0, description="0: nothing was set yet.", examples=[1])]
    updated_at: Annotated[Instant | None, Field(description="UTC instant of the last change.")]


class Month(Wire):
    """What a UTC month took."""

    month: MonthName
    messages: Annotated[int, Field(ge=0, description="SMS.", examples=[1712])]
    segments: Annotated[int, Field(ge=0, description="Reserved and settled.", examples=[1840])]
    reserved_segments: Annotated[
        int, Field(ge=0, description="Of these, not answered yet or in doubt.", examples=[3])
    ]
    amount: _Amount
    reserved_amount: Annotated[
        float, Field(ge=0, description="Of this, not answered yet or in doubt.", examples=[0.02])
    ]
    alerted_at: Annotated[Instant | None, Field(description="UTC instant of `spend.alert`.")]
    exhausted_at: Annotated[Instant | None, Field(description="UTC instant of `spend.exhausted`.")]


class Outlook(Wire):
    """What the month comes to if what is planned goes out; bookings to come are not guessed."""

    messages: Annotated[int, Field(ge=0, description="SMS planned until then.", examples=[310])]
    segments: Annotated[
        int, Field(ge=0, description="Used, and planned at the usual length.", examples=[2170])
    ]
    amount: Annotated[float, Field(ge=0, description="The same at the usual price.")]


class Spend(Wire):
    """What SMS took this month and in the months before."""

    currency: Annotated[str, Field(description="ISO 4217 code.", examples=["USD"])]
    resets_at: Annotated[Instant, Field(description="UTC instant at which the month ends.")]
    limit_segments: Annotated[int | None, Field(description="Limit of the month.")]
    limit_amount: Annotated[float | None, Field(description="Limit of the month.")]
    percent: Annotated[
        float | None,
        Field(description="Used of the tighter limit; null: no limit.", examples=[81.5]),
    ]
    forecast: Annotated[Outlook, Field(description="What this month comes to.")]
    months: Annotated[list[Month], Field(description="This month and those before it.")]


class Entry(Wire):
    """What went out on a day, or to a country."""

    key: Annotated[
        str,
        Field(description="UTC day, or ISO 3166-1 country (ZZ: none).", examples=["2031-03-04"]),
    ]
    messages: Annotated[int, Field(ge=1, description="SMS.", examples=[77])]
    segments: _Segments
    amount: _Amount


# By alias on the wire: `from` is a word of Python's.
class Entries(Wire):
    """What went out on a stretch of days, by day or by country."""

    from_: Annotated[date, Field(alias="from", description="First UTC day.")]
    to: Annotated[date, Field(description="UTC day before which it ends.")]
    group_by: Annotated[GroupBy, Field(description="What a line stands for.")]
    currency: Annotated[str, Field(description="ISO 4217 code.", examples=["USD"])]
    groups: Annotated[list[Entry], Field(description="In order of their keys.")]
