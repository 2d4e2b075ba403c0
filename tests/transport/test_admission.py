"""Who may come in: checks, their order, their statuses (client protocols, 1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.actors.messages import payload as payloads
from hubbub.actors.messages import requests
from hubbub.actors.messages.events import Reject
from hubbub.transport.admission import Admission, LostSession, Verdict, admit
from hubbub.transport.handshake import Handshake
from hubbub.transport.settings import HubSettings, Settings
from hubbub.transport.wire.tokens import Keyring

NOW = 1_700_000_000
KEY = "primary-key-" + "0123456789abcdef" * 4
SECOND = "secondary-key-0123456789abcdef0123456789abcdef"
ENDPOINT = "http://h.example:8080"
SETTINGS = Settings(
    keys=Keyring(KEY, SECOND),
    endpoints=(ENDPOINT, "https://alias.example"),
    hubs={
        "open": HubSettings(anonymous=True),
        "strict": HubSettings(origins=("https://app.example",)),
    },
)
CLOSED = msgspec.structs.replace(SETTINGS, open_hubs=False)
NO_ENDPOINT = msgspec.structs.replace(SETTINGS, endpoints=())


def token(hub: str = "chat", key: str = KEY, **claims: Any) -> str:
    content = {"aud": f"{ENDPOINT}/client/hubs/{hub}", "exp": NOW + 60, **claims}
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(content, key, algorithm="HS256")


def knock(
    target: str, *headers: tuple[str, str], settings: Settings = SETTINGS
) -> Verdict:
    return admit(
        Handshake(target, (("Host", "h.example:8080"), *headers)), settings, NOW
    )


def at(hub: str = "chat", query: str = "", **claims: Any) -> str:
    """Make a target with a token in its query."""
    return f"/client/hubs/{hub}?access_token={token(hub, **claims)}{query}"


def let_in(
    target: str, *headers: tuple[str, str], settings: Settings = SETTINGS
) -> Admission:
    verdict = knock(target, *headers, settings=settings)
    assert isinstance(verdict, Admission), verdict
    return verdict


def status(
    target: str, *headers: tuple[str, str], settings: Settings = SETTINGS
) -> int:
    verdict = knock(target, *headers, settings=settings)
    assert isinstance(verdict, Reject), verdict
    assert len(verdict.reason) > 10
    return verdict.status


# URLs and hubs.


@pytest.mark.parametrize(
    "target",
    [
        "/client/hubs/chat?access_token={}",
        "/client/hubs/chat/?access_token={}",
        "/client/hubs/CHAT?access_token={}",
        "/client/hubs/%63hat?access_token={}",
        "/client/?hub=chat&access_token={}",
        "/client?hub=chat&access_token={}",
        "/client?access_token={}&hub=Chat",
        "/client/hubs/chat?x=1&access_token={}&x=2&hub=other",
    ],
)
def test_a_hub_is_named_in_the_path_or_the_query(target: str) -> None:
    assert let_in(target.format(token())).hub == "chat"


@pytest.mark.parametrize(
    "target",
    [
        "/client",
        "/client/",
        "/client?hub=",
        "/client/hubs",
        "/client/hubs/",
        "/client/hubs/1chat",
        "/client/hubs/a-b",
        "/client/hubs/a%2Fb",
        "/client/hubs/%20",
        "/client/hubs/a%00",
        "/client/hubs/%FF",
        "/client/hubs/" + "a" * 129,
        "/client?hub=a%20b",
    ],
)
def test_a_hub_that_is_missing_or_malformed_is_a_400(target: str) -> None:
    glue = "&" if "?" in target else "?"
    assert status(f"{target}{glue}access_token={token()}") == 400


def test_a_hub_name_may_have_the_services_odd_characters() -> None:
    name = "a_`,.[]Z9"
    target = f"/client/hubs/{quote(name, safe='')}?access_token={token(quote(name))}"
    assert let_in(target).hub == name.lower()


@pytest.mark.parametrize(
    "target", ["/", "/chat", "/clients/mqtt/hubs/chat", "/client/hubs/a/b", "/Client"]
)
def test_other_paths_are_a_404(target: str) -> None:
    assert status(f"{target}?access_token={token()}") == 404


def test_hubs_that_are_not_configured_exist_only_where_hubs_are_open() -> None:
    assert let_in(at()).hub == "chat"
    assert status(at(), settings=CLOSED) == 404
    assert let_in(at("open"), settings=CLOSED).settings.anonymous


# Tokens.


@pytest.mark.parametrize("key", [KEY, SECOND])
def test_both_keys_open(key: str) -> None:
    let_in(at(key=key))


def test_a_token_may_come_in_a_header() -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        header = ("Authorization", f"{scheme} {token(sub='alice')}")
        assert let_in("/client/hubs/chat", header).applicant.user_id == "alice"


def test_the_query_wins_over_the_header() -> None:
    good = ("authorization", f"Bearer {token()}")
    assert let_in(at(sub="query"), good).applicant.user_id == "query"
    assert status("/client/hubs/chat?access_token=garbage", good) == 401
    assert let_in("/client/hubs/chat?access_token=", good).hub == "chat"


@pytest.mark.parametrize(
    "audience",
    [
        "http://h.example:8080/client/hubs/chat",
        "https://h.example:8080/client/hubs/chat",
        "ws://h.example:8080/client/hubs/chat",
        "wss://h.example:8080/client/hubs/chat",
        "http://H.EXAMPLE:8080/client/hubs/CHAT/",
        "https://alias.example/client/hubs/chat",
        "https://alias.example:443/client/hubs/chat",
        ["http://other.example/", "http://h.example:8080/client/hubs/chat"],
    ],
)
def test_audiences_of_this_hub_are_accepted(audience: str | list[str]) -> None:
    let_in(at(aud=audience))


@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        "chat",
        "http://h.example/client/hubs/chat",
        "http://h.example:8081/client/hubs/chat",
        "http://evil.example:8080/client/hubs/chat",
        "http://h.example:8080/client/hubs/other",
        "http://h.example:8080/client/hubs/chat/more",
        "http://h.example:8080/client/hubs",
        "http://h.example:8080/client",
        "http://h.example:8080/",
        "http://h.example:8080/api/hubs/chat",
        "http://h.example:8080/server/hubs/chat",
        "http://h.example:8080@evil.example/client/hubs/chat",
        "ftp://h.example:8080/client/hubs/chat",
        "https://webpubsub.azure.com",
        7,
        [],
        [7],
        {"a": "b"},
    ],
)
def test_other_audiences_are_a_401(audience: object) -> None:
    assert status(at(aud=audience)) == 401


def test_without_a_configured_endpoint_the_host_header_decides() -> None:
    let_in(at(), settings=NO_ENDPOINT)
    other = at(aud="http://evil.example/client/hubs/chat")
    assert status(other, settings=NO_ENDPOINT) == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW + 1},
        {"exp": NOW - 299},
        {"exp": NOW + 60.5},
        {"nbf": NOW - 60},
        {"nbf": NOW + 299},
        {"iat": NOW + 10_000},
        {"iss": "https://webpubsub.azure.com"},
    ],
)
def test_times_are_kept_with_five_minutes_of_skew(claims: dict[str, Any]) -> None:
    let_in(at(**claims))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 301},
        {"exp": 0},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": -1},
        {"exp": 10**30},
        {"nbf": NOW + 301},
        {"nbf": "now"},
        {"key": "another-key-0123456789abcdef0123456789abcdef"},
        {"sub": 7},
        {"role": 7},
        {"role": [7]},
        {"webpubsub.group": {"a": 1}},
    ],
)
def test_tokens_that_are_not_valid_are_a_401(claims: dict[str, Any]) -> None:
    assert status(at(**claims)) == 401


def crafted(head: dict[str, Any], signature: str = "") -> str:
    def part(value: dict[str, Any]) -> str:
        return jwt.utils.base64url_encode(msgspec.json.encode(value)).decode()

    body = {"aud": f"{ENDPOINT}/client/hubs/chat", "exp": NOW + 60}
    return f"{part(head)}.{part(body)}.{signature}"


@pytest.mark.parametrize(
    "forged",
    [
        "garbage",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "..",
        "=",
        "%F0%9F%98%80",
        "x" * 100_000,
        crafted({"alg": "none"}),
        crafted({"alg": "None"}),
        crafted({"alg": "none"}, "AA"),
        crafted({"alg": "HS256"}),
        crafted({"alg": "HS256"}, "AAAA"),
        crafted({"alg": "RS256"}, "AAAA"),
        crafted({"alg": ""}, "AAAA"),
        crafted({"alg": 7}, "AAAA"),
        crafted({}, "AAAA"),
        crafted({"alg": "HS256", "crit": ["x"], "x": 1}, "AAAA"),
        jwt.encode({"exp": NOW + 60}, KEY, algorithm="HS512"),
        jwt.encode(
            {"aud": f"{ENDPOINT}/client/hubs/chat", "exp": NOW + 60},
            KEY,
            algorithm="HS384",
        ),
        token()[:-2],
        f"{token()}.x",
        token().replace(".", "..", 1),
    ],
    ids=lambda forged: forged[:24],
)
def test_forged_tokens_are_a_401(forged: str) -> None:
    assert status(f"/client/hubs/chat?access_token={forged}") == 401


def test_a_key_with_its_base64_decoded_does_not_open() -> None:
    key = "bG9uZy1rZXktMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODk="
    settings = msgspec.structs.replace(SETTINGS, keys=Keyring(key))
    raw = jwt.utils.base64url_decode(key.rstrip("=").encode()).decode()
    let_in(at(key=key), settings=settings)
    assert status(at(key=raw), settings=settings) == 401


@given(st.text(max_size=100))
def test_no_text_as_a_token_opens_or_raises(text: str) -> None:
    target = f"/client/hubs/chat?access_token={quote(text)}"
    assert status(target) == 401


claims = st.dictionaries(
    st.sampled_from(["aud", "exp", "nbf", "sub", "role", "webpubsub.group", "x"]),
    st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)
        ),
        lambda values: st.one_of(
            st.lists(values, max_size=3),
            st.dictionaries(st.text(max_size=5), values, max_size=3),
        ),
        max_leaves=5,
    ),
)


@given(claims)
def test_signed_claims_of_any_kind_never_raise(claims: dict[str, Any]) -> None:
    signed = jwt.encode({**claims}, KEY, algorithm="HS256")
    knock(f"/client/hubs/chat?access_token={signed}")
    complete = {"aud": f"{ENDPOINT}/client/hubs/chat", "exp": NOW + 60}
    signed = jwt.encode({**claims, **complete}, KEY, algorithm="HS256")
    knock(f"/client/hubs/chat?access_token={signed}")


# Anonymous clients.


def test_no_token_is_a_401_unless_the_hub_allows_it() -> None:
    assert status("/client/hubs/chat") == 401
    applicant = let_in("/client/hubs/open").applicant
    assert (applicant.user_id, applicant.roles, applicant.groups) == (None, (), ())


def test_a_bad_token_is_a_401_even_where_none_is_needed() -> None:
    assert status("/client/hubs/open?access_token=garbage") == 401
    other = token("open", key="another-key-0123456789abcdef0123456789abcdef")
    assert status(f"/client/hubs/open?access_token={other}") == 401


# Claims.


@pytest.mark.parametrize(
    ("claims", "user", "roles", "groups"),
    [
        ({}, None, (), ()),
        ({"sub": "alice"}, "alice", (), ()),
        ({"sub": ""}, None, (), ()),
        ({"role": "one"}, None, ("one",), ()),
        ({"role": ["one", "two"]}, None, ("one", "two"), ()),
        ({"webpubsub.group": "g"}, None, (), ("g",)),
        ({"webpubsub.group": ["g", "h/ä"]}, None, (), ("g", "h/ä")),
        ({"role": ["3f8c0f7e-guid"]}, None, ("3f8c0f7e-guid",), ()),
    ],
)
def test_claims_say_who_a_client_is(
    claims: dict[str, Any],
    user: str | None,
    roles: tuple[str, ...],
    groups: tuple[str, ...],
) -> None:
    applicant = let_in(at(**claims)).applicant
    assert (applicant.user_id, applicant.roles, applicant.groups) == (
        user,
        roles,
        groups,
    )


def test_the_handler_gets_query_claims_and_headers_but_no_secret() -> None:
    applicant = let_in(
        at(query="&a=1&a=2&b=&c=%C3%A4+x", tenant=["x", "y"]),
        ("X-Trace", "1"),
        ("X-Trace", "2"),
        ("Authorization", "Bearer secret"),
        ("Sec-WebSocket-Protocol", "one, two"),
        ("Sec-WebSocket-Protocol", "three"),
    ).applicant
    assert applicant.query == {"a": ("1", "2"), "b": ("",), "c": ("ä x",)}
    assert applicant.claims["tenant"] == ("x", "y")
    assert applicant.headers["X-Trace"] == ("1", "2")
    assert applicant.subprotocols == ("one", "two", "three")
    assert "secret" not in repr(applicant)


# Recovery.


def test_a_client_that_wants_to_recover_is_let_in_without_a_token() -> None:
    for query in ("awps_connection_id=x", "awps_connection_id=x&access_token=garbage"):
        assert isinstance(knock(f"/client/hubs/chat?{query}"), LostSession)
    assert status("/client/hubs/chat?awps_connection_id=") == 401
    assert status("/client/hubs/?awps_connection_id=x") == 400


# Origins.


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "https://app.example",
        "https://APP.example:443",
        # The Python client names the service itself.
        "http://h.example:8080",
    ],
)
def test_allowed_origins_come_in(origin: str | None) -> None:
    headers = [] if origin is None else [("Origin", origin)]
    let_in(at("strict"), *headers)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "https://evil.example",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil.example",
        "https://notapp.example",
        "https://app.example@evil.example",
        "app.example",
    ],
)
def test_other_origins_are_a_403(origin: str) -> None:
    assert status(at("strict"), ("Origin", origin)) == 403
    let_in(at("chat"), ("Origin", origin))


# Raw modes.


def test_frames_are_events_by_default() -> None:
    for query in ("", "&webpubsub_mode=", "&webpubsub_mode=SENDEVENT&group="):
        decode = let_in(at(query=query)).simple_decode
        assert decode(b"x", True) == requests.SendFrame(payloads.Text("x"))


@pytest.mark.parametrize(
    ("query", "group", "no_echo"),
    [
        ("&webpubsub_mode=sendToGroup&group=g", "g", False),
        ("&webpubsub_mode=SENDTOGROUP&group=a%2Fb&noEcho=true", "a/b", True),
        ("&webpubsub_mode=sendToGroup&group=g&noEcho=False", "g", False),
        ("&webpubsub_mode=x&webpubsub_mode=sendToGroup&group=a&group=b", "b", False),
    ],
)
def test_frames_are_publications_in_the_group_mode(
    query: str, group: str, no_echo: bool
) -> None:
    decode = let_in(at(query=query)).simple_decode
    assert decode(b"x", True) == requests.PublishFrame(
        group, payloads.Text("x"), no_echo
    )


@pytest.mark.parametrize(
    "query",
    [
        "&webpubsub_mode=other",
        "&webpubsub_mode=sendToGroup",
        "&webpubsub_mode=sendToGroup&group=",
        "&webpubsub_mode=sendToGroup&group=%20",
        "&webpubsub_mode=sendToGroup&group=" + "g" * 1025,
        "&webpubsub_mode=sendToGroup&group=g&noEcho=maybe",
        "&webpubsub_mode=sendToGroup&group=g&noEcho=",
        "&webpubsub_mode=sendToGroup&webpubsub_mode=other&group=g",
    ],
)
@pytest.mark.parametrize("protocol", [None, "json.webpubsub.azure.v1"])
def test_a_bad_raw_mode_is_a_400_whatever_the_subprotocol(
    query: str, protocol: str | None
) -> None:
    headers = [] if protocol is None else [("Sec-WebSocket-Protocol", protocol)]
    assert status(at(query=query), *headers) == 400


# The order of checks.

BAD_HUB = "/client/hubs/1?access_token=garbage"
BAD_GROUP: dict[str, Any] = {"webpubsub.group": [""]}


@pytest.mark.parametrize(
    ("target", "origin", "expected"),
    [
        (f"{BAD_HUB}&awps_connection_id=x", None, 400),
        (BAD_HUB, "https://evil.example", 400),
        (
            "/client/hubs/strict?access_token=x&webpubsub_mode=x",
            "https://evil.example",
            401,
        ),
        (at("strict", "&webpubsub_mode=x", **BAD_GROUP), "https://evil.example", 403),
        (at("chat", **BAD_GROUP), None, 400),
        (at("chat", "&webpubsub_mode=x"), None, 400),
    ],
)
def test_the_first_failing_check_gives_the_status(
    target: str, origin: str | None, expected: int
) -> None:
    headers = [] if origin is None else [("Origin", origin)]
    assert status(target, *headers) == expected


def test_an_invalid_group_is_named_before_a_bad_raw_mode() -> None:
    verdict = knock(at("chat", "&webpubsub_mode=x", **BAD_GROUP))
    assert isinstance(verdict, Reject)
    assert "group" in verdict.reason


target_texts = st.text(
    st.characters(min_codepoint=33, max_codepoint=126), max_size=60
).map(lambda text: f"/client{text}")


@given(target_texts)
def test_no_target_raises(target: str) -> None:
    knock(target)
