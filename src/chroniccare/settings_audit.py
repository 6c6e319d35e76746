"""What an operator may change about the audit and retention: a part of `settings.Settings`."""

from typing import Annotated

from pydantic import BaseModel, Field


class AuditSettings(BaseModel):
    """Where the signed heads of the audit's chains go, and how long the rest is kept."""

    audit_heads_dir: Annotated[
        str,
        Field(
            description="Directory to which the worker exports the signed heads of the audit's "
            "chains. Empty: none are, and a cut tail cannot be seen; `up` sets its data directory's"
            " `audit`."
        ),
    ] = ""
    audit_key_file: Annotated[
        str,
        Field(
            description="File of the key that signs them, made at first use, for its owner alone. "
            "Empty: `head.key` in that directory."
        ),
    ] = ""
    audit_head_seconds: Annotated[
        int, Field(ge=1, le=86_400, description="Seconds between two exports of heads.")
    ] = 60
    audit_copy: Annotated[
        str,
        Field(
            pattern=r"^$|^file:/.+$|^cloudwatch:arn:aws[a-z-]*:logs:[a-z0-9-]+:\d{12}:log-group:"
            r"[A-Za-z0-9._/#-]{1,512}$",
            description="Where the worker copies the sealed audit to, without values: "
            "`file:/path/audit.jsonl`, or `cloudwatch:` and a log group's ARN. Empty: nowhere.",
        ),
    ] = ""
    retain_audit_years: Annotated[
        int,
        Field(
            ge=6,
            le=100,
            description="Years that the audit is kept, six at least: what is older goes with "
            "`audit prune`, which nothing runs by itself.",
        ),
    ] = 6
    retain_messages_days: Annotated[
        int,
        Field(
            ge=0,
            le=36_500,
            description="Days after which texts and data of messages and replies, and addresses, "
            "are removed; 0: never.",
        ),
    ] = 90
    retain_delivery_log_days: Annotated[
        int,
        Field(
            ge=0,
            le=36_500,
            description="Days after which receipts of providers and the log of webhooks are "
            "removed; 0: never.",
        ),
    ] = 90
    retain_events_days: Annotated[
        int,
        Field(
            ge=0,
            le=36_500,
            description="Days after which events are removed that were handed on and are in no "
            "log any more; 0: never.",
        ),
    ] = 90
