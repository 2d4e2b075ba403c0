"""What paths and queries may say: names, versions, encodings, and 400 for the rest."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from hubbub.actors.messages import commands
from hubbub.transport.rest import rest_app
from hubbub.transport.rest_answers import VERSIONS
from hubbub.transport.rest_query import PREVIEWS
from hubbub.transport.settings import Live
from support.rest import NOW, FakeGateway, answer, bearer, served, settings

H = "/api/hubs/chat"
RULE = f"{H}/permissions/sendToGroup/connections/c1"
LIST = f"{H}/groups/g1/connections"
TOKEN = f"{H}/:generateToken"


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def app(gateway: FakeGateway) -> Any:
    return rest_app(gateway, Live(settings()), clock=lambda: NOW)


@pytest.mark.parametrize("version", [*VERSIONS, *PREVIEWS])
async def test_every_version_is_accepted_on_every_operation(
    app: Any, version: str
) -> None:
    response = await answer(app, "GET", f"{LIST}?api-version={version}")
    assert response.status == 200


@pytest.mark.parametrize(
    "query",
    [
        "api-version=2020-01-01",
        "api-version=",
        "api-version=2024-12-01,2024-12-01",
        "api-version=2024-12-01&api-version=2024-12-01",
        "api-version=2021-05-01-PREVIEW",
        "api-version=2026-02-01-preview",
    ],
)
async def test_an_unknown_version_is_400_and_nothing_happens(
    app: Any, gateway: FakeGateway, query: str
) -> None:
    response = await answer(app, "POST", f"{H}/:send?{query}")
    assert response.status == 400
    assert response.json()["target"] == "api-version"
    assert response.headers["x-ms-error-code"] == "Error.BadRequest"
    assert "api-supported-versions" not in response.headers
    assert gateway.posted == []


# method, target, target of the fault
REFUSED = [
    ("POST", "/api/hubs/1bad/:send", "hub"),
    ("POST", f"/api/hubs/{'h' * 129}/:send", "hub"),
    ("POST", "/api/hubs/a%2Fb/:send", "hub"),
    ("POST", f"{H}/groups/%20/:send", "group"),
    ("POST", f"{H}/groups/{'g' * 1025}/:send", "group"),
    ("POST", f"{H}/users/%20%09/:send", "userId"),
    ("HEAD", f"{H}/connections/%20", "connectionId"),
    ("PUT", f"{H}/permissions/publish/connections/c1?targetName=g", "permission"),
    ("PUT", f"{H}/permissions/3/connections/c1?targetName=g", "permission"),
    ("PUT", RULE, "targetName"),
    ("PUT", f"{RULE}?targetName=", "targetName"),
    ("DELETE", f"{RULE}?targetName=%20", "targetName"),
    ("PUT", f"{RULE}?targetName={'g' * 1025}", "targetName"),
    ("PUT", f"{RULE}?targetName=a&targetName=b", "targetName"),
    ("POST", f"{H}/:send?messageTtlSeconds=301", "messageTtlSeconds"),
    ("POST", f"{H}/:send?messageTtlSeconds=-1", "messageTtlSeconds"),
    ("POST", f"{H}/:send?messageTtlSeconds=1.5", "messageTtlSeconds"),
    ("POST", f"{H}/:send?messageTtlSeconds=", "messageTtlSeconds"),
    ("POST", f"{H}/:send?messageTtlSeconds=%D9%A3", "messageTtlSeconds"),
    ("POST", f"{H}/:send?messageTtlSeconds=1&messageTtlSeconds=1", "messageTtlSeconds"),
    ("POST", f"{H}/:send?filter=%20", "Filter"),
    ("POST", f"{H}/:send?filter=userId", "Filter"),
    ("POST", f"{H}/:send?filter={'(' * 5000}", "Filter"),
    ("POST", f"{H}/groups/g/:send?filter=invalid+filter", "Filter"),
    ("POST", f"{H}/users/u/:send?FILTER=true+or+userId", "Filter"),
    ("POST", f"{H}/:send?filter=true&filter=true", "filter"),
    ("POST", f"{H}/:closeConnections?reason=a&reason=b", "reason"),
    ("GET", f"{LIST}?maxpagesize=0", "maxpagesize"),
    ("GET", f"{LIST}?maxpagesize=201", "maxpagesize"),
    ("GET", f"{LIST}?maxpagesize=", "maxpagesize"),
    ("GET", f"{LIST}?maxpagesize=1&maxpagesize=1", "maxpagesize"),
    ("GET", f"{LIST}?top=0", "top"),
    ("GET", f"{LIST}?top=2147483648", "top"),
    ("GET", f"{LIST}?top={'9' * 5000}", "top"),
    ("GET", f"{LIST}?continuationToken=", "continuationToken"),
    ("GET", f"{LIST}?continuationToken=a%20b", "continuationToken"),
    ("GET", f"{LIST}?continuationToken={'a' * 2049}", "continuationToken"),
    ("GET", f"{LIST}?continuationToken=https://x/y", "continuationToken"),
    ("GET", f"{LIST}?continuationToken=https://[", "continuationToken"),
    ("POST", f"{TOKEN}?minutesToExpire=0", "minutesToExpire"),
    ("POST", f"{TOKEN}?minutesToExpire=2147483648", "minutesToExpire"),
    ("POST", f"{TOKEN}?clientType=SocketIO", "clientType"),
    ("POST", f"{TOKEN}?clientType=", "clientType"),
    ("POST", f"{TOKEN}?group=g&group=%20", "group"),
    ("POST", f"{H}/:send?x=%FF", "Request"),
]


@pytest.mark.parametrize(
    ("method", "target", "what"), REFUSED, ids=[case[1][:60] for case in REFUSED]
)
async def test_what_cannot_be_understood_is_400_and_nothing_happens(
    app: Any, gateway: FakeGateway, method: str, target: str, what: str
) -> None:
    response = await answer(app, method, target, body=None)
    assert response.status == 400
    assert gateway.posted == []
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    if method != "HEAD":
        fault = response.json()
        assert fault["code"] == "Error.BadRequest"
        assert fault["target"] == what
        assert fault["errors"] == {what: [fault["message"]]}
        assert fault["status"] == 400


async def test_a_bad_filter_is_told_in_the_words_of_the_service(app: Any) -> None:
    response = await answer(app, "POST", f"{H}/:send?filter=invalid%20filter")
    assert response.json()["message"] == (
        "Invalid syntax for 'invalid filter': Syntax error at position 14 in "
        "'invalid filter'. (Parameter 'filter')"
    )


async def test_an_unknown_client_type_is_told_in_the_words_of_the_service(
    app: Any,
) -> None:
    response = await answer(app, "POST", f"{TOKEN}?clientType=Nope")
    assert response.json()["message"] == "The value 'Nope' is not valid."


@pytest.mark.parametrize(
    "query",
    ["", "filter=", "nothing=known&excluded=", "a&b=&=c", "MESSAGETTLSECONDS=0300"],
)
async def test_empty_and_unknown_parameters_make_no_difference(
    app: Any, gateway: FakeGateway, query: str
) -> None:
    assert (await answer(app, "POST", f"{H}/:send?{query}")).status == 202
    (command,) = gateway.told
    assert isinstance(command, commands.Publish)
    assert command.where is None


# path as sent, whom it means
PATHS = [
    ("/users/a%2Fb%20c%2B%C3%A9%25%3F%23%26%27x", "a/b c+é%?#&'x"),
    ("/users/g%21%28%29%2A~%27", "g!()*~'"),
    ("/users/g!()*~'", "g!()*~'"),
    ("/users/a+b", "a+b"),
    ("/users/tenant%252Falice", "tenant%2Falice"),
    ("/users/%zz", "%zz"),
    ("/users/{}", "{}"),
    ("/users/%00", "\0"),
    ("/users/..", ".."),
]


@pytest.mark.parametrize(("path", "user"), PATHS)
@pytest.mark.parametrize("verb", ["/:send", "/%3Asend", "/%3asend/", "/:send/"])
async def test_a_segment_is_split_first_and_decoded_once(
    app: Any, gateway: FakeGateway, path: str, user: str, verb: str
) -> None:
    response = await answer(app, "POST", f"{H}{path}{verb}")
    assert response.status == 202
    (command,) = gateway.told
    assert isinstance(command, commands.Publish)
    assert command.target == commands.ToUser(user)


def test_a_server_hands_over_the_path_as_it_was_sent(gateway: FakeGateway) -> None:
    app = rest_app(gateway, Live(settings()))
    with served(app) as url:
        for path, user in PATHS:
            assert _raw_post(url, f"{H}{path}/:send") == 202
            assert gateway.told[-1].target == commands.ToUser(user)  # type: ignore[union-attr]


def _raw_post(url: str, target: str) -> int:
    """Post without a library that would mend the path."""
    host = url.removeprefix("http://")
    _, authorization = bearer(target, host, time.time())
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port))) as stream:
        stream.sendall(
            f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n"
            f"Authorization: {authorization}\r\nConnection: close\r\n\r\n".encode()
        )
        return int(stream.makefile("rb").readline().split()[1])


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/hubs",
        "/api/hubs/chat",
        f"{H}/nothing",
        f"{H}/:sends",
        f"{H}/:Send",
        f"{H}/connections//:send",
        f"{H}/users/",
        f"{H}/groups/a/b/:send",
        f"{H}/groups/g/connections/c/x",
        f"{H}//:send",
        f"{H}/:send//",
        f"{H}/chat/rooms/r",
        "/api/hubs//:send",
        "//api/health",
    ],
)
async def test_an_unknown_path_is_404_for_anyone(app: Any, path: str) -> None:
    response = await answer(app, "POST", path, ("Authorization", ""))
    assert (response.status, response.json()["code"]) == (404, "Error.NotFound")
    assert "api-supported-versions" not in response.headers


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", f"{H}/:send", "POST"),
        ("OPTIONS", f"{H}/connections/c1", "HEAD, DELETE"),
        ("GET", f"{H}/users/alice", "HEAD"),
        ("HEAD", f"{H}/groups/g/connections/c", "PUT, DELETE"),
        ("POST", RULE, "PUT, DELETE, HEAD"),
        ("POST", f"{H}/groups/g/connections", "GET, HEAD"),
        ("TRACE", "/api/health", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_405_with_the_right_ones(
    app: Any, method: str, path: str, allow: str
) -> None:
    response = await answer(app, method, path, ("Authorization", ""))
    assert response.status == 405
    assert response.headers["allow"] == allow


async def test_a_path_that_is_not_utf_8_is_400(app: Any) -> None:
    assert (await answer(app, "POST", f"{H}/users/%FF/:send")).status == 400


async def test_head_of_a_list_gives_the_length_of_the_list_alone(app: Any) -> None:
    listed = await answer(app, "GET", LIST)
    head = await answer(app, "HEAD", LIST)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(listed.body))
