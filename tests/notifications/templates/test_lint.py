"""What lint finds, and what it leaves alone."""

import time
from dataclasses import replace

import pytest

from chroniccare.notifications.inbound import keywords, rules
from chroniccare.notifications.templates import lint, making
from chroniccare.notifications.templates.text import Source

POLICY = making.Policy()
ASK = "Hello from {{ clinic }}. "


def found(
    text: str, *, channel: str = "sms", kind: str = "appointment_reminder", **parts: str
) -> set[tuple[str, int | None, str, str]]:
    """Return field, line, severity and code of each finding."""
    if channel == "email":
        parts.setdefault("subject", "From us")
    source = Source(text, **parts)
    return {
        (one.field, one.line, one.severity, one.code)
        for one in lint.findings(kind, channel, "en", source, POLICY)
    }


@pytest.mark.parametrize(
    "choice",
    [
        "Reply CANCEL to cancel.",
        "CONFIRM or CANCEL",
        "Reply stop to end.",
        "Text STOP to 12345",
        "To change, answer 'quit'.",
        "Type “remove” now",
        "Send OPT-OUT",
        "reply opt out",
        "OPTOUT",
        "STOPALL",
        "Responda TD para salir",
        "ARRET",
        "Répondez ARRÊT",
        "UNSUBSCRIBE",
        "Envíe END",
        "REVOKE",
        "ST\u200bOP",
        "\uff33\uff34\uff2f\uff30",  # full width
        "{{ 'STOP' }}",
        "{% if first_name %}ok{% else %}STOP{% endif %}",
    ],
)
def test_an_opt_out_word_is_never_offered(choice: str) -> None:
    assert ("text", 1, "error", "opt_out_word") in found(ASK + choice)
    assert not [one for one in found(ASK + choice, channel="push") if one[3] == "opt_out_word"]
    # An email footer may have to say how to opt out.
    assert not [one for one in found(ASK + choice, channel="email") if one[3] == "opt_out_word"]


@pytest.mark.parametrize("word", ["ST{{ 'OP' }}", "{{ 'stop' | upper }}", "{{ 'CAN' }}CEL"])
def test_a_word_that_is_put_together_is_found_in_the_text(word: str) -> None:
    assert ("text", "error", "opt_out_word") in {
        (field, severity, code) for field, _, severity, code in found(ASK + word)
    }


@pytest.mark.parametrize(
    "text",
    [
        "Weekend visits end soon",
        "Reply YES if the bus stops nearby",
        "Please send us your cancellation form",
        "Reply 1 to confirm, 2 to change",
        "The non-stop bus: reply 1",
        "Removed, ended, quitting: reply 1",
        "Responda 1 para confirmar",
    ],
)
def test_other_words_are_no_choice(text: str) -> None:
    assert not [one for one in found(ASK + text) if one[2] == "error"]


def test_an_opt_out_word_in_passing_is_a_warning() -> None:
    assert ("text", 1, "warning", "opt_out_word") in found(ASK + "Your time at the end of May")
    assert ("text", 2, "warning", "opt_out_word") in found(ASK + "\nWe cancel no visit.")


@pytest.mark.parametrize(
    "words",
    [
        "your diabetes check", "Diabetic eye exam", "HIV clinic", "the oncologist", "Chemotherapy",
        "your insulin", "Take metformin", "ATORVASTATIN 20 mg", "amoxicillin", "lisinopril",
        "your lab results", "mental health", "blood pressure", "a Psychiatry visit", "AIDS",
        "su diabetes", "Clínica de Oncología", "la insulina", "presión arterial", "salud mental",
        "su embarazo", "VIH", "atorvastatina", "quimioterapia", "HbA1c",
    ],
)  # fmt: skip
def test_an_illness_is_not_named_where_others_read_it(words: str) -> None:
    for channel in ("sms", "push"):
        assert ("text", 1, "error", "health") in found(ASK + words, channel=channel)
    assert ("subject", 1, "error", "health") in found("x", channel="email", subject=words)
    assert ("text", 2, "warning", "health") in found(f"x\n{words}", channel="email")
    assert ("text", 1, "error", "health") in found(ASK + "{{ 'DIABETES' }}")


@pytest.mark.parametrize(
    "words",
    [
        "a reminder of your visit", "it is time for your medicine", "hearing aids", "in April",
        "Sunday to Friday", "una cita en abril", "para servirle", "vivir bien", "please call us",
        "your supply of medicine", "su plan de cuidados", "care plan", "We moved to Kidd Street",
        "Strokestown", "su receta",
    ],
)  # fmt: skip
def test_plain_words_are_left_alone(words: str) -> None:
    assert not [one for one in found(ASK + words) if one[3] == "health"]


