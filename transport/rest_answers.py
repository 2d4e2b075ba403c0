"""Answers of the REST API as values: statuses, headers and error bodies.

Knows the shapes that the service's recordings show (REST reference, responses and
errors); knows nothing of requests.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, TypeAlias

import msgspec

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

VERSIONS: Final = ("2021-10-01", "2022-11-01", "2023-07-01", "2024-01-01", "2024-12-01")
"""The api-versions there are; behaviour does not depend on them."""
NEWEST: Final = VERSIONS[-1]

SUPPORTED: Final[Headers] = ((b"api-supported-versions", ", ".join(VERSIONS).encode()),)
RETRY_SECONDS: Final = 1
_JSON: Final = b"application/json; charset=utf-8"
_PROBLEM: Final = b"application/problem+json; charset=utf-8"
_VALIDATION_TITLE: Final = "One or more validation errors occurred."


class Answer(msgspec.Struct, frozen=True):
    """A complete response."""

    status: int
    headers: Headers = ()
    body: bytes = b""


class Refused(Exception):  # noqa: N818 - a refusal is not always an error
    """Broken input: the request cannot be read; raised by parsing, caught in `rest`."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Fault(msgspec.Struct, frozen=True):
    """The body of an error, as the service writes it."""

    code: str
    message: str
    target: str | None = None
    details: None = None
    innererror: None = None


class ValidationFault(msgspec.Struct, frozen=True):
    """The body of a validation error, as the service writes it."""

    code: str
    message: str
    target: str
    errors: dict[str, list[str]]
    type: None = None
    title: str = _VALIDATION_TITLE
    status: int = 400
    detail: None = None
    instance: None = None
    extensions: dict[str, str] = {}


def _empty(status: int, *, sized: bool) -> Answer:
    length: Headers = ((b"content-length", b"0"),) if sized else ()
    return Answer(status, (*length, *SUPPORTED))


# Official SDKs accept only the exact code of an operation.
DONE: Final = _empty(200, sized=True)
FOUND: Final = _empty(200, sized=False)
ACCEPTED: Final = _empty(202, sized=True)
REMOVED: Final = _empty(204, sized=False)
HEALTHY: Final = Answer(200, ((b"content-length", b"0"),))


def json(value: Any) -> Answer:
    """Answer 200 with a JSON document."""
    return Answer(200, *_document(value, _JSON, SUPPORTED))


def error(
    status: int, code: str, message: str, target: str | None, *headers: tuple[str, str]
) -> Answer:
    """Answer an error of a request that reached its operation."""
    more = tuple((name.encode(), value.encode()) for name, value in headers)
    fault = Fault(code, message, target)
    own = ((b"x-ms-error-code", code.encode()), *SUPPORTED, *more)
    return Answer(status, *_document(fault, _JSON, own))


def invalid(target: str, message: str, *, in_body: bool = False) -> Answer:
    """Answer 400; the service omits the versions and varies the media type here."""
    code = "Error.BadRequest"
    fault = ValidationFault(code, message, target, {target: [message]})
    own = ((b"x-ms-error-code", code.encode()),)
    return Answer(400, *_document(fault, _PROBLEM if in_body else _JSON, own))


def missing(severity: str, kind: str, name: str) -> Answer:
    """Answer 404; its severity is up to the operation."""
    code = f"{severity}.{kind}.NotExisted"
    return error(404, code, f"{kind} `{name}` is not found.", kind)


def unauthorized(reason: str | None) -> Answer:
    """Answer 401 with an empty body (RFC 6750 3); no reason: there was no token."""
    challenge = "Bearer"
    if reason is not None:
        quotable = "".join(
            c if " " <= c <= "~" and c not in '"\\' else " " for c in reason
        )
        challenge += f' error="invalid_token", error_description="{quotable}"'
    headers = (b"www-authenticate", challenge.encode()), (b"content-length", b"0")
    return Answer(401, (*headers, *SUPPORTED))


def unknown_path() -> Answer:
    """Answer 404 outside the routing table."""
    fault = Fault("Error.NotFound", "There is no such operation.", "Request")
    own = ((b"x-ms-error-code", fault.code.encode()),)
    return Answer(404, *_document(fault, _JSON, own))


def wrong_method(allowed: tuple[str, ...]) -> Answer:
    """Answer 405 with the methods that the path knows (RFC 9110 15.5.6)."""
    allow = ", ".join(allowed)
    fault = Fault("Error.MethodNotAllowed", f"The path allows {allow}.", "Request")
    own = ((b"x-ms-error-code", fault.code.encode()), (b"allow", allow.encode()))
    return Answer(405, *_document(fault, _JSON, own))


def too_large(limit: int) -> Answer:
    """Answer 413 and give up the connection, whose body nobody will read."""
    message = f"The request body is larger than {limit} bytes."
    closing = ("connection", "close")
    return error(413, "Error.PayloadTooLarge", message, "Request", closing)


def too_slow() -> Answer:
    """Answer 408 and give up the connection."""
    message = "The request body did not arrive in time."
    closing = ("connection", "close")
    return error(408, "Error.RequestTimeout", message, "Request", closing)


def unsupported_media_type(message: str) -> Answer:
    """Answer 415."""
    return error(415, "Error.UnsupportedMediaType", message, "Request")


def busy() -> Answer:
    """Answer 429; without Retry-After the JavaScript SDK never tries again."""
    message = "Too many requests are under way."
    return _retry(HTTPStatus.TOO_MANY_REQUESTS, "Error.TooManyRequests", message)


def no_answer() -> Answer:
    """Answer 503: the hub did not finish in time."""
    message = "The hub did not answer in time; the request may still take effect."
    return _retry(HTTPStatus.SERVICE_UNAVAILABLE, "Error.ServiceUnavailable", message)


def incomplete(reason: str) -> Answer:
    """Answer 503: another gateway, which has a part in it, did not finish in time."""
    message = f"{reason} The request may have taken effect in part."
    return _retry(HTTPStatus.SERVICE_UNAVAILABLE, "Error.ServiceUnavailable", message)


def broken() -> Answer:
    """Answer 500: a bug, which the log describes."""
    message = "The request failed because of an error in the service."
    return error(500, "Error.InternalServerError", message, None)


def not_implemented(message: str) -> Answer:
    """Answer 501; SDKs do not try again."""
    return error(501, "NotImplemented", message, "Request")


def _retry(status: HTTPStatus, code: str, message: str) -> Answer:
    after = ("retry-after", str(RETRY_SECONDS))
    return error(status, code, message, "Request", after)


def _document(value: Any, kind: bytes, headers: Headers) -> tuple[Headers, bytes]:
    body = msgspec.json.encode(value)
    length = str(len(body)).encode()
    own = ((b"content-type", kind), (b"content-length", length))
    return (*own, *headers), body
