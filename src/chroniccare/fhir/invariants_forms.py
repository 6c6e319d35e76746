"""Invariants of Questionnaire and QuestionnaireResponse."""

from collections.abc import Iterator
from typing import Any

from chroniccare.fhir.invariants_view import Rule

_SIMPLE = frozenset({"boolean", "decimal", "integer", "string", "text", "url", "open-choice"})
_LISTED = frozenset({
    "choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity",
})  # fmt: skip
_MANY = 2


def que_1(item: Any) -> bool:
    """A group has items, a text to show has none."""
    return not (item.type == "group" and item.item is None) and not (
        item.type == "display" and item.item is not None
    )


def que_2(form: Any) -> bool:
    """No link id twice."""
    found = list(_link_ids(form))
    return len(set(found)) == len(found)


def _link_ids(thing: Any) -> Iterator[str]:
    for item in thing.item or ():
        yield item.linkId
        yield from _link_ids(item)


def que_3(item: Any) -> bool:
    """A text to show has no code."""
    return item.type != "display" or item.code is None


def que_4(item: Any) -> bool:
    """Not both ways to say what may be answered."""
    return item.answerOption is None or item.answerValueSet is None


def que_5(item: Any) -> bool:
    """Only some kinds of question have a list of answers."""
    return item.type in _LISTED or (item.answerOption is None and item.answerValueSet is None)


def que_6(item: Any) -> bool:
    """A text to show cannot be required or repeated."""
    return item.type != "display" or (item.required is None and item.repeats is None)


def que_7(condition: Any) -> bool:
    """Whether there is an answer is true or false."""
    return condition.operator != "exists" or condition.answerBoolean is not None


def que_8(item: Any) -> bool:
    """Only a question has an initial value."""
    return item.type not in {"group", "display"} or item.initial is None


def que_9(item: Any) -> bool:
    """A text to show is not read-only."""
    return item.type != "display" or item.readOnly is None


def que_10(item: Any) -> bool:
    """Only texts and numbers have a greatest length."""
    return item.type in _SIMPLE or item.maxLength is None


def que_11(item: Any) -> bool:
    """Options carry their initial selection themselves."""
    return item.answerOption is None or item.initial is None


def que_12(item: Any) -> bool:
    """More than two conditions need to be told how they combine."""
    return len(item.enableWhen or ()) <= _MANY or item.enableBehavior is not None


def que_13(item: Any) -> bool:
    """Several initial values need an item that repeats."""
    return item.repeats is True or len(item.initial or ()) <= 1


def qrs_1(item: Any) -> bool:
    """Items stand below the item or below its answers."""
    return item.answer is None or item.item is None


RULES: dict[str, Rule] = {
    "que-1": que_1,
    "que-2": que_2,
    "que-3": que_3,
    "que-4": que_4,
    "que-5": que_5,
    "que-6": que_6,
    "que-7": que_7,
    "que-8": que_8,
    "que-9": que_9,
    "que-10": que_10,
    "que-11": que_11,
    "que-12": que_12,
    "que-13": que_13,
    "qrs-1": qrs_1,
}
