"""docs/templates.md says what the code does."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from chroniccare.notifications.rules import OFFER
from chroniccare.notifications.templates import engine, kinds, making
from chroniccare.notifications.templates.text import Facts, Source

PAGE = (Path(__file__).parents[3] / "docs" / "templates.md").read_text(encoding="utf-8")
AT = datetime(2026, 3, 3, 9, 30, tzinfo=ZoneInfo("America/New_York"))
FACTS = Facts(
    AT, "Maria", "Riverside Clinic", until=AT - timedelta(hours=20),
    link="https://clinic.example/offers/Zm9v",
)  # fmt: skip


def test_every_text_stands_there_as_it_is_sent() -> None:
    for kind in kinds.KINDS:
        # Unless the clinic asks for an answer, an SMS about a visit has no link.
        facts = FACTS if kind == OFFER else replace(FACTS, link=None)
        english = making.make(kind, "sms", "en", facts).body
        spanish = making.make(kind, "sms", "es", facts).body
        assert f"| `{kind}` | {english} | {spanish} |\n" in PAGE


def test_every_variable_and_filter_is_explained() -> None:
    table = PAGE.partition("| variable |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[1:] for name in re.findall(r"`(\w+)`", row[:40])}
    assert named >= set(kinds.VARIABLES)
    for variable in kinds.VARIABLES.values():
        shown = variable.example in table
        assert shown, variable.name
    for name in engine.FILTERS:
        assert re.search(rf"`{name}\b", PAGE)


def test_the_preview_says_what_stands_there() -> None:
    source = Source("{{ clinic }}: la clínica le espera el {{ when }}.")
    facts = replace(
        FACTS, facility_name="West", starts_at=datetime(2031, 3, 4, 9, 30, tzinfo=AT.tzinfo), now=AT
    )
    template = engine.compiled(source, locale="es")
    assert making.rendered(template, "sms", facts, making.Policy()).body in PAGE