@pytest.mark.parametrize(
    ("kind", "channel", "field", "name", "there"),
    [
        ("appointment_reminder", "sms", "text", "provider", False),
        ("appointment_reminder", "push", "text", "provider", False),
        ("appointment_reminder", "email", "subject", "provider", False),
        ("appointment_reminder", "email", "text", "provider", True),
        ("appointment_reminder", "email", "html", "provider", True),
        ("medication_reminder", "sms", "text", "medication", False),
        ("medication_reminder", "push", "text", "medication", False),
        ("medication_reminder", "email", "subject", "medication", False),
        ("medication_reminder", "email", "text", "medication", True),
        ("appointment_reminder", "email", "text", "medication", False),
        ("recall", "sms", "text", "when", False),
        ("appointment_cancelled", "sms", "text", "join_link", False),
        ("waitlist_offer", "sms", "text", "link", True),
        ("appointment_cancelled", "sms", "text", "link", False),
    ]
    + [("appointment_reminder", channel, "text", name, False)
       for channel in ("sms", "email") for name in (
           "diagnosis", "drug", "last_name", "mrn", "patient_id", "date_of_birth", "phone",
           "appointment_id", "speciality", "appointment_type")],
)  # fmt: skip
def test_a_variable_is_there_for_some_types_and_channels(
    kind: str, channel: str, field: str, name: str, *, there: bool
) -> None:
    parts = {"text": "Hello"} | {field: f"Hello {{{{ {name} }}}}"}
    text = parts.pop("text")
    refused = [one for one in found(text, channel=channel, kind=kind, **parts) if one[2] == "error"]
    assert refused == ([] if there else [(field, 1, "error", "variable")])


def test_what_is_missing_or_too_much_is_said() -> None:
    assert found("Hi {{ clinic }}", subject="x", html="x") == {
        ("subject", None, "error", "not_allowed"), ("html", None, "error", "not_allowed"),
    }  # fmt: skip
    source = Source("Hi")
    [one] = lint.findings("recall", "email", "en", source, POLICY)
    assert (one.field, one.code) == ("subject", "required")
    assert found("{{ '' }}") >= {("text", None, "error", "empty")}
    assert found("Hi", channel="email", subject="{{ '' }}") == {("subject", None, "error", "empty")}
    assert ("text", None, "error", "length") in found("x" * 1601)
    assert ("text", None, "error", "length") in found("x" * 10_001, channel="email")
    assert found("x" * 10_000, channel="email") == set()
    assert ("html", None, "error", "length") in found("x", channel="email", html="x" * 50_001)
    assert ("text", None, "warning", "sender") in found("See you {{ when }}")
    assert ("text", None, "warning", "ucs2") in found(ASK + "Clínica")
    assert found(ASK) == set()


def test_an_sms_is_measured_with_long_names() -> None:
    fits = "{{ clinic }}" + "x" * (459 - making.PLACE)
    assert not [one for one in found(fits) if one[2] == "error"]
    assert ("text", None, "error", "segments") in found(fits + "x")
    more = replace(POLICY, max_segments=4)
    assert not lint.findings("recall", "sms", "en", Source(fits + "x"), more)
    # An emoji leaves 67 characters a part.
    assert ("text", None, "error", "segments") in found(fits[:300] + "😀")


GOOD_HTML = [
    "<p>Hello {{ first_name }}</p>",
    '<a href="{{ link }}">Answer</a>',
    "<a href='{{ link }}'>Answer</a>",
    '<a href="https://clinic.example/x?a=1&amp;b=2">us</a> <a href="tel:+14155550100">call</a>',
    "{% if clinic %}<b>{{ clinic }}</b>{% else %}<i>x</i>{% endif %}",
    '<table width="100%"><tr><td align="left" style="color:#333">x</td></tr></table><br><br/>',
    '<img src="https://clinic.example/logo.png" alt="Logo">',
    "5 &lt; 6 &amp; 7 > 6",
]
BAD_HTML = [
    "<script>alert(1)</script>",
    "<SCRIPT src=https://x.example/>",
    "<style>p{}</style>",
    "<iframe src='https://x.example'></iframe>",
    "<form action='https://x.example'><input name=a></form>",
    "<svg/onload=alert(1)>",
    "<p onclick='x()'>x</p>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="&#106;avascript:alert(1)">x</a>',
    '<a href=" javascript:alert(1)">x</a>',
    '<a href="data:text/html,x">x</a>',
    '<a href="http://clinic.example">x</a>',
    "<a href={{ link }}>x</a>",
    '<a href="{{ first_name }}">x</a>',
    '<a href="https://x.example/{{ link }}">x</a>',
    '<a href="{{ link | upper }}">x</a>',
    '<a href="{% if clinic %}{{ link }}{% endif %}">x</a>',
    '<p title="{{ link }}">x</p>',
    '<p class="{{ first_name }}">x</p>',
    "<p {{ first_name }}>x</p>",
    "<{{ first_name }}>x",
    "<p {% if clinic %}class=x{% endif %}>x</p>",
    '<p style="background:url(https://x.example)">x</p>',
    '<img src="http://x.example/a.png">',
    '<img src="{{ link }}">',
    "<!-- {{ first_name }} -->",
    "<!doctype html><p>x</p>",
    "<?php x ?>",
    "<![CDATA[ x",
    "a < b",
    "<p",
    "<a href='",
    "{% raw %}{# <script>x</script> #}{% endraw %}",
    "{{ '}}{#' }}<script></script>{# #}",
    "\ue000<p>x</p>",
    "<![<![",
    '<a href="https://x.example" onclick="x">y</a>',
    '<a href="https://x.example"onclick="x">y</a>',
    '<a href="https://x.example/&quot;onclick=&quot;">y</a>',
    "<p title=x>y</p>",
    '<p title="<">y</p>',
    "<a/href='https://x.example'>y</a>",
]


