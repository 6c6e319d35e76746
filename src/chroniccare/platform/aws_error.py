"""What a call to AWS may come to, for whoever is not to load its driver."""

from typing import Literal

Kind = Literal["rejected", "transient", "unknown"]


class AwsError(Exception):
    """A call brought no result.

    Attributes:
        kind: `rejected`: AWS never will; `transient`: it did not, later it may; `unknown`: perhaps
            it did.
        code: a word of ours, see docs/providers.md; never AWS's text, which may hold an address.
        aws: AWS's own word for it, such as `ThrottlingException`, for the operator.
        endpoint: the ARN that SNS has already for the token of a device.
    """

    def __init__(self, kind: Kind, code: str, aws: str = "", endpoint: str = "") -> None:
        self.kind, self.code, self.aws, self.endpoint = kind, code, aws, endpoint
        super().__init__(f"{kind}: {code} {aws}".rstrip())
