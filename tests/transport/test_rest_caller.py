"""Who may call the REST API: tokens as every official SDK makes them, and bad ones."""

from __future__ import annotations

import base64
import logging
from typing import Any

import msgspec
import pytest

from hubbub.transport.wire import tokens
from hubbub.transport.wire.tokens import Keyring
from support.rest import (
    HOST,
    KEY,
    NOW,
    SECOND_KEY,
    Rig,
    answer,
    settings,
    sign,
)

PATH = "/api/hubs/Chat/:send"
URL = f"https://{HOST}{PATH}"
SOON = int(NOW) + 60
ODD = "/api/hubs/chat/groups/g%21%28%29%2A~%27%2F/connections"


class Caller(Rig):
    """Calls with tokens of its own."""

    async def status(
        self, claims: dict[str, Any], target: str = PATH, *, key: str = KEY
    ) -> int:
        token = ("Authorization", f"Bearer {sign(claims, key)}")
        return (await answer(self.app, _method(target), target, token)).status


def _method(target: str) -> str:
    return "GET" if "/connections" in target else "POST"


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param(
            {"aud": f"{URL}?api-version=2024-12-01", "exp": SOON}, id="Python"
        ),
        pytest.param(
            {
                "aud": f"{URL}?api-version=2024-12-01",
                "exp": SOON,
                "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": "me",
            },
            id="Python with a user",
        ),
        pytest.param(
            {"aud": f"{URL}?a=b", "iat": int(NOW), "exp": SOON}, id="JavaScript"
        ),
        pytest.param(
            {"aud": URL, "nbf": int(NOW), "iat": int(NOW), "exp": SOON}, id=".NET"
        ),
        pytest.param({"aud": f"{URL}/", "exp": SOON}, id="a trailing slash"),
        pytest.param({"aud": ["https://other", URL], "exp": SOON}, id="several"),
        pytest.param({"aud": URL.replace("https", "wss"), "exp": SOON}, id="wss"),
        pytest.param({"aud": URL.replace(HOST, HOST.upper()), "exp": SOON}, id="case"),
        pytest.param({"aud": URL.replace("Chat", "chat"), "exp": SOON}, id="hub case"),
        pytest.param({"aud": URL.replace(HOST, f"{HOST}:443"), "exp": SOON}, id="port"),
        pytest.param({"aud": URL.replace(":send", "%3Asend"), "exp": SOON}, id="%3A"),
        pytest.param({"aud": URL, "exp": int(NOW) - 299}, id="expired within skew"),
        pytest.param({"aud": URL, "exp": SOON, "nbf": int(NOW) + 299}, id="early"),
    ],
)
async def test_a_token_for_the_url_is_accepted(claims: dict[str, Any]) -> None:
    assert await Caller().status(claims) == 202


@pytest.mark.parametrize("aud", [ODD, ODD.replace("%21%28%29%2A~%27", "!()*~'")])
async def test_names_may_be_encoded_one_way_in_the_token_and_another_in_the_path(
    aud: str,
) -> None:
    claims = {"aud": f"https://{HOST}{aud}", "exp": SOON}
    assert await Caller().status(claims, ODD) == 200


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"aud": URL}, id="no expiry"),
        pytest.param({"exp": SOON}, id="no audience"),
        pytest.param({"aud": URL, "exp": int(NOW) - 301}, id="expired"),
        pytest.param({"aud": URL, "exp": SOON, "nbf": int(NOW) + 301}, id="too early"),
        pytest.param(
            {"aud": URL.removesuffix("/:send"), "exp": SOON}, id="a shorter path"
        ),
        pytest.param({"aud": f"{URL}/x", "exp": SOON}, id="a child"),
        pytest.param({"aud": f"{URL}x", "exp": SOON}, id="a longer verb"),
        pytest.param({"aud": URL.replace("Chat", "other"), "exp": SOON}, id="hub"),
        pytest.param({"aud": URL.replace(HOST, "evil.test"), "exp": SOON}, id="host"),
        pytest.param({"aud": URL.replace("https", "ftp"), "exp": SOON}, id="scheme"),
        pytest.param(
            {"aud": f"https://{HOST}/client/hubs/Chat", "exp": SOON}, id="a client's"
        ),
        pytest.param({"aud": PATH, "exp": SOON}, id="no URL"),
    ],
)
async def test_a_token_for_anything_else_is_401(claims: dict[str, Any]) -> None:
    assert await Caller().status(claims) == 401


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
async def test_the_scheme_is_compared_without_case(scheme: str) -> None:
    token = sign({"aud": URL, "exp": SOON})
    header = ("Authorization", f"{scheme} {token}")
    assert (await answer(Caller().app, "POST", PATH, header)).status == 202


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer  ", "Basic dTpw", "Bearer x", "Bearer a.b.c"]
)
async def test_without_a_token_the_answer_is_401_empty_and_a_challenge(
    value: str,
) -> None:
    rig = Caller()
    response = await answer(rig.app, "POST", PATH, ("Authorization", value), body=None)
    assert (response.status, response.body) == (401, b"")
    assert response.headers["content-length"] == "0"
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert rig.gateway.posted == []


