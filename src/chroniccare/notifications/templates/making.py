"""From a template and facts to a message. No I/O."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html import escape
from uuid import UUID

from chroniccare.notifications.templates import built_in, engine, rules, segments, words
from chroniccare.notifications.templates.text import Facts, Text

NAME, PLACE = 30, 60
"""Characters of a name and of a clinic's in an SMS."""
NAMES = 80
"""The same of the names of drugs, wherever a patient wants them."""
_TIGHTER = ((20, 40), (12, 24))


@dataclass(frozen=True, slots=True)
class Policy:
    """A clinic's rules of its texts.

    Attributes:
        default_locale: what a patient reads whose language is not known, or is not to be had.
        max_segments: parts that one SMS may take.
        plain_letters: write `María` as `Maria` where that makes an SMS cheaper.
        asks: how an SMS about a visit asks for an answer; None: as the operator has set.
    """

    default_locale: str = "en"
    max_segments: int = 3
    plain_letters: bool = False
    asks: str | None = None


@dataclass(frozen=True, slots=True)
class Texts:
    """What holds in one clinic now: its rules, and its own texts by (type, channel, locale).

    Each with the id of its version; None stands for one that cannot be read.
    """

    policy: Policy = Policy()
    own: dict[tuple[str, str, str], tuple[UUID, engine.Compiled | None]] = field(
        default_factory=dict
    )


BUILT_IN = Texts()
"""What holds where a clinic never said anything."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which text serves: the clinic's own, if `version_id` says which, or the built-in one."""

    locale: str
    version_id: UUID | None
    template: engine.Compiled | None


def choose(kind: str, channel: str, tag: str | None, texts: Texts) -> Choice:
    """Return the text of `kind` for somebody who reads `tag` (BCP 47), if that is known."""
    own = [locale for of, through, locale in texts.own if (of, through) == (kind, channel)]
    locale, is_own = rules.pick(tag, texts.policy.default_locale, own)
    if not is_own:
        return Choice(locale, None, built_in.template(kind, channel, locale))
    version_id, template = texts.own[kind, channel, locale]
    return Choice(locale, version_id, template)


def make(kind: str, channel: str, tag: str | None, facts: Facts, texts: Texts = BUILT_IN) -> Text:
    """Return the message of `kind` for somebody who reads `tag` (BCP 47), if that is known.

    Raises:
        ValueError: the template cannot be read, or needs what `facts` do not have.
    """
    chosen = choose(kind, channel, tag, texts)
    if chosen.template is None:
        raise ValueError("the clinic's own text cannot be read")
    return rendered(chosen.template, channel, facts, texts.policy)


def rendered(template: engine.Compiled, channel: str, facts: Facts, policy: Policy) -> Text:
    """Return what a template says of these facts on a channel; see `make`."""
    language = template.locale.partition("-")[0]
    if channel == "email":
        return _email(template, language, facts)
    if channel == "sms":
        return _sms(template, language, facts, policy)
    facts = replace(facts, first_name=words.cut(facts.first_name, NAME),
                    facility_name=words.cut(facts.facility_name, PLACE))  # fmt: skip
    body = _lines(engine.render(template.text, values(facts, language)))
    return _text(
        template, f"{words.helping(facts.first_name, language)} {body}" if facts.is_copy else body
    )


def values(facts: Facts, language: str) -> dict[str, str | None]:
    """Return every variable; None for what there is not."""
    at, until, now = facts.starts_at, facts.until, facts.now
    return {
        "first_name": facts.first_name,
        "clinic": facts.facility_name,
        "clinic_phone": words.phone(facts.facility_phone),
        "when": None if at is None else words.when(at, language, now=now),
        "date": None if at is None else words.date(at, language, now=now),
        "time": None if at is None else words.time(at, language),
        "provider": words.provider(facts.provider_name, facts.credentials, language),
        "join_link": facts.join,
        "offer_until": None if until is None else words.until(until, at, language, now=now),
        "link": facts.link,
        "reply": words.said(words.REPLY[facts.reply], language) if facts.reply else None,
        "medication": facts.medication,
        "medicines": str(facts.medicines) if facts.medicines > 1 else None,
        "names": words.cut(facts.medication, NAMES) if facts.named else None,
    }