@pytest.mark.parametrize("html", GOOD_HTML)
def test_html_of_an_email(html: str) -> None:
    assert found("x", channel="email", kind="waitlist_offer", html=html) == set()


@pytest.mark.parametrize("html", BAD_HTML)
def test_html_that_runs_loads_or_opens_a_tag_to_a_value_is_refused(html: str) -> None:
    codes = {
        (one[0], one[3]) for one in found("x", channel="email", kind="waitlist_offer", html=html)
    }
    assert codes == {("html", "html")}


@pytest.mark.parametrize(
    "html",
    [
        "<!" * 25_000, "<!--" * 12_500, "<a " * 16_000, "<a " + 'x="' * 16_000, "</" * 25_000,
        "<?" * 25_000, "<![" * 16_000, "<" * 50_000, "<p" + " " * 49_000, "&#" * 25_000,
        "<p " + "a " * 24_000, "<p " + "a = " * 12_000, "{% raw %}" * 5_000, "{#" * 25_000,
        "{{ " + "9" * 49_000 + " }}", "{{ clinic }}" * 4_000, "<p>" * 16_000, "a" * 50_000,
        "{{ clinic" + "|upper" * 8_000 + " }}", "{% if clinic %}\n{% endif %}\n" * 1_700,
    ],
    ids=lambda html: html[:8],
)  # fmt: skip
def test_no_html_holds_up_the_others(html: str) -> None:
    started = time.process_time()
    assert len(found("x", channel="email", html=html)) <= 20
    assert time.process_time() - started < 1


def test_html_names_its_line() -> None:
    html = "<p>\n{% if\n clinic %}\n<b>x</b>\n<script>\n{% endif %}"
    assert found("x", channel="email", html=html) == {("html", 5, "error", "html")}


def messages(text: str, channel: str = "sms") -> list[tuple[str, str]]:
    kind, source = "appointment_confirmation", Source(text)
    found = lint.findings(kind, channel, "en", source, POLICY)
    return [(one.code, one.message) for one in found]


def test_everything_is_told_at_once_and_what_is_not_there_by_name() -> None:
    told = messages("{{ clinic }}: {{ telephone }} {{ doctor }}. Reply CANCEL.\n{{ first_name.x }}")
    assert [code for code, _ in told] == ["variable", "variable", "not_allowed", "opt_out_word"]
    assert told[0][1].startswith("telephone is not there; there are first_name, clinic,")
    assert told[1][1].startswith("doctor is not there")
    assert "'CANCEL'" in told[3][1]
    # What is no template at all is looked through as it stands.
    told = messages("{{ clinic }}: reply STOP {% if %} about your diabetes")
    assert {code for code, _ in told} == {"syntax", "opt_out_word", "health"}
    assert all(len(message) < 400 for _, message in messages("{{ " + "x" * 900 + " }}"))


@pytest.mark.parametrize("phrase", sorted(keywords.OPT_OUTS))
def test_no_answer_that_we_take_for_an_opt_out_is_offered(phrase: str) -> None:
    for choice in (f"Reply {phrase}", f"Responda: {phrase}", f'"{phrase}"'):
        assert ("text", 1, "error", "opt_out_word") in found(ASK + choice)


@pytest.mark.parametrize("text", ["en la planta baja", "el fin de semana", "Fin.", "PLANTA BAJA"])
def test_our_own_words_in_passing_are_nothing(text: str) -> None:
    assert not [one for one in found(text) if one[3] == "opt_out_word"]


@pytest.mark.parametrize("word", keywords.CARRIERS)
def test_what_carriers_take_for_an_opt_out_is_one_for_us(word: str) -> None:
    assert rules.classify(word.upper()).intent in rules.STOPS


def test_a_message_that_nobody_asked_for_names_its_sender() -> None:
    assert ("text", None, "error", "sender") in found("Come and see us.", kind="recall")
    assert ("text", None, "warning", "sender") in found("Come and see us.")
