"""What must be said before anything else is imported, so that a function starts quickly.

A function meets few of its models before it is asked: each is built when it is first used, and the
others never are. pydantic looks for plugins in every installed package; there are none. FastAPI
asks of each type whether it is a model of pydantic 1, which none here is: to import that would take
a fifth of what FastAPI itself takes, and where it cannot be imported the answer is no.
"""

import os
import sys

from pydantic import BaseModel

IS_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME" in os.environ

if IS_LAMBDA:
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    BaseModel.model_config["defer_build"] = True  # every model inherits it, FastAPI's as well
    sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]  # to import it fails
