"""Countries, prices and who fits, on paper."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.notifications.spend import rules
from chroniccare.notifications.spend.rules import Cost, Limits, Used, Wish

AT = datetime(2031, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+14155550100", "US"),
        ("+14165550100", "CA"),
        ("+18765551234", "JM"),
        ("+17875551234", "PR"),
        ("+4915112345678", "DE"),
        ("+77011234567", "KZ"),
        ("+79161234567", "RU"),
        ("+447400123456", "GB"),
        ("+447911123456", "GG"),
        ("+88216123456", "ZZ"),  # a satellite's
        ("+19995550100", "ZZ"),
        ("+1", "ZZ"),
        ("", "ZZ"),
    ],
)
def test_a_number_has_a_country(number: str, country: str) -> None:
    assert rules.country_of(number) == country
    assert rules.country_of(number) == country, "the same from memory"
    assert rules.known_country(country)


def test_a_country_is_remembered_by_area_and_not_by_the_first_that_came() -> None:
    assert rules.country_of("+12045550100") == "CA"
    assert rules.country_of("+12055550100") == "US"


@pytest.mark.parametrize(
    ("number", "countries", "may"),
    [
        ("+14155550100", None, True),
        ("+14155550100", {"US": {}}, True),
        ("+18765551234", {"US": {}}, False),
        ("+14155550100", {}, False),
        ("+88216123456", {"US": {}}, False),
    ],
)
def test_sms_go_where_they_are_allowed(
    number: str, countries: dict[str, dict[str, int]] | None, may: bool
) -> None:
    assert rules.allowed(number, countries) is may


def test_a_price_is_the_countrys_or_the_general_one_or_none() -> None:
    def micros(price: int | None, own: int | None) -> int:
        countries = {"US": {"segment_micros": own}}
        return rules.cost(
            "x" * 161, "+14155550100", countries=countries, segment_micros=price
        ).micros

    assert (micros(7_900, 100), micros(7_900, None), micros(None, None)) == (200, 15_800, 0)
    assert micros(7_900, 0) == 0


def test_money_adds_up_exactly() -> None:
    assert rules.micros_of(0.0079) == 7900
    assert rules.amount_of(7900 * 3) == 0.0237
    assert (rules.micros_of(None), rules.amount_of(None)) == (None, None)


@pytest.mark.parametrize(
    ("at", "month", "day"),
    [
        (AT, (2031, 4, 1), (2031, 3, 5)),
        (datetime(2031, 12, 31, 23, 59, 59, tzinfo=UTC), (2032, 1, 1), (2032, 1, 1)),
        (datetime(2032, 2, 29, tzinfo=UTC), (2032, 3, 1), (2032, 3, 1)),
    ],
)
def test_what_is_refused_waits_for_the_next_month_or_day(
    at: datetime, month: tuple[int, int, int], day: tuple[int, int, int]
) -> None:
    assert rules.until("budget", at) == datetime(*month, tzinfo=UTC)
    assert rules.until("country_limit", at) == datetime(*day, tzinfo=UTC)


def test_months_are_counted_back_over_new_year() -> None:
    assert rules.months_back(date(2031, 2, 1), 2) == date(2030, 12, 1)
    assert rules.months_back(date(2030, 12, 1), -1) == date(2031, 1, 1)
    assert rules.name_of(date(2031, 3, 1)) == "2031-03"


def wish(number: int, segments: int = 1, *, urgent: bool = False, at: int = 0) -> Wish:
    cost = Cost(segments, segments * 10, "US")
    return Wish(UUID(int=number), cost, urgent, AT + timedelta(minutes=at))


def test_the_urgent_go_first_then_those_meant_for_earlier() -> None:
    wishes = [wish(1, at=2), wish(2, at=1), wish(3, at=3, urgent=True)]
    refused = rules.admit(Limits(2), Used(), wishes)
    assert refused == {UUID(int=1): "budget"}


def test_a_short_one_may_fit_behind_a_long_one() -> None:
    refused = rules.admit(Limits(2), Used(), [wish(1), wish(2, 2), wish(3)])
    assert refused == {UUID(int=2): "budget"}


def test_the_brake_of_a_country_holds_the_urgent_too() -> None:
    limits = Limits(daily_segments=1, countries={"US": {"daily_segments": None}, "CA": {}})
    refused = rules.admit(limits, Used(today={"US": 1}), [wish(1, urgent=True)])
    assert refused == {UUID(int=1): "country_limit"}
    assert rules.admit(limits, Used(today={"CA": 1}), [wish(1)]) == {}


@pytest.mark.parametrize(
    ("limits", "share"),
    [
        (Limits(), None),
        (Limits(10), 40.0),
        (Limits(10, 50), 80.0),
        (Limits(0), 100.0),
        (Limits(daily_segments=1), None),
    ],
)
def test_the_share_is_that_of_the_tighter_limit(limits: Limits, share: float | None) -> None:
    assert rules.percent(limits, Used(4, 40)) == share


@pytest.mark.parametrize(
    ("limits", "bind"),
    [
        (Limits(), False),
        (Limits(countries={"US": {"daily_segments": None}}), False),
        (Limits(countries={"US": {"daily_segments": 0}}), True),
        (Limits(monthly_segments=0), True),
        (Limits(monthly_micros=0), True),
        (Limits(daily_segments=0), True),
    ],
)
def test_only_limits_make_batches_wait(limits: Limits, bind: bool) -> None:
    assert limits.bind is bind


_SOME = st.none() | st.integers(0, 40)
WISHES = st.lists(
    st.tuples(st.integers(1, 9), st.booleans(), st.integers(0, 9), st.sampled_from(["US", "CA"])),
    max_size=20,
)


@given(_SOME, _SOME, _SOME, st.integers(0, 20), WISHES)
def test_no_limit_is_passed_but_by_the_urgent_and_nothing_is_held_in_vain(
    monthly: int | None, money: int | None, daily: int | None, before: int,
    wanted: list[tuple[int, bool, int, str]],
) -> None:  # fmt: skip
    limits = Limits(monthly, money, daily_segments=daily)
    used = Used(before, before, {"US": before})
    wishes = [
        Wish(UUID(int=n), Cost(size, size, country), urgent, AT + timedelta(minutes=at))
        for n, (size, urgent, at, country) in enumerate(wanted)
    ]
    refused = rules.admit(limits, used, wishes)
    let = [one for one in wishes if one.id not in refused]
    assert used.segments == before + sum(one.cost.segments for one in let)
    assert used.micros == before + sum(one.cost.micros for one in let)
    normal = any(not one.urgent for one in let)
    for limit, total in ((monthly, used.segments), (money, used.micros)):
        assert limit is None or total <= limit or not normal
    for one in wishes:
        today = used.today.get(one.cost.country, 0)
        # With the room that is left now, which is no more than there was, it would not fit.
        if refused.get(one.id) == "country_limit":
            assert daily is not None
            assert today + one.cost.segments > daily
        elif one.id in refused:
            assert not one.urgent
            assert any(
                limit is not None and total + one.cost.segments > limit
                for limit, total in ((monthly, used.segments), (money, used.micros))
            )
        else:
            assert daily is None or today <= daily
