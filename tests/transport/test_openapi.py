"""The description of the REST API is a valid one, and tells what is served."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import hypothesis
import msgspec
import pytest
import requests
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from hubbub.transport import openapi
from hubbub.transport.rest import rest_app
from hubbub.transport.rest_table import OPERATIONS, Operation
from hubbub.transport.settings import Live
from support.rest import NOW, FakeGateway, answer, bearer, served, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
]

BAD = {
    "filter": "nonsense",
    "messageTtlSeconds": "x",
    "targetName": "",
    "maxpagesize": "x",
    "top": "x",
    "continuationToken": "",
    "group": "",
    "minutesToExpire": "x",
    "clientType": "x",
    "api-version": "x",
}
"""Values that the parameters which can be wrong do not have."""

described = schemathesis.openapi.from_dict(
    openapi.document(OPERATIONS, "http://localhost")
)


@schemathesis.serializer("application/x-protobuf")
def as_they_are(_context: Any, value: Any) -> bytes:
    """Send bytes; whatever else is generated for a body without a schema, as JSON."""
    return value if isinstance(value, bytes) else msgspec.json.encode(value)


class SignedForTheUrl(requests.auth.AuthBase):
    """Signs a request as the SDKs do, for the URL that goes over the wire."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        parts = urlsplit(request.url or "")
        assert isinstance(parts.path, str)
        name, value = bearer(parts.path, parts.netloc, time.time())
        request.headers[name] = value
        return request


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(rest_app(FakeGateway(), Live(settings()))) as url:
        yield url


@described.parametrize()
@hypothesis.settings(max_examples=15, deadline=None)
def test_every_operation_answers_as_it_is_described(
    case: schemathesis.Case[Any], url: str
) -> None:
    response = case.call(base_url=url, auth=SignedForTheUrl())
    assert response.status_code != 401
    case.validate_response(response, checks=CHECKS)


def test_the_description_is_valid_openapi_3_1() -> None:
    described.validate()


def test_the_description_has_every_operation_of_the_table_but_the_unsupported() -> None:
    document = openapi.document(OPERATIONS, "http://localhost")
    told = {
        (method.upper(), path, operation["operationId"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert told == {
        (operation.method, operation.path, operation.name)
        for operation in OPERATIONS
        if operation.name not in openapi.UNDOCUMENTED
    }
    names = [name for _, _, name in told]
    assert len(names) == len(set(names)) == 26


@pytest.mark.parametrize(
    ("operation", "name"),
    [(op, name) for op in OPERATIONS for name in op.query if name in BAD],
    ids=lambda value: getattr(value, "name", value),
)
async def test_every_described_parameter_is_read(
    operation: Operation, name: str
) -> None:
    target = operation.path.format(
        hub="chat", group="g", userId="u", connectionId="c1", permission="sendToGroup"
    )
    app = rest_app(FakeGateway(), Live(settings()), clock=lambda: NOW)
    query = f"{name}={BAD[name]}"
    response = await answer(app, operation.method, f"{target}?{query}")
    assert response.status == 400


@pytest.mark.parametrize("endpoint", ["http://hubbub.test", "https://public.test/b"])
async def test_the_description_needs_no_token_and_names_the_endpoint(
    endpoint: str,
) -> None:
    configured = () if "hubbub" in endpoint else (endpoint,)
    app = rest_app(FakeGateway(), Live(settings(endpoints=configured)))
    anyone = ("Authorization", "")
    response = await answer(app, "GET", "/api/openapi.json", anyone)
    assert response.status == 200
    assert response.headers["content-type"].startswith("application/json")
    assert response.json()["servers"] == [{"url": endpoint}]
