"""The words of sig text as patterns, in lower case: English, and the common Spanish forms."""

from decimal import Decimal

NUMBERS: dict[str, int | Decimal] = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "half": Decimal("0.5"), "½": Decimal("0.5"),
    "one-half": Decimal("0.5"), "un": 1, "una": 1, "uno": 1, "dos": 2, "tres": 3, "cuatro": 4,
    "cinco": 5, "seis": 6, "media": Decimal("0.5"), "medio": Decimal("0.5"),
}  # fmt: skip
WORD = "|".join(sorted(NUMBERS, key=len, reverse=True))
DIGITS = r"\d+ \d/\d|\d+ ?½|\d+/\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,7}(?:\.\d{1,4})?|\.\d{1,4}"
NUM = rf"(?:{DIGITS}|{WORD})"
COUNT = rf"(?:\d{{1,4}}|{WORD})"

UNIT_FORMS = {
    "tablet": r"tablets?|tabs?|tabletas?", "capsule": r"capsules?|caps?|c[áa]psulas?",
    "pill": r"pills?|pastillas?", "puff": r"puffs?|inhalations?|inhalaci[óo]n(?:es)?",
    "unit": r"units?|iu|international units?|u|unidad(?:es)?",
    "mL": r"ml|milliliters?|cc|mililitros?",
    "mg": r"mg|milligrams?|miligramos?", "mcg": r"mcg|micrograms?|ug|µg|μg|microgramos?",
    "g": r"g|gm|grams?|gramos?", "mEq": r"meq", "drop": r"drops?|gtts?|gotas?",
    "spray": r"sprays?", "patch": r"patch(?:es)?|parches?", "suppository": r"suppositor(?:y|ies)",
    "lozenge": r"lozenges?", "packet": r"packets?|sachets?", "ampule": r"ampu?les?|amps?",
    "application": r"applications?", "film": r"films?", "injection": r"injections?",
}  # fmt: skip
UNIT = "|".join(f"(?:{forms})" for forms in UNIT_FORMS.values())
UNIT = rf"(?:{UNIT})(?:\(s\))?"

DAY_FORMS = {
    "mon": r"mondays?|mon|lunes", "tue": r"tuesdays?|tues?|martes",
    "wed": r"wednesdays?|wed|mi[ée]rcoles", "thu": r"thursdays?|thurs?|thu|jueves",
    "fri": r"fridays?|fri|viernes", "sat": r"saturdays?|sat|s[áa]bados?",
    "sun": r"sundays?|sun|domingos?",
}  # fmt: skip
ORDER = tuple(DAY_FORMS)
DAY = "|".join(f"(?:{forms})" for forms in DAY_FORMS.values())
AND = r"(?:, ?(?:and |y )?| and | & |/| y )"
DAY_LIST = rf"(?:{DAY})(?:{AND}(?:el |los )?(?:{DAY}))*"

MEAL_FORMS = {"M": r"breakfast|(?:el )?desayuno", "D": r"lunch|(?:el )?almuerzo|(?:la )?comida",
         "V": r"dinner|supper|(?:la )?cena"}  # fmt: skip
MEALS = r"(?:each |every )?meals?|(?:las )?comidas|cada comida"
ONE_MEAL = "|".join(f"(?:{forms})" for forms in MEAL_FORMS.values())
MEAL_LIST = rf"(?:(?:{ONE_MEAL})(?:{AND}(?:{ONE_MEAL}))*|{MEALS})"

