"""azure-messaging-webpubsubservice against the REST API alone: what each call becomes.

The gateway behind it records commands and knows three connections, so this shows the
exact bytes of the package understood, down to names that need encoding.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.rest import HttpRequest
from azure.messaging.webpubsubservice import WebPubSubServiceClient

from hubbub.actors.messages import commands
from hubbub.actors.messages.commands import Everyone, ToConnection, ToGroup, ToUser
from hubbub.actors.messages.payload import Binary, Json, Text
from hubbub.actors.policy.permissions import Permission
from hubbub.transport.rest import rest_app
from hubbub.transport.settings import Live
from support.rest import KEY, SECOND_KEY, FakeGateway, served, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

HUB = "Chat"
ODD = ["a/b c+é%?#&'x", "g!()*~'", "tenant%2Falice"]


class Service:
    """A client of the package, and what its calls became."""

    def __init__(self, url: str, gateway: FakeGateway) -> None:
        self.url = url
        self.gateway = gateway
        self.client = self.with_key(KEY)

    def with_key(self, key: str, **options: Any) -> Any:
        credential = AzureKeyCredential(key)
        return WebPubSubServiceClient(
            self.url, HUB, credential, retry_total=0, **options
        )

    @property
    def last(self) -> Any:
        return self.gateway.told[-1]

    def raw(self, method: str, path: str, **options: Any) -> Any:
        url = f"{self.url}{path}"
        return self.client.send_request(HttpRequest(method, url, **options))


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, FakeGateway]]:
    gateway = FakeGateway()
    with served(rest_app(gateway, Live(settings()))) as url:
        yield url, gateway


@pytest.fixture
def service(server: tuple[str, FakeGateway]) -> Service:
    url, gateway = server
    gateway.posted.clear()
    gateway.full = False
    return Service(url, gateway)


def test_send_to_all_in_every_content_type(service: Service) -> None:
    service.client.send_to_all({"a": 1})
    assert service.last.payload == Json(b'{"a": 1}')
    service.client.send_to_all("hi")
    assert service.last.payload == Json(b'"hi"')
    service.client.send_to_all("hé", content_type="text/plain")
    assert service.last.payload == Text("hé")
    service.client.send_to_all(b"\0\xff", content_type="application/octet-stream")
    assert service.last.payload == Binary(b"\0\xff")
    assert service.last.target == Everyone()


def test_send_with_exclusions_filter_and_a_lifetime(service: Service) -> None:
    service.client.send_to_all(
        "x",
        excluded=["c1", "c 2", "a,b&c=d"],
        filter="userId eq 'O''Brien'",
        content_type="text/plain",
        params={"messageTtlSeconds": 60},
    )
    assert service.last.exclude == ("c1", "c 2", "a,b&c=d")
    assert service.last.where.text == "userId eq 'O''Brien'"
    assert service.last.ttl == 60


def test_send_an_iterator_of_bytes_in_chunks(service: Service) -> None:
    chunks = iter([b"one ", b"two"])
    service.client.send_to_all(chunks, content_type="application/octet-stream")
    assert service.last.payload == Binary(b"one two")


@pytest.mark.parametrize("name", ODD)
def test_names_arrive_as_the_caller_wrote_them(service: Service, name: str) -> None:
    service.client.send_to_group(name, "x", content_type="text/plain")
    assert service.last.target == ToGroup(name)
    service.client.send_to_user(name, "x", content_type="text/plain")
    assert service.last.target == ToUser(name)
    service.client.send_to_connection(name, "x", content_type="text/plain")
    assert service.last.target == ToConnection(name)
    service.client.close_connection(name, reason=name)
    assert service.last.target == ToConnection(name)
    assert service.last.reason == name
    service.client.remove_user_from_group(name, name)
    assert service.last.target == ToUser(name)
    assert service.last.group == name


def test_existence_is_a_boolean(service: Service) -> None:
    client = service.client
    assert client.connection_exists("c1") is True
    assert client.connection_exists("gone") is False
    assert client.group_exists("a/b") is True
    assert client.group_exists("gone") is False
    assert client.user_exists("O'Brien") is True
    assert client.user_exists("gone") is False


def test_close_calls(service: Service) -> None:
    client = service.client
    client.close_connection("c1", reason="bye")
    assert service.last == _close(service, ToConnection("c1"), (), "bye")
    client.close_all_connections(excluded=["c1"], reason="all")
    assert service.last == _close(service, Everyone(), ("c1",), "all")
    client.close_group_connections("g1", excluded=["c1", "c2"])
    assert service.last == _close(service, ToGroup("g1"), ("c1", "c2"), None)
    client.close_user_connections("alice", excluded=["c1"], reason="r")
    assert service.last == _close(service, ToUser("alice"), ("c1",), "r")


def _close(
    service: Service, target: Any, exclude: tuple[str, ...], reason: str | None
) -> commands.Close:
    return commands.Close(target, exclude, reason, service.last.receipt)


def test_membership_calls(service: Service) -> None:
    client = service.client
    client.add_connection_to_group("g1", "c1")
    assert (service.last.target, service.last.group) == (ToConnection("c1"), "g1")
    client.add_user_to_group("g1", "alice")
    assert (service.last.target, service.last.group) == (ToUser("alice"), "g1")
    client.remove_connection_from_group("g1", "gone")
    assert (service.last.target, service.last.group) == (ToConnection("gone"), "g1")
    client.remove_user_from_group("g1", "alice")
    client.remove_connection_from_all_groups("c1")
    assert (service.last.target, service.last.group) == (ToConnection("c1"), None)
    client.remove_user_from_all_groups("alice")
    assert (service.last.target, service.last.group) == (ToUser("alice"), None)


def test_a_missing_connection_or_user_raises_with_the_code(service: Service) -> None:
    with pytest.raises(ResourceNotFoundError, match="Connection `gone`") as raised:
        service.client.add_connection_to_group("g1", "gone")
    assert raised.value.error is not None
    assert raised.value.error.code == "Error.Connection.NotExisted"
    with pytest.raises(ResourceNotFoundError, match=r"Warning\.User\.NotExisted"):
        service.client.add_user_to_group("g1", "gone")


def test_permission_calls(service: Service) -> None:
    client = service.client
    client.grant_permission("sendToGroup", "c1", target_name="g1")
    assert service.last == commands.Grant(
        "c1", Permission.SEND_TO_GROUP, "g1", service.last.answer
    )
    client.revoke_permission("joinLeaveGroup", "gone", target_name="g1")
    assert service.last.permission is Permission.JOIN_LEAVE_GROUP
    assert client.has_permission("sendToGroup", "c1", target_name="g1") is True
    assert client.has_permission("sendToGroup", "c1", target_name="g2") is False
    assert client.has_permission("sendToGroup", "gone", target_name="g1") is False


def test_permission_failures(service: Service) -> None:
    with pytest.raises(ResourceNotFoundError, match=r"Info\.Connection\.NotExisted"):
        service.client.grant_permission("sendToGroup", "gone", target_name="g1")
    with pytest.raises(HttpResponseError, match=r"Error\.BadRequest") as raised:
        service.client.grant_permission("sendToGroup", "c1")
    assert raised.value.status_code == 400
    service.gateway.full = True
    with pytest.raises(ResourceExistsError, match=r"Error\.Connection\.Conflict"):
        service.client.grant_permission("sendToGroup", "c1", target_name="g1")


@pytest.mark.parametrize(
    ("options", "found", "pages"),
    [
        ({}, ["c1", "c2"], 1),
        ({"maxpagesize": 1}, ["c1", "c2"], 2),
        ({"top": 1}, ["c1"], 1),
        ({"maxpagesize": 1, "top": 2}, ["c1", "c2"], 2),
        ({"continuation_token_parameter": "c1"}, ["c2"], 1),
    ],
)
def test_list_connections_follows_pages(
    service: Service, options: dict[str, Any], found: list[str], pages: int
) -> None:
    members = list(service.client.list_connections(group="g1", **options))
    assert [member.connection_id for member in members] == found
    assert len(service.gateway.told) == pages


def test_list_connections_of_an_odd_group(service: Service) -> None:
    members = list(service.client.list_connections(group="a/b", maxpagesize=1))
    assert [member.user_id for member in members] == ["alice"]


@pytest.mark.parametrize("verb", ["addToGroups", "removeFromGroups"])
def test_bulk_by_send_request(service: Service, verb: str) -> None:
    body = {"groups": ["g1", "g/2"], "filter": "userId eq null"}
    answer = service.raw("POST", f"/api/hubs/{HUB}/:{verb}", json=body)
    assert (answer.status_code, answer.content) == (200, b"")
    assert service.last.groups == ("g1", "g/2")
    assert service.last.where.text == "userId eq null"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_health_by_send_request(service: Service, method: str) -> None:
    assert service.raw(method, "/api/health?api-version=2024-12-01").status_code == 200


def test_a_token_by_send_request(service: Service) -> None:
    query = "userId=u&role=a&role=b&group=g&minutesToExpire=1&clientType=Default"
    answer = service.raw("POST", f"/api/hubs/{HUB}/:generateToken?{query}")
    assert answer.status_code == 200
    audience = f"{service.url}/client/hubs/chat"
    claims = jwt.decode(answer.json()["token"], KEY, ["HS256"], audience=audience)
    assert claims["sub"] == "u"
    assert claims["role"] == ["a", "b"]
    assert claims["exp"] == pytest.approx(time.time() + 60, abs=5)


def test_either_key_and_a_user_name_are_accepted_and_other_keys_are_not(
    service: Service,
) -> None:
    service.with_key(SECOND_KEY).send_to_all("x")
    service.with_key(KEY, user="me").send_to_all("x")
    with pytest.raises(ClientAuthenticationError):
        service.with_key("another-key-of-at-least-thirty-two-bytes").send_to_all("x")


def test_a_bad_filter_raises_with_the_message(service: Service) -> None:
    with pytest.raises(HttpResponseError, match="Syntax error at position") as raised:
        service.client.send_to_all("x", filter="invalid filter")
    assert raised.value.status_code == 400


def test_a_body_that_is_too_large_raises_and_the_client_goes_on(
    service: Service,
) -> None:
    body = b"x" * ((1 << 20) + 1)
    with pytest.raises(HttpResponseError) as raised:
        service.client.send_to_all(body, content_type="application/octet-stream")
    assert raised.value.status_code == 413
    service.client.send_to_all(body[1:], content_type="application/octet-stream")
    assert service.last.payload == Binary(body[1:])
