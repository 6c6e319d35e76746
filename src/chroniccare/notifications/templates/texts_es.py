"""The built-in texts in Spanish, as those in English.

An SMS keeps to letters of GSM-7, which has é, ñ and ¿, but not á, í, ó or ú.
"""

from chroniccare.notifications.templates.text import Source

_NAME = "{% if first_name %} {{ first_name }}{% endif %}"
_AT = "{% if clinic %} en {{ clinic }}{% endif %}"
_FROM = "{% if clinic %} de {{ clinic }}{% endif %}"
_CLINIC = "{{ clinic | default('la clínica') }}"
_CALL_SMS = "llame{% if clinic %} a {{ clinic }}{% endif %}"
_JOIN = "{% if join_link %} Entre por video: {{ join_link }}{% endif %}"
_QUESTIONS = " Para cambios, llame por favor."
_ANSWER = (
    "{% if link %} Para confirmar o cambiar: {{ link }}{% elif reply %} {{ reply }}{% else %}"
    f"{_QUESTIONS}{{% endif %}}"
)
_KEPT = "{% if offer_until %} Guardada hasta: {{ offer_until }}.{% endif %}"
_NAMES = "{% if names %} ({{ names }}){% endif %}"
_DOSES = (
    "{% if medicines %}sus {{ medicines }} medicinas{% else %}su medicina{% endif %}"
    f"{_NAMES} ({{{{ time }}}})"
)
_REPLY = "{% if link %} Para responder: {{ link }}{% elif reply %} {{ reply }}{% endif %}"

_HELLO = f"Hola{_NAME}:"
_WITH = "{% if provider %}Le atiende {{ provider }}.{% endif %}"
_JOINING = "{% if join_link %}Entre por video: {{ join_link }}{% endif %}"
_ANSWERING = "{% if link %}Para confirmar o cambiar: {{ link }}{% endif %}"
_CHANGES = "Si necesita otra hora, llame a la clínica."
_QUESTION = "Si tiene preguntas, llame a la clínica."
_AUTOMATIC = "Este mensaje es automático; no se leen las respuestas."
_TAKE_IT = "Para aceptarla{% if link %}: {{ link }} o llame.{% else %}, llame por favor.{% endif %}"
_NEXT = _JOINING, _ANSWERING, _CHANGES


def _email(subject: str, *paragraphs: str) -> Source:
    return Source("\n\n".join([_HELLO, *paragraphs, _AUTOMATIC]), subject)


def _short(sentence: str) -> Source:
    return Source(f"Hola{_NAME}: {sentence}")


OFFER = f"Hay una hora libre{_AT}: {{{{ when }}}}.{_KEPT}"
"""What the page of an offer says."""
VISIT = f"Le esperamos{_AT}: {{{{ when }}}}."
"""What the page of a visit says."""

TEXTS: dict[str, tuple[Source, Source]] = {
    "appointment_confirmation": (
        _short(f"su cita{_AT} queda reservada para el {{{{ when }}}}.{_JOIN}{_ANSWER}"),
        _email(
            "Su cita del {{ date }}",
            f"Su cita{_AT} queda reservada para el {{{{ when }}}}.", _WITH, *_NEXT,
        ),
    ),
    "appointment_reminder": (
        _short(f"le recordamos su cita{_AT}: {{{{ when }}}}.{_JOIN}{_ANSWER}"),
        _email(
            "Recordatorio: su cita del {{ date }}",
            f"Le recordamos su cita{_AT}: {{{{ when }}}}.", _WITH, *_NEXT,
        ),
    ),
    "appointment_rescheduled": (
        _short(f"su cita{_AT} ha cambiado: ahora es el {{{{ when }}}}.{_JOIN}{_ANSWER}"),
        _email(
            "Su cita cambia al {{ date }}",
            f"Su cita{_AT} ha cambiado: ahora es el {{{{ when }}}}.", _WITH, *_NEXT,
        ),
    ),
    "appointment_cancelled": (
        _short(f"su cita{_AT} del {{{{ when }}}} no va a tener lugar.{_QUESTIONS}"),
        _email(
            "Su cita del {{ date }}",
            f"Su cita{_AT} del {{{{ when }}}} no va a tener lugar.", _CHANGES,
        ),
    ),
    "waitlist_offer": (
        _short(f"hay una hora libre{_AT}: {{{{ when }}}}.{_KEPT} {_TAKE_IT}"),
        _email("Hay una hora libre el {{ date }}", OFFER, _WITH, _TAKE_IT),
    ),
    "medication_reminder": (
        _short(f"un recordatorio{_FROM}: es hora de {_DOSES}.{_REPLY}"),
        _email(
            "Su recordatorio: {{ time }}",
            f"Este es un recordatorio{_FROM}: es hora de {_DOSES}.",
            "{% if link %}Para decir si la tomó o no: {{ link }}{% endif %}",
            _QUESTION,
        ),
    ),
    "refill_reminder": (
        _short(
            f"su medicina{_NAMES}{_FROM} alcanza hasta el {{{{ date }}}}."
            " Para renovarla, llame por favor."
        ),
        _email(
            "Es hora de renovar su receta",
            f"Su medicina{_NAMES}{_FROM} alcanza hasta el {{{{ date }}}}.",
            "Para renovarla, llame a la clínica.",
        ),
    ),
    "low_adherence": (
        _short(
            "¿le va bien con su plan de cuidados? Estamos para ayudarle:"
            f" {_CALL_SMS}."
        ),
        _email(
            "¿Cómo le va?",
            "¿Le va bien con su plan de cuidados? Si algo le dificulta seguirlo, estamos para"
            " ayudarle.",
            f"Llame a {_CLINIC}"
            "{% if provider %} y pregunte por {{ provider }}{% endif %}.",
        ),
    ),
    "recall": (
        _short(f"es hora de reservar su siguiente cita{_AT}. Llame por favor."),
        _email(
            "Es hora de su próxima cita",
            f"Es hora de reservar su próxima cita{_AT}"
            "{% if provider %} con {{ provider }}{% endif %}.",
            "Llame a la clínica para encontrar una hora que le convenga.",
        ),
    ),
}  # fmt: skip
