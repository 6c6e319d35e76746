"""Wire shape of a decision about a message in doubt."""

from typing import Annotated, Literal

from pydantic import Field

from chroniccare.core.fields import Wire

Decision = Literal["send_again", "leave"]


class Resolution(Wire):
    """What is to become of a message that may have arrived."""

    decision: Annotated[
        Decision,
        Field(
            description="`send_again`: it is due now, and the patient may get it twice; `leave`: "
            "it may have arrived, and nothing follows.",
            examples=["leave"],
        ),
    ]
