"""Function names, qualifiers and ARNs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lambdatune.local.errors import validation

LATEST = "$LATEST"

_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?"
    r"(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_REFERENCE = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)
_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_QUALIFIER = re.compile(r"\$LATEST|[a-zA-Z0-9-_]{1,128}")


@dataclass(frozen=True, slots=True)
class Naming:
    """Makes the ARNs of one endpoint.

    Attributes:
        region: for example us-east-1.
        account_id: 12 digits.
    """

    region: str
    account_id: str

    def function_arn(self, name: str, qualifier: str | None = None) -> str:
        """Return the ARN of a function, a version or an alias."""
        arn = f"arn:aws:lambda:{self.region}:{self.account_id}:function:{name}"
        return f"{arn}:{qualifier}" if qualifier else arn

    def log_group_arn(self, name: str) -> str:
        """Return the ARN of a log group, without the trailing ``:*``."""
        return f"arn:aws:logs:{self.region}:{self.account_id}:log-group:{name}"


def parse_reference(text: str, query_qualifier: str | None = None) -> tuple[str, str | None]:
    """Return name and qualifier of a name, ``name:qualifier``, a partial ARN or a whole ARN.

    Args:
        text: what stands in the path, decoded.
        query_qualifier: the Qualifier parameter.

    Raises:
        ApiError: ValidationException, or InvalidParameterValueException when two qualifiers differ.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise validation("functionName", text, f"Member must satisfy regular expression pattern: {_PATTERN}")
    qualifier = match["qualifier"]
    if query_qualifier and _QUALIFIER.fullmatch(query_qualifier) is None:
        pattern = r"(|[a-zA-Z0-9$_-]+)"
        raise validation("qualifier", query_qualifier, f"Member must satisfy regular expression pattern: {pattern}")
    if qualifier and query_qualifier and qualifier != query_qualifier:
        raise validation("qualifier", query_qualifier, "Member must be equal to the qualifier of the function name")
    return match["name"], query_qualifier or qualifier


def check_name(text: str) -> str:
    """Return the bare name of a function that is to be created.

    Raises:
        ApiError: ValidationException when it is not 1 to 64 letters, digits, hyphens or underscores.
    """
    name, _ = parse_reference(text)
    if _NAME.fullmatch(name) is None:
        raise validation("functionName", text, f"Member must satisfy regular expression pattern: {_PATTERN}")
    return name
