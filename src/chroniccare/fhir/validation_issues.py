"""What is wrong with a resource, and the problem that carries all of it."""

from dataclasses import dataclass

from chroniccare.core.errors import FieldError, Invalid

MAX_ISSUES = 100
"""More are cut off, and the last issue says so: an answer stays smaller than what it is about."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong, as an OperationOutcome.issue has it.

    Attributes:
        severity: fatal, error, warning or information.
        code: of the value set issue-type: structure, required, value, code-invalid, invariant ...
        diagnostics: what is wrong, in words; never a value that was sent.
        expression: where, as FHIRPath: `Patient.name[0].family`.
        rule: the key of the invariant or profile rule, such as `app-3`; empty for the structure.
    """

    severity: str
    code: str
    diagnostics: str
    expression: str
    rule: str = ""


class InvalidResourceError(Invalid):
    """The body is no valid resource; `issues` says everything that is wrong with it."""

    message = "The resource is not valid."

    def __init__(self, issues: tuple[Issue, ...]) -> None:
        super().__init__(
            details=[FieldError(each.expression, each.diagnostics, each.code) for each in issues]
        )
        self.issues = issues


class ProfileError(InvalidResourceError):
    """The resource is valid R4, but not what US Core asks for."""

    code = "UNPROCESSABLE"
    status = 422
    message = "The resource does not conform to US Core."


class TooManyIssuesError(Exception):
    """The list is full; never leaves the walk."""


class Issues:
    """The issues found so far."""

    def __init__(self) -> None:
        self.found: list[Issue] = []

    def __len__(self) -> int:
        return len(self.found)

    def add(self, code: str, expression: str, diagnostics: str, rule: str = "") -> None:
        """Note an error.

        Raises:
            TooManyIssuesError: enough have been found.
        """
        self.found.append(Issue("error", code, diagnostics, expression, rule))
        if len(self.found) >= MAX_ISSUES:
            self.found.append(
                Issue("error", "too-costly", "There is more than is listed here.", expression)
            )
            raise TooManyIssuesError
