"""What units, days, events and sites are called, in words; units singular and plural."""

UNITS: dict[str, dict[str, tuple[str, str]]] = {
    "en": {
        "tablet": ("tablet", "tablets"), "capsule": ("capsule", "capsules"),
        "pill": ("pill", "pills"), "puff": ("puff", "puffs"), "unit": ("unit", "units"),
        "drop": ("drop", "drops"), "spray": ("spray", "sprays"), "patch": ("patch", "patches"),
        "suppository": ("suppository", "suppositories"), "lozenge": ("lozenge", "lozenges"),
        "packet": ("packet", "packets"), "ampule": ("ampule", "ampules"),
        "application": ("application", "applications"), "film": ("film", "films"),
        "injection": ("injection", "injections"), "dose": ("dose", "doses"),
    },
    "es": {
        "tablet": ("tableta", "tabletas"), "capsule": ("cápsula", "cápsulas"),
        "pill": ("pastilla", "pastillas"), "puff": ("inhalación", "inhalaciones"),
        "unit": ("unidad", "unidades"), "drop": ("gota", "gotas"), "spray": ("rocío", "rocíos"),
        "patch": ("parche", "parches"), "suppository": ("supositorio", "supositorios"),
        "lozenge": ("pastilla para chupar", "pastillas para chupar"),
        "packet": ("sobre", "sobres"), "ampule": ("ampolla", "ampollas"),
        "application": ("aplicación", "aplicaciones"), "film": ("lámina", "láminas"),
        "injection": ("inyección", "inyecciones"), "dose": ("dosis", "dosis"),
    },
}  # fmt: skip
DAYS = {
    "en": {
        "mon": "Mondays", "tue": "Tuesdays", "wed": "Wednesdays", "thu": "Thursdays",
        "fri": "Fridays", "sat": "Saturdays", "sun": "Sundays",
    },
    "es": {
        "mon": "lunes", "tue": "martes", "wed": "miércoles", "thu": "jueves", "fri": "viernes",
        "sat": "sábados", "sun": "domingos",
    },
}  # fmt: skip
EVENTS = {
    "en": {
        "WAKE": "on waking", "MORN": "in the morning", "NOON": "at noon",
        "AFT": "in the afternoon", "EVE": "in the evening", "NIGHT": "at night",
        "HS": "at bedtime", "C": "with meals", "CM": "with breakfast", "CD": "with lunch",
        "CV": "with dinner", "AC": "before meals", "ACM": "before breakfast",
        "ACD": "before lunch", "ACV": "before dinner", "PC": "after meals",
        "PCM": "after breakfast", "PCD": "after lunch", "PCV": "after dinner",
    },
    "es": {
        "WAKE": "al despertar", "MORN": "por la mañana", "NOON": "al mediodía",
        "AFT": "por la tarde", "EVE": "al anochecer", "NIGHT": "por la noche",
        "HS": "al acostarse", "C": "con las comidas", "CM": "con el desayuno",
        "CD": "con el almuerzo", "CV": "con la cena", "AC": "antes de las comidas",
        "ACM": "antes del desayuno", "ACD": "antes del almuerzo", "ACV": "antes de la cena",
        "PC": "después de las comidas", "PCM": "después del desayuno",
        "PCD": "después del almuerzo", "PCV": "después de la cena",
    },
}  # fmt: skip
SITES = {
    "en": {
        f"{side} {part}": f"in the {side} {part}" for side in ("right", "left")
        for part in ("eye", "ear")
    } | {"both eyes": "in both eyes", "both ears": "in both ears"},
    "es": {
        "right eye": "en el ojo derecho", "left eye": "en el ojo izquierdo",
        "both eyes": "en los dos ojos", "right ear": "en el oído derecho",
        "left ear": "en el oído izquierdo", "both ears": "en los dos oídos",
    },
}  # fmt: skip
FOOD = {
    "en": {"on an empty stomach": "on an empty stomach"},
    "es": {
        "with food": "con alimentos", "with meals": "con las comidas",
        "before meals": "antes de las comidas", "after meals": "después de las comidas",
        "on an empty stomach": "con el estómago vacío", "with water": "con agua",
    },
}  # fmt: skip
