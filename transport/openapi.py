"""Describes the REST data plane as an OpenAPI 3.1 document.

Made from the table of operations, so that it cannot promise what is not there.
"""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from hubbub.transport.openapi_parts import (
    BODIES,
    DOCUMENTS,
    PATH,
    QUERY,
    REQUIRED,
    SCHEMAS,
    SUMMARIES,
    Schema,
)
from hubbub.transport.rest_answers import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hubbub.transport.rest_table import Operation

UNDOCUMENTED: Final = frozenset({"invoke"})
"""Answered, but only to say that it is not there."""

_REFUSALS: Final = (400, 401, 404, 429, 500, 503)
_BODY_REFUSALS: Final = (408, 413, 415)
_HEADERS: Final = {
    401: ("WWW-Authenticate",),
    429: ("x-ms-error-code", "Retry-After"),
    503: ("x-ms-error-code", "Retry-After"),
}
_HEADER: Final[Schema] = {"required": True, "schema": {"type": "string"}}


def document(operations: Iterable[Operation], endpoint: str) -> Schema:
    """Describe the operations as they are reached at an endpoint."""
    paths: dict[str, Schema] = {}
    for operation in operations:
        if operation.name not in UNDOCUMENTED:
            described = _operation(operation)
            paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hubbub: REST data plane",
            "version": version("hubbub"),
            "description": "What servers call; compatible with Azure Web PubSub.",
        },
        "servers": [{"url": endpoint}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "HS256 by an access key; its audience is the URL.",
                }
            },
        },
    }


def _operation(operation: Operation) -> Schema:
    described: Schema = {
        "operationId": operation.name,
        "summary": SUMMARIES[operation.name],
        "parameters": [*_parameters(operation)],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        described["requestBody"] = BODIES[operation.body]
    if not operation.open:
        described["security"] = [{"token": []}]
    return described


def _parameters(operation: Operation) -> Iterator[Schema]:
    for part in operation.path.split("/"):
        if part.startswith("{"):
            yield _parameter("path", part[1:-1], *PATH[part[1:-1]], required=True)
    for name in operation.query:
        yield _parameter("query", name, *QUERY[name], required=name in REQUIRED)
    if not operation.open:
        versions = {"type": "string", "enum": [*VERSIONS]}
        yield _parameter("query", "api-version", "None: the newest.", versions)


def _parameter(
    place: str, name: str, description: str, schema: Schema, *, required: bool = False
) -> Schema:
    return {
        "in": place,
        "name": name,
        "required": required,
        "description": description,
        "schema": schema,
    }


def _responses(operation: Operation) -> Schema:
    statuses = {*operation.refusals}
    if not operation.open:
        statuses.update(_REFUSALS)
    if operation.body is not None:
        statuses.update(_BODY_REFUSALS)
    refusals = {str(status): _refusal(operation, status) for status in sorted(statuses)}
    return {str(operation.success): _success(operation), **refusals}


def _success(operation: Operation) -> Schema:
    response: Schema = {"description": HTTPStatus(operation.success).phrase}
    name = DOCUMENTS.get(operation.name)
    if name is not None:
        response["content"] = _content("application/json", name)
    if not operation.open:
        response["headers"] = {"api-supported-versions": _HEADER}
    return response


def _refusal(operation: Operation, status: int) -> Schema:
    response: Schema = {
        "description": HTTPStatus(status).phrase,
        "headers": dict.fromkeys(_HEADERS.get(status, ("x-ms-error-code",)), _HEADER),
    }
    if operation.method != "HEAD" and status != HTTPStatus.UNAUTHORIZED:
        response["content"] = _content("application/json", "Error")
        if status == HTTPStatus.BAD_REQUEST:
            response["content"] = {
                **_content("application/json", "ValidationError"),
                **_content("application/problem+json", "ValidationError"),
            }
    return response


def _content(media_type: str, name: str) -> Schema:
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
