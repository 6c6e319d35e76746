"""What must be said before anything else is imported, so that a function starts quickly.

A function meets few of its models before it is asked: each is built when it is first used, and the
others never are. pydantic looks for plugins in every installed package; there are none.
"""

import os

from pydantic import BaseModel

IS_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME" in os.environ

if IS_LAMBDA:
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    BaseModel.model_config["defer_build"] = True  # every model inherits it, FastAPI's as well
