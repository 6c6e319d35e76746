"""Every text of the console is there in both languages."""

import re
from pathlib import Path

import pytest
from jinja2 import Environment

import chroniccare.console
from chroniccare.console import pages
from chroniccare.console.navigation import SCREENS
from chroniccare.core import errors

FOLDER = Path(chroniccare.console.__file__).parent
PLACE = re.compile(r"%\((\w+)\)s")


def texts() -> set[str]:
    """Return the English texts that the menu and the templates ask the catalogue for."""
    found = {one.name for one in SCREENS} | {one.group for one in SCREENS}
    reader = Environment(autoescape=True, extensions=["jinja2.ext.i18n"])
    for template in FOLDER.glob("templates/*.html"):
        for _, _, text in reader.extract_translations(template.read_text(encoding="utf-8")):  # type: ignore[attr-defined]
            found.update(one for one in (text if isinstance(text, tuple) else (text,)) if one)
    return found


def test_every_text_has_its_spanish() -> None:
    spanish = pages.catalogue("es")
    assert sorted(texts() - spanish.keys()) == []


def test_the_spanish_puts_in_what_the_english_puts_in() -> None:
    wrong = {
        english
        for english, spanish in pages.catalogue("es").items()
        if set(PLACE.findall(english)) != set(PLACE.findall(spanish))
    }
    assert wrong == set()


def test_the_catalogue_is_sorted_and_empty_nowhere() -> None:
    spanish = pages.catalogue("es")
    assert list(spanish) == sorted(spanish)
    assert all(spanish.values())


@pytest.mark.parametrize("kind", [errors.Forbidden, errors.NotFound, errors.PreconditionFailed])
def test_what_the_api_says_most_often_is_said_in_spanish(kind: type[errors.Problem]) -> None:
    assert kind.message in pages.catalogue("es")