def sentence_of_visit(language: str, facts: Facts) -> str:
    """Return what the page of a visit says; `language` is one of rules.LANGUAGES."""
    return engine.render(built_in.visit_sentence(language).text, values(facts, language))


def sentence_of_offer(language: str, facts: Facts) -> str:
    """Return what the page of an offer says; `language` is one of rules.LANGUAGES."""
    return engine.render(built_in.offer_sentence(language).text, values(facts, language))


def _sms(template: engine.Compiled, language: str, facts: Facts, policy: Policy) -> Text:
    """Return the first writing that keeps to the clinic's limit, else the shortest there is."""
    most = policy.max_segments
    made = (
        (body, segments.count(body).segments)
        for body in writings(template, language, facts, policy)
    )
    body, parts = next(made)
    while parts > most and (shorter := next(made, None)) is not None:
        body, parts = shorter
    return replace(_text(template, body), segments=parts)


def writings(
    template: engine.Compiled, language: str, facts: Facts, policy: Policy
) -> Iterator[str]:
    """Yield an SMS in full, then with shorter names, in plain letters, and without the name.

    A message that costs a part more than was wanted is better than none, so the last one stands.
    """
    sizes = ((NAME, PLACE), *_TIGHTER)
    for name, place in sizes:
        body = _written(template, language, facts, name, place)
        yield (policy.plain_letters and segments.plain(body)) or body
    yield segments.plain(body) or body
    body = _written(template, language, replace(facts, first_name=None), *sizes[-1])
    yield segments.plain(body) or body


def _written(
    template: engine.Compiled, language: str, facts: Facts, name: int, place: int
) -> str:  # fmt: skip
    short = replace(
        facts, first_name=words.cut(facts.first_name, name),
        facility_name=words.cut(facts.facility_name, place),
    )  # fmt: skip
    shown = values(short, language)
    # Words of ours never make an SMS dear: `sábado` would double its price.
    for ours in ("when", "date", "time", "offer_until"):
        shown[ours] = shown[ours] and segments.plain(shown[ours] or "")
    body = _lines(engine.render(template.text, shown))
    if facts.is_copy:
        why = words.helping(short.first_name, language)
        body = f"{segments.plain(why) or why} {body}"
    if facts.opt_out:
        ending = words.said(words.STOP, language)
        body = f"{body} {segments.plain(ending) or ending}"
    return unicodedata.normalize("NFC", body)


def _email(template: engine.Compiled, language: str, facts: Facts) -> Text:
    shown = values(facts, language)
    paragraphs = [
        _lines(paragraph) for paragraph in engine.render(template.text, shown).split("\n\n")
    ]
    paragraphs = [paragraph for paragraph in paragraphs if paragraph]
    why = words.helping(facts.first_name, language) if facts.is_copy else None
    if why is not None:
        paragraphs.insert(0, why)
    ending = words.said(words.STOP_BY_EMAIL, language) if facts.opt_out else None
    if ending is not None:
        paragraphs.append(ending)
    if template.html is None:
        inner = "".join(
            f"<p>{escape(paragraph).replace(chr(10), '<br>')}</p>" for paragraph in paragraphs
        )
    else:
        inner = f"<p>{escape(why)}</p>" if why is not None else ""
        inner += engine.render(template.html, shown)
        inner += f"<p>{escape(ending)}</p>" if ending is not None else ""
    subject = "" if template.subject is None else engine.render(template.subject, shown)
    text = _text(template, "\n\n".join(paragraphs) + "\n")
    return replace(
        text,
        subject=" ".join(subject.split()),
        html=f'<!doctype html><html lang="{template.locale}"><body>{inner}</body></html>',
    )


def _text(template: engine.Compiled, body: str) -> Text:
    return Text(body, locale=template.locale, version_id=template.version_id)


def _lines(text: str) -> str:
    """Return `text` without empty lines and needless spaces, which an SMS would be charged for."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)
