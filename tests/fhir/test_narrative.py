"""A narrative that does something is refused; one that only says something is not."""

import time

import pytest

from chroniccare.fhir.validation_narrative import has_content, is_fit, is_safe
from tests.fhir.examples import XHTML

SAFE = [
    "text",
    "<p>one</p>",
    "<p>one</p><p>two &amp; &eacute; &#233;</p>",
    "<table><thead><tr><th scope='col'>x</th></tr></thead><tr><td>1</td></tr></table>",
    "<ul><li>one</li><li><b>two</b></li></ul>",
    "<a href='https://example.org/x'>x</a>",
    "<a href='#note'>x</a><a name='note'>x</a>",
    "<a href='Patient/p1'>x</a>",
    "<a href='mailto:clinic@example.org'>x</a>",
    "<img src='#photo' alt='a'/>",
    "<img src='data:image/png;base64,aGVsbG8='/>",
    "<p style='color: red; margin: 2px'>x</p>",
    "<p xml:lang='es' lang='es'>hola</p>",
    "<!-- a remark -->x",
    "x<br/>y",
]
UNSAFE = [
    "<script>alert(1)</script>",
    "<p onclick='x()'>x</p>",
    "<p ONCLICK='x()'>x</p>",
    "<a href='javascript:x()'>x</a>",
    "<a href=' JavaScript:x()'>x</a>",
    "<a href='java&#10;script:x()'>x</a>",
    "<a href='data:text/html,x'>x</a>",
    "<a href='vbscript:x'>x</a>",
    "<img src='https://example.org/pixel.png'/>",
    "<img src='//example.org/pixel.png'/>",
    "<img src='data:image/svg+xml;base64,x'/>",
    "<iframe src='#x'></iframe>",
    "<object data='x'></object>",
    "<embed src='#x'/>",
    "<form action='x'><input name='x'/></form>",
    "<link rel='stylesheet' href='x.css'/>",
    "<style>p {color: red}</style>",
    "<base href='https://example.org'/>",
    "<meta http-equiv='refresh' content='0'/>",
    "<svg xmlns='http://www.w3.org/2000/svg'><script>x()</script></svg>",
    "<p style='background: url(https://example.org)'>x</p>",
    "<p style='width: expression(x())'>x</p>",
    "<p style='background: u\\72l(x)'>x</p>",
    "<p xlink:href='x' xmlns:xlink='http://www.w3.org/1999/xlink'>x</p>",
    "<P>x</P>",
    "<p>x",
    "<p>&nonsense;</p>",
    "x & y",
    "<?php x ?>x",
    "<![CDATA[<script>]]><script/>",
]


def within(content: str) -> str:
    return f'<div xmlns="{XHTML}">{content}</div>'


@pytest.mark.parametrize("content", SAFE)
def test_what_only_says_something_is_accepted(content: str) -> None:
    assert is_fit(within(content))
    assert is_safe(within(content))
    assert has_content(within(content))


@pytest.mark.parametrize("content", UNSAFE)
def test_what_does_something_is_refused(content: str) -> None:
    assert not is_fit(within(content))
    assert not is_safe(within(content))
    assert has_content(within(content))  # one finding for one mistake


@pytest.mark.parametrize("content", ["", " ", "<p> </p>", "<br/>", "<p>\n</p><hr/>"])
def test_what_says_nothing_is_found(content: str) -> None:
    assert not is_fit(within(content))
    assert is_safe(within(content))
    assert not has_content(within(content))


@pytest.mark.parametrize(
    "text",
    [
        "text",
        "<div>no namespace</div>",
        f'<p xmlns="{XHTML}">x</p>',
        f'<div xmlns="{XHTML}">x</div><div xmlns="{XHTML}">y</div>',
        f'<!DOCTYPE div [<!ENTITY a "x">]><div xmlns="{XHTML}">&a;</div>',
        f'<!DOCTYPE div SYSTEM "file:///etc/passwd"><div xmlns="{XHTML}">x</div>',
    ],
)
def test_only_one_div_of_xhtml_without_declarations_is_a_narrative(text: str) -> None:
    assert not is_safe(text)


def test_a_long_text_that_is_never_closed_takes_no_longer_than_reading_it() -> None:
    started = time.process_time()
    for content in ("<p>" + "a " * 200_000, "<p>x</p>" * 50_000 + "<p>", " " * 400_000 + "<"):
        assert not is_fit(within(content))
    assert time.process_time() - started < 2