PART_FORMS = {
    "MORN": r"(?:every|each|in the) mornings?|mornings|qam|q ?am|morning|por la ma[ñn]ana",
    "NOON": r"at noon|at midday|noon|al mediod[íi]a",
    "AFT": r"(?:every|each|in the) afternoons?|afternoon|por la tarde",
    "EVE": r"(?:every|each|in the) evenings?|evenings|qpm|q ?pm|evening|al anochecer",
    "NIGHT": r"at night|nightly|(?:every|each) night|qn|por la noche",
    "HS": r"at bedtime|qhs|q ?hs|hs|bedtime|before bed|every bedtime|al acostarse",
    "WAKE": r"(?:up)?on waking(?: up)?|when waking(?: up)?|al despertar",
}  # fmt: skip
ONE_TIME = r"\d{1,2}:\d{2} ?(?:am|pm|a\.m\.|p\.m\.)?|\d{1,2} ?(?:am|pm|a\.m\.|p\.m\.)|noon|midnight"
TIME_LIST = rf"(?:{ONE_TIME})(?:{AND}(?:at |a las )?(?:{ONE_TIME}))*"
NOON = {"noon": "12:00:00", "midnight": "00:00:00"}

A_DAY = r"(?:(?:a|per|each|every|in a|in the) day|daily|/ ?day|al d[íi]a|por d[íi]a|diarias?)"
A_WEEK = r"(?:(?:a|per|each|every) week|weekly|/ ?(?:week|wk)|a la semana|por semana)"
IN_DAY = r"(?:(?:a|per|in (?:a|one)) day|/ ?day|daily|(?:in|per|every) 24 ?(?:hours?|hrs?|h)|/ ?24 ?h|en 24 horas|al d[íi]a)"  # noqa: E501  one phrase
# A reason is words up to the next phrase; these begin one, so none of them is part of a reason.
NO_REASON = (
    r"(?:\d|q\d|every|each|max|maximum|up|not|no|do|at|in|on|with|before|after|once|twice|daily|by|"
    r"then|until|for|if|when|during|take|cada|m[áa]ximo|hasta|no|por|con|durante|al|bid|tid|qid|"
    r"qd|qhs|hs|prn|po|nightly|weekly|hourly|luego)\b"
)
REASON = rf"(?P<reason>(?!{NO_REASON})[^\W\d_][\w'/-]*(?: (?!{NO_REASON})[^\W\d_][\w'/-]*){{0,9}})"


ROUTE_FORMS = {
    "oral": r"by mouth|orally|po|p\.o\.|per os|oral|v[íi]a oral|por v[íi]a oral|por la boca",
    "sublingual": r"under (?:the|your) tongue|sublingually|sublingual|sl|debajo de la lengua",
    "buccal": r"inside (?:the|your) cheek|buccally|dentro de la mejilla",
    "nasal": r"in(?:to)? (?:the|your|each) nose|in each nostril|nasally|intranasally|en la nariz",
    "inhalation": r"by inhalation|inhaled|por inhalaci[óo]n",
    "subcutaneous": r"under the skin|subcutaneously|subcut|sub ?q|subq|sq|sc|debajo de la piel",
    "intramuscular": r"into the muscle|intramuscularly|im|en el m[úu]sculo",
    "intravenous": r"into the vein|intravenously|iv|en la vena",
    "intradermal": r"into the skin|intradermally|dentro de la piel",
    "topical": r"on the skin|topically|to the skin|to (?:the )?affected areas?|sobre la piel",
    "transdermal": r"through the skin|transdermally|a trav[ée]s de la piel",
    "rectal": r"rectally|by rectum|per rectum|pr|por el recto",
    "vaginal": r"vaginally|per vagina|pv|por la vagina",
    "intrathecal": r"into the spinal canal|intrathecally|en el canal espinal",
    "intra_articular": r"into the joint|en la articulaci[óo]n",
    "gastrostomy": r"by gastrostomy tube|by g-tube|via g-tube|por sonda de gastrostom[íi]a",
    "nasogastric": r"by nasogastric tube|by ng tube|via ng tube|por sonda nasog[áa]strica",
    "ophthalmic": r"en el ojo", "otic": r"en el o[íi]do",
}  # fmt: skip

VERB = (
    r"take|use|inject|inhale|apply|instill|insert|place|give|chew|dissolve|put|spray|swallow|"
    r"tome|tomar|use|usar|inyecte|aplique|inhale|ponga|d[ée]"
)
TIMES = r"(?:times?|x|veces|vez)"
