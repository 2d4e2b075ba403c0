"""Tokens, as the client protocol and REST references of the service describe them."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from hypothesis import given
from hypothesis import strategies as st

from hubbub.transport.wire.audience import (
    MQTT_PATH,
    SERVER_PATH,
    audience_matches,
    client_audience,
    client_audience_url,
    client_url,
    rest_audience,
)
from hubbub.transport.wire.tokens import (
    ISSUER,
    ClientClaims,
    Keyring,
    TokenError,
    client_claims,
    mint,
    verify,
)

PRIMARY = "primary-" + "p" * 32
SECONDARY = "secondary-" + "s" * 32
KEYS = Keyring(PRIMARY, SECONDARY)
NOW = 1_790_000_000.0
AUD = "https://h.example/client/hubs/chat"
ENDPOINTS = ("https://h.example",)


def anyone(_: str) -> bool:
    return True


def signed(
    payload: bytes | dict[str, Any],
    *,
    key: str = PRIMARY,
    header: bytes | dict[str, Any] | None = None,
) -> str:
    """Sign by hand, so that nothing is too strange to be signed."""
    if header is None:
        header = {"alg": "HS256", "typ": "JWT"}
    parts = [
        base64.urlsafe_b64encode(part if isinstance(part, bytes) else raw(part))
        for part in (header, payload)
    ]
    text = b".".join(part.rstrip(b"=") for part in parts)
    digest = hmac.new(key.encode(), text, hashlib.sha256).digest()
    return f"{text.decode()}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def raw(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def checked(token: str, *, now: float = NOW) -> dict[str, Any]:
    audience = client_audience(ENDPOINTS, "chat")
    return verify(token, KEYS, now=now, audience=audience)


@pytest.mark.parametrize("key", [PRIMARY, SECONDARY])
def test_a_token_of_either_key_is_verified(key: str) -> None:
    token = mint(key, audience=AUD, now=NOW, lifetime=60, user_id="alice")
    assert checked(token) == {
        "aud": AUD,
        "iat": NOW,
        "exp": NOW + 60,
        "sub": "alice",
    }


def test_a_token_needs_only_aud_and_exp() -> None:
    assert checked(signed({"aud": AUD, "exp": NOW}, header={"alg": "HS256"}))


def test_a_kid_is_ignored() -> None:
    header = {"alg": "HS256", "typ": "JWT", "kid": "s-1"}
    assert checked(signed({"aud": AUD, "exp": NOW}, header=header))


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": NOW - 300}, "expired"),
        ({"exp": 0}, "expired"),
        ({}, "no expiry"),
        ({"exp": None}, "no expiry"),
        ({"exp": str(NOW)}, "not a time"),
        ({"exp": True}, "not a time"),
        ({"exp": [NOW]}, "not a time"),
        ({"exp": -1}, "not a time"),
        ({"exp": 10**12}, "not a time"),
        ({"exp": 10**60}, "not a time"),
        ({"exp": 1e308}, "not a time"),
        ({"exp": float("inf")}, "malformed"),
        ({"exp": float("nan")}, "malformed"),
        ({"exp": NOW - 300.5}, "expired"),
        ({"exp": NOW + 900, "nbf": NOW + 301}, "not yet valid"),
        ({"exp": NOW, "nbf": "x"}, "not a time"),
        ({"exp": NOW, "aud": None}, "audience"),
        ({"exp": NOW, "aud": []}, "audience"),
        ({"exp": NOW, "aud": 7}, "'aud'"),
        ({"exp": NOW, "aud": [AUD, 7]}, "'aud'"),
        ({"exp": NOW, "aud": "https://webpubsub.azure.com"}, "audience"),
        ({"exp": NOW, "aud": "https://h.example/client/hubs/other"}, "audience"),
    ],
)
def test_a_genuine_token_with_wrong_claims_is_refused(
    claims: dict[str, Any], words: str
) -> None:
    with pytest.raises(TokenError, match=words):
        checked(signed({"aud": AUD, **claims}))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 299},
        {"exp": NOW + 0.5},
        {"exp": 253_402_300_799},
        {"exp": NOW, "nbf": NOW + 300},
        {"exp": NOW, "nbf": None},
        {"exp": NOW, "iat": "nonsense"},
        {"exp": NOW, "aud": ["https://else.example", AUD]},
        {"exp": NOW, "iss": "anyone", "jti": 7},
    ],
)
def test_times_have_five_minutes_of_skew_and_other_claims_do_not_count(
    claims: dict[str, Any],
) -> None:
    assert checked(signed({"aud": AUD, **claims}))


GOOD = signed({"aud": AUD, "exp": NOW})


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "garbage",
        "a.b.c",
        "é.é.é",
        "\ud800.a.b",
        "\x00",
        GOOD[:-1],
        GOOD + "A",
        GOOD.rsplit(".", 1)[0] + ".",
        GOOD + "." + GOOD,
        " " + GOOD,
        "Bearer " + GOOD,
        "A" * 10_000_000,
        GOOD + "A" * 100_000,
        signed({"aud": AUD, "exp": NOW}, key="wrong" * 8),
        signed({"aud": AUD, "exp": NOW}, header={"alg": "none"}),
        signed({"aud": AUD, "exp": NOW}, header={"alg": "HS256", "b64": False}),
        signed({"aud": AUD, "exp": NOW}, header={"alg": "HS256", "crit": ["x"]}),
        signed({"aud": AUD, "exp": NOW}, header={"alg": ["HS256"]}),
        signed({"aud": AUD, "exp": NOW}, header={"alg": {"HS256": 1}}),
        signed({"aud": AUD, "exp": NOW}, header={"alg": 7}),
        signed({"aud": AUD, "exp": NOW}, header={"typ": "JWT"}),
        signed({"aud": AUD, "exp": NOW}, header={"alg": "HS256", "kid": 7}),
        signed({"aud": AUD, "exp": NOW}, header=b"[]"),
        signed({"aud": AUD, "exp": NOW}, header=b"[" * 20_000),
        signed({"aud": AUD, "exp": NOW}, header=b'{"alg":' * 3_000),
        signed({"aud": AUD, "exp": NOW}, header=b"\xff\xfe"),
        signed({"aud": AUD, "exp": NOW}, header=b"9" * 20_000),
        signed(b""),
        signed(b"{"),
        signed(b"[]"),
        signed(b'"text"'),
        signed(b"null"),
        signed(b"[" * 20_000),
        signed(b'{"a":' * 6_000),
        signed(b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
        signed(b'{"aud":"\xff","exp":1}'),
        signed(b'{"aud":"' + AUD.encode() + b'","exp":1790000000,"sub":"\\ud800"}'),
        signed(b'{"exp":' + b"9" * 10_000 + b"}"),
        signed(b'{"exp":1e999}'),
        GOOD.split(".")[0] + "." + GOOD.split(".")[1] + ".",
    ],
)
def test_a_hostile_token_is_refused(token: str) -> None:
    with pytest.raises(TokenError) as caught:
        checked(token)
    assert len(str(caught.value)) < 80


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "none", "RS256", "ES256"])
def test_another_algorithm_is_refused_before_the_key_is_tried(algorithm: str) -> None:
    token = signed({"aud": AUD, "exp": NOW}, header={"alg": algorithm})
    with pytest.raises(TokenError, match="HS256"):
        verify(token, Keyring("wrong" * 8), now=NOW, audience=anyone)


def test_unsecured_and_longer_hashes_of_the_library_are_refused() -> None:
    claims = {"aud": AUD, "exp": int(NOW)}
    for token in (
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, PRIMARY * 2, algorithm="HS512"),
    ):
        with pytest.raises(TokenError):
            verify(token, Keyring(PRIMARY * 2), now=NOW, audience=anyone)


def test_a_keyring_does_not_show_its_keys() -> None:
    assert KEYS.all() == (PRIMARY, SECONDARY)
    assert Keyring(PRIMARY).all() == (PRIMARY,)
    for text in (repr(KEYS), str(KEYS), repr([KEYS]), repr(KEYS.__rich_repr__())):
        assert PRIMARY not in text
        assert SECONDARY not in text


@given(st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_any_text_is_refused(token: str) -> None:
    with pytest.raises(TokenError):
        verify(token, KEYS, now=NOW, audience=anyone)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
CLAIMS = ["aud", "exp", "nbf", "sub", "role", "webpubsub.group", "x"]


@given(st.dictionaries(st.sampled_from(CLAIMS) | st.text(), JSON), JSON)
def test_any_signed_claims_are_read_or_refused(
    claims: dict[str, Any], header: Any
) -> None:
    for token in (
        signed(claims),
        signed({"aud": AUD, "exp": NOW, **claims}),
        signed({"exp": NOW}, header={"alg": "HS256", "x": header}),
    ):
        try:
            read = client_claims(verify(token, KEYS, now=NOW, audience=anyone))
        except TokenError:
            continue
        assert all(
            isinstance(item, str) for texts in read.claims.values() for item in texts
        )


# What a client's token says.


def test_claims_are_collected_for_the_connect_event() -> None:
    read = client_claims(
        {
            "aud": AUD,
            "exp": 1_790_000_000,
            "sub": "alice",
            "role": ["webpubsub.sendToGroup", "x"],
            "webpubsub.group": ["g1"],
            "float": 1.5,
            "whole": 2.0,
            "big": 10**30,
            "yes": True,
            "none": None,
            "mixed": [1, "a", None, False],
            "object": {"a": [1]},
        }
    )
    assert read.user_id == "alice"
    assert read.roles == ("webpubsub.sendToGroup", "x")
    assert read.groups == ("g1",)
    assert read.claims == {
        "aud": (AUD,),
        "exp": ("1790000000",),
        "sub": ("alice",),
        "role": ("webpubsub.sendToGroup", "x"),
        "webpubsub.group": ("g1",),
        "float": ("1.5",),
        "whole": ("2",),
        "big": ("1" + "0" * 30,),
        "yes": ("true",),
        "none": (),
        "mixed": ("1", "a", "false"),
        "object": ('{"a":[1]}',),
    }


def test_a_single_text_stands_for_a_list() -> None:
    read = client_claims({"role": "r", "webpubsub.group": "g"})
    assert (read.roles, read.groups) == (("r",), ("g",))


@pytest.mark.parametrize("claims", [{}, {"sub": ""}, {"sub": None}])
def test_without_a_sub_the_user_is_anonymous(claims: dict[str, Any]) -> None:
    assert client_claims(claims).user_id is None
    assert ClientClaims() == client_claims({})


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": 7},
        {"sub": ["a"]},
        {"role": 7},
        {"role": [7]},
        {"role": {"a": "b"}},
        {"webpubsub.group": [None]},
        {"webpubsub.group": True},
    ],
)
def test_a_claim_of_the_wrong_type_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenError, match=next(iter(claims))):
        client_claims(claims)


# Audiences.

HUB = ("client", "hubs", "chat")


@pytest.mark.parametrize(
    ("aud", "matches"),
    [
        ("https://h.example/client/hubs/chat", True),
        ("http://h.example/client/hubs/chat", True),
        ("wss://h.example/client/hubs/chat", True),
        ("WS://H.EXAMPLE/client/hubs/CHAT", True),
        ("https://h.example:443/client/hubs/chat", True),
        ("http://h.example:80/client/hubs/chat", True),
        ("https://h.example:/client/hubs/chat", True),
        ("https://h.example/client/hubs/chat/", True),
        ("https://h.example/client/hubs/chat?x=1#y", True),
        ("https://h.example/client/hubs/%63hat", True),
        ("https://h.example/client/hubs/chat//", False),
        ("https://h.example/client/hubs/chat/child", False),
        ("https://h.example/client/hubs/chatty", False),
        ("https://h.example/client/hubs", False),
        ("https://h.example/client/hubs/", False),
        ("https://h.example/", False),
        ("https://h.example", False),
        ("https://h.example//client/hubs/chat", False),
        ("https://h.example/Client/hubs/chat", False),
        ("https://h.example/client/hubs%2Fchat", False),
        ("https://h.example/client/hubs/%2563hat", False),
        ("https://h.example/client/hubs/ch%ffat", False),
        ("https://h.example/client/x/../hubs/chat", False),
        ("https://h.example/clients/mqtt/hubs/chat", False),
        ("https://h.example:8080/client/hubs/chat", False),
        ("https://h.example:80/client/hubs/chat", False),
        ("https://h.example.evil/client/hubs/chat", False),
        ("https://evil/h.example/client/hubs/chat", False),
        ("https://h.example@evil/client/hubs/chat", False),
        ("https://evil@h.example/client/hubs/chat", False),
        ("https://h.example:x/client/hubs/chat", False),
        ("https://h.example:443:443/client/hubs/chat", False),
        ("ftp://h.example/client/hubs/chat", False),
        ("h.example/client/hubs/chat", False),
        ("//h.example/client/hubs/chat", False),
        ("/client/hubs/chat", False),
        (" https://h.example/client/hubs/chat", False),
        ("https://h.example/client/hubs/chat\n", False),
        ("https:\\\\h.example/client/hubs/chat", False),
        ("https://[/client/hubs/chat", False),
        ("", False),
    ],
)
def test_an_audience_is_exactly_the_path_at_the_endpoint(
    aud: str, matches: bool
) -> None:
    assert client_audience(ENDPOINTS, "chat")(aud) is matches


@pytest.mark.parametrize(
    ("endpoints", "aud", "matches"),
    [
        (("http://127.0.0.1:8080",), "ws://127.0.0.1:8080/client/hubs/chat", True),
        (("http://127.0.0.1:8080",), "ws://127.0.0.1/client/hubs/chat", False),
        (("http://[::1]:8080",), "http://[::1]:8080/client/hubs/chat", True),
        (("https://a", "https://b"), "https://b/client/hubs/chat", True),
        (("https://a", "https://b"), "https://c/client/hubs/chat", False),
        (("https://a/base/",), "https://a/base/client/hubs/chat", True),
        (("https://a/base",), "https://a/client/hubs/chat", False),
        (("https://a", "https://a/base"), "https://a/base/client/hubs/chat", True),
        (("https://a/base", "https://a"), "https://a/client/hubs/chat", True),
        ((), "https://a/client/hubs/chat", False),
        (("nonsense", "https://a"), "https://a/client/hubs/chat", True),
        (("nonsense",), "nonsense/client/hubs/chat", False),
    ],
)
def test_an_audience_is_at_one_of_the_endpoints(
    endpoints: tuple[str, ...], aud: str, matches: bool
) -> None:
    found = audience_matches(aud, endpoints=endpoints, segments=HUB, fold=(2,))
    assert found is matches


def test_only_folded_segments_compare_without_case() -> None:
    def found(fold: tuple[int, ...]) -> bool:
        aud = "https://h.example/client/hubs/Chat"
        return audience_matches(aud, endpoints=ENDPOINTS, segments=HUB, fold=fold)

    assert found((2,))
    assert not found(())
    assert not found((1,))


@pytest.mark.parametrize("tail", ["g!()*~'", "g%21%28%29%2A~%27"])
def test_a_rest_audience_compares_decoded_segments(tail: str) -> None:
    audience = rest_audience(
        ENDPOINTS, ("api", "hubs", "chat", "groups", "g!()*~'", ":send")
    )
    base = f"https://h.example/api/hubs/Chat/groups/{tail}"
    assert audience(f"{base}/:send?api-version=2024-12-01")
    assert audience(f"{base}/%3Asend/")
    assert not audience(base)
    assert not audience(f"{base}/:send/x")
    assert not audience(f"https://h.example/API/hubs/chat/groups/{tail}/:send")


def test_a_rest_audience_keeps_the_case_of_all_but_the_hub() -> None:
    audience = rest_audience(ENDPOINTS, ("api", "hubs", "chat", "users", "Alice"))
    assert audience("https://h.example/api/hubs/CHAT/users/Alice")
    assert not audience("https://h.example/api/hubs/chat/users/alice")


def test_a_hub_token_does_not_open_what_is_below_the_hub() -> None:
    audience = rest_audience(ENDPOINTS, ("api", "hubs", "chat", ":send"))
    assert not audience("https://h.example/api/hubs/chat")
    assert not audience(AUD)


def test_mqtt_clients_and_servers_have_their_own_paths() -> None:
    for path in (MQTT_PATH, SERVER_PATH):
        aud = client_audience_url("https://h.example/", "chat", path)
        assert client_audience(ENDPOINTS, "Chat", path)(aud)
        assert not client_audience(ENDPOINTS, "chat")(aud)


@given(st.text(), st.text())
def test_any_audience_is_answered(aud: str, endpoint: str) -> None:
    for text in (aud, f"https://{aud}", f"https://h.example/{aud}"):
        assert audience_matches(text, endpoints=(endpoint,), segments=HUB) is False


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_any_path_percent_encoded_is_its_own_audience(segments: list[str]) -> None:
    try:
        encoded = ["".join(f"%{b:02x}" for b in s.encode()) for s in segments]
    except UnicodeEncodeError:
        return
    aud = "/".join(("https://h.example", *encoded))
    assert rest_audience(ENDPOINTS, segments)(aud)


# Minting, and the official package.


def test_minted_claims_are_those_of_the_official_package() -> None:
    token = mint(
        PRIMARY,
        audience=AUD,
        now=NOW + 0.9,
        lifetime=3600,
        user_id="alice",
        roles=("webpubsub.sendToGroup",),
        groups=("g",),
    )
    assert jwt.decode(token, options={"verify_signature": False}) == {
        "aud": AUD,
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
        "sub": "alice",
        "role": ["webpubsub.sendToGroup"],
        "webpubsub.group": ["g"],
    }
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


def test_a_token_with_an_issuer_says_from_when_it_is_valid() -> None:
    token = mint(PRIMARY, audience=AUD, now=NOW, lifetime=60, issuer=ISSUER)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iss"] == "https://webpubsub.azure.com"
    assert claims["nbf"] == int(NOW)


@given(
    st.text() | st.none(),
    st.lists(st.text(), max_size=3),
    st.lists(st.text(), max_size=3),
)
def test_what_is_minted_is_read_back(
    user: str | None, roles: list[str], groups: list[str]
) -> None:
    token = mint(
        PRIMARY,
        audience=AUD,
        now=NOW,
        lifetime=60,
        user_id=user,
        roles=roles,
        groups=groups,
    )
    read = client_claims(checked(token))
    assert read.user_id == (user or None)
    assert read.roles == tuple(roles)
    assert read.groups == tuple(groups)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://h.example", "wss://h.example/client/hubs/chat?access_token=t"),
        ("http://h:8080/", "ws://h:8080/client/hubs/chat?access_token=t"),
        ("HTTPS://h/base", "wss://h/base/client/hubs/chat?access_token=t"),
    ],
)
def test_a_client_url_is_the_endpoint_over_websocket(endpoint: str, url: str) -> None:
    assert client_url(endpoint, "chat", "t") == url


@pytest.mark.parametrize("hub", ["chat", "Chat", "a`,.[]_9"])
@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:8080", "https://H.example", "https://h.example/base"]
)
def test_client_tokens_of_the_official_package_verify(endpoint: str, hub: str) -> None:
    text = f"Endpoint={endpoint};AccessKey={SECONDARY};Version=1.0;"
    service = WebPubSubServiceClient.from_connection_string(text, hub=hub)
    given_url = service.get_client_access_token(
        user_id="alice",
        roles=["webpubsub.sendToGroup.g", "x"],
        groups=["g1"],
        minutes_to_expire=5,
    )["url"]
    (token,) = parse_qs(urlsplit(given_url).query)["access_token"]
    now = time.time()
    audience = client_audience((endpoint,), hub.lower())
    read = client_claims(verify(token, KEYS, now=now, audience=audience))
    assert read.user_id == "alice"
    assert read.roles == ("webpubsub.sendToGroup.g", "x")
    assert read.groups == ("g1",)
    with pytest.raises(TokenError, match="expired"):
        verify(token, KEYS, now=now + 601, audience=audience)


class Recorded(Exception):  # noqa: N818 (it ends a request, it is no error)
    """Carries the request the official package would have sent."""


class Recorder(RequestsTransport):  # type: ignore[misc, unused-ignore]
    def send(self, request: Any, **_: Any) -> Any:
        raise Recorded(request.url, request.headers["Authorization"])


Call = Callable[[WebPubSubServiceClient], object]


@pytest.mark.parametrize(
    ("call", "tail"),
    [
        (lambda s: s.send_to_all("hi", filter="userId ne null"), [":send"]),
        (
            lambda s: s.send_to_group("a/b c+é%?#&'()!*x", {"a": 1}),
            ["groups", "a/b c+é%?#&'()!*x", ":send"],
        ),
        (lambda s: s.user_exists("Alice"), ["users", "Alice"]),
        (
            lambda s: s.grant_permission("sendToGroup", "c1", target_name="g"),
            ["permissions", "sendToGroup", "connections", "c1"],
        ),
    ],
)
def test_rest_tokens_of_the_official_package_verify(
    call: Call, tail: list[str]
) -> None:
    service = WebPubSubServiceClient(
        "https://h.example/base",
        "Chat",
        AzureKeyCredential(PRIMARY),
        transport=Recorder(),
        retry_total=0,
    )
    with pytest.raises(Recorded) as caught:
        call(service)
    token = caught.value.args[1].removeprefix("Bearer ")
    endpoints = ("https://h.example/base",)
    segments = ["api", "hubs", "chat", *tail]
    audience = rest_audience(endpoints, segments)
    assert verify(token, KEYS, now=time.time(), audience=audience)
    shorter = rest_audience(endpoints, segments[:-1])
    with pytest.raises(TokenError, match="audience"):
        verify(token, KEYS, now=time.time(), audience=shorter)