async def test_the_challenge_says_what_is_wrong_with_a_token() -> None:
    token = sign({"aud": URL, "exp": 1})
    header = ("Authorization", f"Bearer {token}")
    response = await answer(Caller().app, "POST", PATH, header)
    assert response.headers["www-authenticate"] == (
        'Bearer error="invalid_token", error_description="The token has expired."'
    )


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS256"])
async def test_another_algorithm_is_401(algorithm: str) -> None:
    header = msgspec.json.encode({"alg": algorithm})
    token = sign({"aud": URL, "exp": SOON}, algorithm=algorithm)
    unsigned = base64.urlsafe_b64encode(header).rstrip(b"=").decode()
    for text in (token, f"{unsigned}.{token.split('.')[1]}."):
        response = await answer(
            Caller().app, "POST", PATH, ("Authorization", f"Bearer {text}")
        )
        assert response.status == 401


async def test_either_key_signs_and_a_replaced_key_stops_at_once() -> None:
    rig = Caller()
    claims = {"aud": URL, "exp": SOON}
    assert await rig.status(claims) == 202
    assert await rig.status(claims, key=SECOND_KEY) == 202
    rig.live.settings = settings(
        keys=Keyring("another-key-of-thirty-two-bytes-", SECOND_KEY)
    )
    assert await rig.status(claims) == 401
    assert await rig.status(claims, key=SECOND_KEY) == 202


async def test_a_token_that_was_accepted_expires_all_the_same() -> None:
    rig = Caller()
    claims = {"aud": URL, "exp": SOON}
    assert await rig.status(claims) == 202
    rig.now = SOON + tokens.SKEW
    assert await rig.status(claims) == 401


async def test_a_token_that_was_accepted_is_not_accepted_for_another_url() -> None:
    rig = Caller()
    token = ("Authorization", f"Bearer {sign({'aud': URL, 'exp': SOON})}")
    assert (await answer(rig.app, "POST", PATH, token)).status == 202
    other = "/api/hubs/Chat/groups/g/:send"
    assert (await answer(rig.app, "POST", other, token)).status == 401
    elsewhere = await answer(rig.app, "POST", PATH, token, host="other.test")
    assert elsewhere.status == 401


async def test_many_tokens_are_accepted_without_a_leak() -> None:
    rig = Caller()
    for number in range(1100):
        assert await rig.status({"aud": URL, "exp": SOON, "jti": number}) == 202
    assert len(rig.app._callers._verified) == 1024


@pytest.mark.parametrize(
    ("aud", "status"),
    [
        ("https://public.test/base/api/hubs/Chat/:send?x=y", 202),
        ("http://alias.test:8080/api/hubs/Chat/:send", 202),
        ("https://public.test/api/hubs/Chat/:send", 401),  # without the base path
        ("https://alias.test/api/hubs/Chat/:send", 401),  # another port
        (URL, 401),  # what the Host header says counts no more
    ],
)
async def test_where_endpoints_are_configured_the_audience_names_one(
    aud: str, status: int
) -> None:
    rig = Caller(endpoints=("https://public.test/base/", "http://alias.test:8080"))
    assert await rig.status({"aud": aud, "exp": SOON}) == status


async def test_two_host_headers_are_not_believed() -> None:
    token = ("Authorization", f"Bearer {sign({'aud': URL, 'exp': SOON})}")
    response = await answer(Caller().app, "POST", PATH, token, ("Host", "other.test"))
    assert response.status == 401


async def test_tokens_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rig = Caller()
    claims = {"aud": URL, "exp": SOON}
    assert await rig.status(claims) == 202
    assert await rig.status(claims, key="wrong") == 401
    assert sign(claims).split(".")[1] not in caplog.text
