"""What a template may hold, and that nothing else gets through."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.exceptions import SecurityError

from chroniccare.notifications.templates import engine
from chroniccare.notifications.templates.text import Source

NAMES = ("first_name", "clinic")
REFUSED = {
    # attribute walks
    "{{ ''.__class__ }}": "not_allowed",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}": "not_allowed",
    "{{ first_name.__init__.__globals__ }}": "not_allowed",
    "{{ first_name['__class__'] }}": "not_allowed",
    "{{ first_name|attr('__class__') }}": "filter",
    "{{ self.__init__ }}": "not_allowed",
    "{{ self }}": "variable",
    "{{ cycler }}": "variable",
    "{{ config }}": "variable",
    "{{ request }}": "variable",
    "{{ loop }}": "variable",
    "{{ caller }}": "variable",
    "{{ lipsum() }}": "not_allowed",
    "{{ namespace() }}": "not_allowed",
    "{{ [].append(1) }}": "not_allowed",
    # size and time
    "{{ 'x' * 10**9 }}": "not_allowed",
    "{{ 'x' * 1000000000 }}": "not_allowed",
    "{{ 10000000 ** 10000000 }}": "not_allowed",
    "{{ 1 / 0 }}": "not_allowed",
    "{{ first_name ~ first_name }}": "not_allowed",
    "{{ first_name + first_name }}": "not_allowed",
    "{{ range(10**9) }}": "not_allowed",
    "{% for i in range(10**9) %}x{% endfor %}": "not_allowed",
    "{% for c in first_name %}{{ c }}{% endfor %}": "not_allowed",
    "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}": "not_allowed",
    "{{ 'x'|center(1000000000) }}": "filter",
    "{{ 'x'|indent(1000000000) }}": "filter",
    "{{ first_name|cut(1000000000) }}": "filter",
    "{{ first_name|cut(3) }}": "filter",
    "{{ first_name|cut }}": "filter",
    "{{ first_name|cut(length=9) }}": "filter",
    "{{ first_name|cut(first_name) }}": "filter",
    "{{ first_name|cut(True) }}": "filter",
    # formatting
    "{{ '%s'|format(first_name) }}": "filter",
    "{{ '{0.__class__}'.format(first_name) }}": "not_allowed",
    "{{ '%1000000000d' % 1 }}": "not_allowed",
    "{{ first_name|replace('', 'x') }}": "filter",
    "{{ first_name|safe }}": "filter",
    "{{ first_name|map('upper') }}": "filter",
    "{{ first_name|default(clinic) }}": "filter",
    "{{ first_name|upper(1) }}": "filter",
    "{{ first_name|upper(*clinic) }}": "filter",
    "{{ first_name|upper(**clinic) }}": "filter",
    # what reaches elsewhere, or keeps something
    "{% include 'x' %}": "not_allowed",
    "{% import 'x' as y %}": "not_allowed",
    "{% from 'x' import y %}": "not_allowed",
    "{% extends 'x' %}": "not_allowed",
    "{% block x %}{% endblock %}": "not_allowed",
    "{% macro x() %}{% endmacro %}": "not_allowed",
    "{% call x() %}{% endcall %}": "not_allowed",
    "{% set first_name = 1 %}": "not_allowed",
    "{% with %}{% endwith %}": "not_allowed",
    "{% filter upper %}x{% endfilter %}": "not_allowed",
    "{% autoescape false %}{{ first_name }}{% endautoescape %}": "not_allowed",
    "{% do x %}": "syntax",
    "{% trans %}x{% endtrans %}": "syntax",
    "{{ first_name is defined }}": "not_allowed",
    "{{ [first_name] }}": "not_allowed",
    "{{ {'a': first_name} }}": "not_allowed",
    "{{ (first_name, clinic) }}": "not_allowed",
    # what is no template
    "{{ first_name": "syntax",
    "{% if first_name %}": "syntax",
    "{{ }}": "syntax",
    "{% endif %}": "syntax",
    "{{ 'a }}": "syntax",
    "{{ first_name }}" * 401: "size",
    "{% if clinic %}{% endif %}" * 201: "size",
    # constants that cannot be stored or sent
    "{{ " + "9" * 5_000 + " }}": "syntax",
    "{{ 1000000000 }}": "constant",
    "{{ 1e999 }}": "constant",
    "{{ 1.5 }}": "constant",
    "{{ '\\x00' }}": "constant",
    "{{ '\\x1b[31m' }}": "constant",
    "{{ '\\ud800' }}": "constant",
    "{{ clinic|default('\\r') }}": "constant",
    "{% if clinic == '\\u0000' %}{% endif %}": "constant",
    # comparisons that fail on some values
    "{% if first_name < 1 %}{% endif %}": "not_allowed",
    "{% if first_name in clinic %}{% endif %}": "not_allowed",
    "{{ 1 >= first_name }}": "not_allowed",
    # nesting
    "{{ " + "(" * 400 + "1" + ")" * 400 + " }}": "depth",
    "{{ " + "not " * 400 + "first_name }}": "depth",
    "{{ " + "first_name or " * 100 + "first_name }}": "depth",
    "{% if first_name %}" * 60 + "{% endif %}" * 60: "depth",
    "{{ first_name" + "|upper" * 100 + " }}": "depth",
    # names
    "{{ nobody }}": "variable",
    "{% if nobody %}{% endif %}": "variable",
    "{{ first_name if nobody else clinic }}": "variable",
}


@pytest.mark.parametrize("source", REFUSED, ids=lambda source: source[:60])
def test_whatever_is_not_known_is_refused(source: str) -> None:
    started = time.process_time()
    # Parentheses by themselves leave no trace in a tree.
    codes = {fault.code for fault in engine.faults(source, NAMES)}
    if source.startswith("{{ (((("):
        assert codes <= {"depth"}
    else:
        assert REFUSED[source] in codes
    assert time.process_time() - started < 1


@given(
    st.lists(
        st.sampled_from(
            [
                "{{", "}}", "{%", "%}", "{#", "#}", " if ", " else ", " endif ", "first_name", "|",
                "upper", "(", ")", "'", '"', ".", "[", "]", "*", "**", "9", "for", " in ", "range",
                "__class__", "-", "\n", "raw", "endraw", ",", "~", "x", "==", "not ", "and ", "<",
                "cut(9)", "default('x')", "!=", " in ", "1",
            ]
        ),
        max_size=25,
    ).map("".join)
)  # fmt: skip
def test_whatever_passes_can_be_rendered(source: str) -> None:
    if engine.faults(source, NAMES):
        return
    template = engine.compiled(Source(source, None, source), locale="en")
    values = {"first_name": "<b>", "clinic": None}
    assert template.html is not None
    assert len(engine.render(template.text, values)) <= len(source) + 10
    assert "<b>" not in engine.render(template.html, values)


ARGUMENTS = {"cut": "(9)", "default": "('x')"}
values = st.sampled_from(["first_name", "clinic", "1", "'<i>'", "none", "true", "''"])
expressions = st.recursive(
    values,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " or ", " == ", " != "]), inner).map(
            lambda parts: f"({''.join(parts)})"
        ),
        inner.map(lambda one: f"(not {one})"),
        st.tuples(inner, inner, inner).map(lambda three: "({} if {} else {})".format(*three)),
        st.tuples(inner, st.sampled_from([*engine.FILTERS])).map(
            lambda pair: f"({pair[0]})|{pair[1]}{ARGUMENTS.get(pair[1], '')}"
        ),
    ),
    max_leaves=8,
)


@given(expressions, expressions)
def test_whatever_the_language_can_say_renders(shown: str, asked: str) -> None:
    source = f"{{{{ {shown} }}}}{{% if {asked} %}}a{{% else %}}b{{% endif %}}"
    assert engine.faults(source, NAMES) == []
    template = engine.compiled(Source(source, None, source), locale="en")
    facts = {"first_name": "<b>", "clinic": None}
    assert template.html is not None
    assert engine.render(template.text, facts).endswith(("a", "b"))
    assert "<" not in engine.render(template.html, facts)


def test_faults_name_their_lines_in_order() -> None:
    source = "one\n{{ two }}\nthree {{ first_name }}\n{% for x in y %}{% endfor %}{{ 'a'.b }}"
    found = engine.faults(source, NAMES)
    assert [(fault.line, fault.code) for fault in found] == [
        (2, "variable"), (4, "not_allowed"), (4, "not_allowed"),
    ]  # fmt: skip
    assert "first_name, clinic" in found[0].reason
    assert found[0].reason.startswith("two is not there;")
    assert "loop" in found[1].reason


def rendered(source: str, **values: str | None) -> str:
    assert engine.faults(source, NAMES) == []
    made = engine.compiled(Source(source), locale="en")
    return engine.render(made.text, {"first_name": "Maria", "clinic": "West", **values})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Hi {{ first_name }}!", "Hi Maria!"),
        ("{% if nobody %}x{% endif %}", None),
        ("{% if first_name and not clinic %}a{% elif clinic == 'West' %}b{% else %}c{% endif %}",
         "b"),
        ("{{ first_name | upper }} {{ clinic | lower }}", "MARIA west"),
        ("{{ 'dear' | capitalize }} {{ first_name | cut(4) }}", "Dear M..."),
        ("{{ first_name if clinic else 'x' }}", "Maria"),
        ("{{ 1 | upper }} {{ true | cut(9) }} {{ 7 | default('x') }}", "1 True 7"),
        ("{{ none }}{{ first_name == 1 }}{{ first_name != none }}", "FalseTrue"),
        ("{# nothing #}{% raw %}{{ first_name }}{% endraw %}", "{{ first_name }}"),
        ("a\n{% if clinic %}\nb\n{% endif %}\nc", "a\nb\nc"),
    ],
)  # fmt: skip
def test_what_a_template_can_do(source: str, said: str | None) -> None:
    if said is None:
        assert engine.faults(source, NAMES)
    else:
        assert rendered(source) == said


def test_what_there_is_not_prints_nothing_and_has_a_default() -> None:
    assert rendered("[{{ first_name }}]", first_name=None) == "[]"
    assert rendered("[{{ first_name | upper | cut(9) }}]", first_name=None) == "[]"
    assert rendered("{{ first_name | default('you') }}", first_name=None) == "you"
    assert rendered("{{ first_name | default('you') }}") == "Maria"


def test_a_value_is_never_a_template() -> None:
    assert rendered("{{ first_name }}", first_name="{{ clinic }}{% x") == "{{ clinic }}{% x"


def test_a_missing_variable_is_an_error_and_not_a_gap() -> None:
    made = engine.compiled(Source("{{ first_name }}"), locale="en")
    with pytest.raises(ValueError, match="UndefinedError"):
        engine.render(made.text, {})


def test_the_sandbox_stands_behind_the_tree() -> None:
    """Compiled without a look at it, a walk through attributes still leads nowhere."""
    made = engine.compiled(Source("{{ first_name.__class__.__mro__ }}"), locale="en")
    with pytest.raises(ValueError, match=SecurityError.__name__):
        engine.render(made.text, {"first_name": "Maria"})
