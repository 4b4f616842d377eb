"""AWS's errors: code, HTTP status and the sentence, in the shape of the REST-JSON protocol."""

from __future__ import annotations

import json

_CAPITAL_MESSAGE = frozenset({"ResourceNotFoundException", "ServiceException", "PreconditionFailedException"})


class ApiError(Exception):
    """An answer that is an error.

    Attributes:
        code: AWS's error code, sent in ``x-amzn-ErrorType``.
        message: AWS's sentence.
        status: the HTTP status.
        fields: further members of the body, for example ``Reason``.
    """

    def __init__(self, code: str, message: str, status: int = 400, **fields: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields

    def body(self) -> bytes:
        """Return the JSON body as the Lambda API writes it."""
        key = "Message" if self.code in _CAPITAL_MESSAGE else "message"
        return json.dumps(
            {"Type": "User" if self.status < 500 else "Service", key: self.message, **self.fields}
        ).encode()


def invalid(message: str) -> ApiError:
    """Return InvalidParameterValueException (400): a value that the API understands and does not accept."""
    return ApiError("InvalidParameterValueException", message)


def not_found(message: str) -> ApiError:
    """Return ResourceNotFoundException (404)."""
    return ApiError("ResourceNotFoundException", message, 404)


def conflict(message: str) -> ApiError:
    """Return ResourceConflictException (409): exists already, or an update is under way."""
    return ApiError("ResourceConflictException", message, 409)


def throttled(reason: str) -> ApiError:
    """Return TooManyRequestsException (429) with AWS's `reason`."""
    return ApiError("TooManyRequestsException", "Rate Exceeded.", 429, Reason=reason)


def too_large() -> ApiError:
    """Return RequestEntityTooLargeException (413): the body was longer than any that the API takes."""
    return ApiError("RequestEntityTooLargeException", "Request must be smaller than 70167211 bytes", 413)


def not_implemented(what: str) -> ApiError:
    """Return an error that says plainly that this endpoint does not have `what`.

    A 4xx, because SDKs repeat a request after a 5xx.
    """
    return ApiError("UnknownOperationException", f"The embedded lambdatune endpoint does not implement {what}.", 404)


def validation(path: str, value: object, constraint: str) -> ApiError:
    """Return ValidationException (400) with AWS's sentence for a value outside its modelled limits."""
    return ApiError(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: {constraint}",
    )
