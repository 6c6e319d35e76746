"""The phrases of sig text that are read, and what each of them says.

Every phrase is a pattern and a handler that puts what it says into a Clause. The longest phrase
that fits at a place is taken; a word that no phrase takes is not understood. Nothing is corrected
and nothing is guessed: what could mean two things (OD, biweekly, "for pain" without "as
needed") has no phrase on purpose. English, and the common Spanish forms.
"""

import re
from functools import cache

from chroniccare.medications.dosing import sig_says as says
from chroniccare.medications.dosing.sig_forms import (
    A_DAY,
    A_WEEK,
    COUNT,
    DAY,
    DAY_LIST,
    IN_DAY,
    MEAL_LIST,
    NUM,
    PART_FORMS,
    REASON,
    ROUTE_FORMS,
    TIME_LIST,
    TIMES,
    UNIT,
    VERB,
)

_PHRASES: list[tuple[str, says.Handler]] = [
    (rf"(?P<n>{NUM}) ?(?P<unit>{UNIT})(?: of)?", says.quantity),
    (
        (
            rf"(?:{VERB}) (?P<n>{NUM})(?! ?(?:{UNIT}|[-/x]|to |times?|veces|hours?|days?)\b)"
            r"(?![-/:.]|,\d)"
        ),
        says.bare,
    ),
    (rf"(?:{NUM}) ?(?:-|\u2013|to|or|a|o) ?(?:{NUM}) ?(?:{UNIT})", says.amounts),
    (
        rf"(?P<scheme>(?:\d{{1,3}}|½|1/2)(?:-(?:\d{{1,3}}|½|1/2)){{2,3}}) ?(?P<unit>{UNIT})?",
        says.scheme,
    ),
    (rf"(?:{VERB})|and|y|&", says.nothing),
    *((forms, says.keeps(route=route)) for route, forms in ROUTE_FORMS.items()),
    (
        r"(?:in|into|to) (?:the |your )?(?P<side>right |left |both |each )?(?P<part>eyes?|ears?)",
        says.site,
    ),
    # How often.
    (
        (
            rf"once (?:{A_DAY})|daily|qd|q\.d\.|every ?day|each day|(?:1|one) {TIMES} {A_DAY}|"
            rf"(?:1 ?x ?|x ?1 ?){A_DAY}|una vez {A_DAY}|cada d[íi]a|diariamente|every 1 day"
        ),
        says.rate(1, "d"),
    ),
    (rf"twice {A_DAY}|bid|b\.i\.d\.", says.rate(2, "d")),
    (r"tid|t\.i\.d\.", says.rate(3, "d")),
    (r"qid|q\.i\.d\.", says.rate(4, "d")),
    (rf"(?P<n>{COUNT}) ?{TIMES} ?{A_DAY}", says.rate(0, "d")),
    (
        (
            r"every other day|every second day|qod|q\.o\.d\.|every 2 days|(?:on )?alternate days|"
            r"cada dos d[íi]as|cada 2 d[íi]as"
        ),
        says.rate(1, "d", 2),
    ),
    (r"every third day", says.rate(1, "d", 3)),
    (r"(?:every|cada) (?P<n>\d{1,3}) (?:days|d[íi]as)", says.rate(1, "d", "n")),
    (r"q ?(?P<n>\d{1,3}) ?d", says.rate(1, "d", "n")),
    (r"weekly|every week|each week|qwk|cada semana|semanalmente", says.rate(None, "wk")),
    (r"once (?:a|per|each|every) week|once weekly|una vez (?:a la|por) semana", says.rate(1, "wk")),
    (rf"twice {A_WEEK}", says.rate(2, "wk")),
    (rf"(?P<n>{COUNT}) ?{TIMES} ?{A_WEEK}", says.rate(0, "wk")),
    (r"every other week|every second week|fortnightly|cada dos semanas", says.rate(None, "wk", 2)),
    (r"(?:every|cada) (?P<n>\d{1,2}) (?:weeks|semanas)", says.rate(None, "wk", "n")),
    (
        r"monthly|every month|once (?:a|per|each) month|once monthly|cada mes|una vez al mes",
        says.rate(1, "mo"),
    ),
    (r"every other month|cada dos meses", says.rate(1, "mo", 2)),
    (r"(?:every|cada) (?P<n>\d{1,2}) (?:months|meses)", says.rate(1, "mo", "n")),
    (
        (
            r"(?:every|each|q|cada) ?(?P<n>\d{1,3}(?:\.\d)?)"
            r"(?: ?(?:-|\u2013|to|a) ?(?P<to>\d{1,3}))? ?"
            r"(?P<unit>hours?|hrs?|hr?|horas?|minutes?|mins?|minutos?)"
        ),
        says.hours,
    ),
    (r"hourly|every hour|cada hora|q1h", says.rate(1, "h")),
    # Days of the week.
    (rf"(?:on |every |each |los |el |cada )?(?P<days>{DAY_LIST})", says.days),
    (rf"every other (?P<days>{DAY})", says.every_other_day_of_week),
    (
        r"(?:on |every )?weekdays|monday (?:through|to) friday|de lunes a viernes",
        says.some_days("mon", "tue", "wed", "thu", "fri"),
    ),
    (r"(?:on |every )?weekends", says.some_days("sat", "sun")),
    # Parts of the day, meals, times.
    *((forms, says.part(event)) for event, forms in PART_FORMS.items()),
    (
        (
            r"(?P<parts>(?:in the )?morning(?:, (?:afternoon|noon))?(?: and |, )"
            r"(?:evening|bedtime|night))"
        ),
        says.both_parts,
    ),
    (
        (
            rf"(?:(?P<offset>\d{{1,3}}|one|an?|una?) ?"
            rf"(?P<unit>minutes?|mins?|hours?|hrs?|h|minutos?|horas?) )?"
            rf"(?P<how>before|after|with|at|antes de|antes del|despu[ée]s de|despu[ée]s del|con) "
            rf"(?P<meals>{MEAL_LIST})"
        ),
        says.meals,
    ),
    (r"ac|a\.c\.", says.meal_code("A")),
    (r"pc|p\.c\.", says.meal_code("P")),
    (rf"(?:at |@ ?|a las )?(?P<times>{TIME_LIST})", says.times),
    (r"with food|with a meal|con alimentos", says.keeps(food="with food")),
    (
        r"without food|on an empty stomach|con el est[óo]mago vac[íi]o",
        says.keeps(food="on an empty stomach"),
    ),
    (r"with (?:a full glass of )?water|con agua", says.keeps(food="with water")),
    # For how long, how many, and how many at most.
    (
        rf"(?:for|x|durante|por) ?(?P<n>{COUNT}) ?(?P<unit>days?|d|d[íi]as?|weeks?|wks?|semanas?)",
        says.length,
    ),
    (rf"(?:for|durante|por) (?:{COUNT}) (?:months?|mes(?:es)?)", says.months),
    (rf"(?:for|x|hasta|por) ?(?P<n>{COUNT}) (?:doses?|dosis)(?: in all)?", says.count),
    (
        (
            r"(?P<n>)(?:as a single dose|single dose|one time only|once only|one dose only|"
            r"dosis [úu]nica)"
        ),
        says.count,
    ),
    (
        (
            rf"(?:for )?(?P<n1>{COUNT}) (?P<unit1>days?|weeks?) on(?:,| and|/)? ?"
            rf"(?P<n2>{COUNT}) (?P<unit2>days?|weeks?) off"
        ),
        says.cycle,
    ),
    (
        rf"(?P<n1>{COUNT}) (?P<unit1>d[íi]as?) s[íi] y (?P<n2>{COUNT}) (?P<unit2>d[íi]as?) no",
        says.cycle,
    ),
    (
        (
            rf"(?:as needed|prn|p\.r\.n\.|when needed|if needed|as required|cuando sea necesario|"
            rf"seg[úu]n sea necesario|si es necesario)(?: (?:for|if|when|para|por) {REASON})?"
        ),
        says.prn,
    ),
    (rf"(?:prn|p\.r\.n\.) {REASON}", says.prn),
    (
        (
            rf"(?:do not (?:take|use|exceed)(?: more than)?|(?:not to exceed|max(?:imum)?\.?|"
            rf"no more than|not more than|up to|m[áa]ximo|no m[áa]s de|hasta)(?: of| de)?) "
            rf"(?P<n>{NUM}) ?"
            rf"(?P<unit>{UNIT}|doses?|times|dosis|veces)? ?{IN_DAY}"
        ),
        says.maximum,
    ),
]


@cache
def phrases() -> tuple[tuple[re.Pattern[str], says.Handler], ...]:
    """Return every phrase, which ends where a word ends, with what it does."""
    return tuple((re.compile(rf"(?:{forms})(?![\w/])"), handle) for forms, handle in _PHRASES)
