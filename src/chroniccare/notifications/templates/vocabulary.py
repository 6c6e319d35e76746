"""Words that a text must not hold, or not everywhere."""

# ruff: noqa: RUF001  characters that look alike are what is looked for
import re
from collections.abc import Iterable

from chroniccare.notifications.inbound.keywords import CARRIERS, OPT_OUTS


def _alone(phrases: Iterable[str]) -> re.Pattern[str]:
    longest = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    words = "|".join(re.escape(phrase) for phrase in longest)
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)


OPT_OUT = _alone(CARRIERS)
"""What carriers and AWS take for an opt-out."""
OUR_OPT_OUT = _alone(OPT_OUTS - set(CARRIERS))
"""What else we take for one, in any language: the words of replies (`inbound.keywords`)."""
ASKS = re.compile(
    r"\b(reply|replying|respond|answer|send|text|type|write|enter|press|tap|respuesta|responda|"
    r"responder|conteste|contestar|env[ií]e|enviar|mande|mandar|escriba|escribir|teclee|pulse|"
    r"r[eé]pond(?:ez|re)|envoyez|tapez)\b",
    re.IGNORECASE,
)
ASKED = re.compile(rf"{ASKS.pattern}[\s:]*$", re.IGNORECASE)
"""That an answer is asked for, right before it."""
QUOTES = "\"'«»“”‘’"

_ENGLISH = (
    r"abortion|addict\w*|(?-i:AIDS)|allerg(?:y|ies)|alzheimer\w*|anemia|anxiety|arthritis|asthma\w*"
    r"|biopsy|cancers?|cardiolog\w*|cardiovascular|chemo\w*|cholesterol|chlamydia|copd|dementia"
    r"|depress\w+|dermatolog\w*|diabet\w*|diagnos\w*|dialysis|endocrin\w*|epilep\w*"
    r"|gastroenterolog\w*|glucose|gyn(?:a?e)\w+|h(?:b)?a1c|heart failure|hepat\w+|herpes|hiv"
    r"|hypertens\w+|blood (?:pressure|sugar)|infertil\w+|insulin\w*|kidney\w*|leuk(?:a?e)\w+"
    r"|lab results?|mammogram\w*|mental health|methadone|nephrolog\w*|neurolog\w*|obesity"
    r"|obstetric\w*|oncolog\w*|opioid\w*|parkinson\w*|pregnan\w+|psychiat\w*|psycholog\w*"
    r"|psychother\w*|radiotherap\w*|rehab\w*|rheumatolog\w*|schizo\w+|stds?|stis?|stroke"
    r"|substance use|suicid\w*|syphilis|test results?|therap(?:y|ist)|tumou?rs?|tuberculosis"
    r"|urolog\w*|viral load"
)
_SPANISH = (
    r"aborto|adicci[oó]n\w*|alergias?|ansiedad|artritis|asma|biopsia|c[aá]ncer|cardi[oó]log\w*"
    r"|colesterol|demencia|depresi[oó]n|dermat[oó]log\w*|diab[eé]t\w*|diagn[oó]stic\w*|di[aá]lisis"
    r"|embaraz\w*|endocrin[oó]log\w*|epilepsia|esquizofren\w*|ginec[oó]log\w*|glucosa"
    r"|hipertensi[oó]n|insulina|nefr[oó]log\w*|neur[oó]log\w*|obesidad|onc[oó]log\w*"
    r"|presi[oó]n arterial|psiqui[aá]tr\w*|psic[oó]log\w*|quimio\w*|radioterapia|ri[ñn][oó]n\w*"
    r"|salud mental|(?-i:SIDA)|s[ií]filis|terapia|tuberculosis|tumor\w*|ur[oó]log\w*|vih"
)
_ENDINGS_OF_DRUGS = (
    r"\w{3,}(?:statin|pril|sartan|olol|gliptin|gliflozin|glutide|prazole|oxetine|azepam|cillin"
    r"|mycin|floxacin|mab|tinib|azole?|dipine|thiazide|formin|ciclovir|navir|tegravir|fovir|vudine"
    r"|statina|cilina|micina|formina)s?"
)
HEALTH = re.compile(rf"\b(?:{_ENGLISH}|{_SPANISH}|{_ENDINGS_OF_DRUGS})\b", re.IGNORECASE)
"""Conditions, specialities, findings and drugs, in English and Spanish: what tells of an illness.

No list of words is whole; it catches what is written without thinking.
"""
