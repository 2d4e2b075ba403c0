"""The two operations that answer documents: pages of a group, and tokens."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from hubbub.actors.messages import commands
from support.rest import HOST, KEY, NOW, Rig, answer

LIST = "/api/hubs/ChAt/groups/g1/connections"
TOKEN = "/api/hubs/Chat/:generateToken"


async def test_a_group_is_listed_with_users_and_null_for_nobody() -> None:
    response = await answer(Rig().app, "GET", LIST)
    assert response.status == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["content-length"] == str(len(response.body))
    assert response.json() == {
        "value": [
            {"connectionId": "c1", "userId": "alice"},
            {"connectionId": "c2", "userId": "O'Brien"},
        ]
    }


async def test_a_missing_group_is_an_empty_page() -> None:
    response = await answer(Rig().app, "GET", LIST.replace("g1", "gone"))
    assert (response.status, response.body) == (200, b'{"value":[]}')


@pytest.mark.parametrize(
    ("query", "link"),
    [
        ("maxpagesize=1", "?maxpagesize=1&continuationToken=c1&api-version=2024-12-01"),
        (
            "api-version=2021-10-01&top=5&maxpagesize=1",
            "?top=4&maxpagesize=1&continuationToken=c1&api-version=2021-10-01",
        ),
        ("top=1", None),
        ("top=2&maxpagesize=2", None),
        ("maxpagesize=2", None),
    ],
)
async def test_the_next_link_has_the_order_and_the_rest_of_the_query(
    query: str, link: str | None
) -> None:
    page = (await answer(Rig().app, "GET", f"{LIST}?{query}")).json()
    expected = None if link is None else f"http://{HOST}{LIST}{link}"
    assert page.get("nextLink") == expected


async def test_a_page_asks_for_no_more_than_the_top() -> None:
    rig = Rig()
    await answer(rig.app, "GET", f"{LIST}?top=1&maxpagesize=2")
    (command,) = rig.gateway.told
    assert isinstance(command, commands.Members)
    assert command.limit == 1


async def test_pages_follow_each_other_to_the_end() -> None:
    rig = Rig()
    target = f"{LIST}?maxpagesize=1"
    found: list[str] = []
    while target:
        page = (await answer(rig.app, "GET", target)).json()
        found += [member["connectionId"] for member in page["value"]]
        link = urlsplit(page.get("nextLink", ""))
        target = f"{link.path}?{link.query}" if link.path else ""
    assert found == ["c1", "c2"]


async def test_the_whole_link_may_be_the_token_as_dotnet_sends_it() -> None:
    rig = Rig()
    link = "https%3A%2F%2Fh%2Fapi%3Ftop%3D1%26continuationToken%3Dc1%26x%3Dy"
    await answer(rig.app, "GET", f"{LIST}?continuationToken={link}")
    (command,) = rig.gateway.told
    assert isinstance(command, commands.Members)
    assert command.after == "c1"


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("inside:8080", "https://public.test/base"),
        ("ALIAS.test:81", "http://alias.test:81"),
    ],
)
async def test_the_next_link_is_on_the_public_endpoint_and_keeps_the_encoding(
    host: str, base: str
) -> None:
    rig = Rig(endpoints=("https://public.test/base/", "http://alias.test:81"))
    rig.gateway.members = {"a/b c": ("c1", "c2")}
    path = "/api/hubs/ChAt/groups/a%2Fb%20c/connections"
    header = bearer_for("https://public.test/base", path)
    target = f"{path}?maxpagesize=1"
    page = (await answer(rig.app, "GET", target, header, host=host)).json()
    assert page["nextLink"].startswith(f"{base}{path}?maxpagesize=1&")


def bearer_for(endpoint: str, path: str) -> tuple[str, str]:
    claims = {"aud": f"{endpoint}{path}", "exp": int(NOW) + 60}
    return ("Authorization", f"Bearer {jwt.encode(claims, KEY, 'HS256')}")


async def test_a_token_says_what_was_asked_for() -> None:
    query = "userId=al%20ice&role=r1&role=r2&group=g1&group=g2&minutesToExpire=5"
    response = await answer(Rig().app, "POST", f"{TOKEN}?{query}")
    assert response.status == 200
    assert _claims(response.json()["token"]) == {
        "aud": f"http://{HOST}/client/hubs/chat",
        "iss": "https://webpubsub.azure.com",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 300,
        "sub": "al ice",
        "role": ["r1", "r2"],
        "webpubsub.group": ["g1", "g2"],
    }


async def test_a_token_without_wishes_is_anonymous_for_an_hour() -> None:
    response = await answer(Rig().app, "POST", f"{TOKEN}?userId=&clientType=default")
    claims = _claims(response.json()["token"])
    assert claims["exp"] == NOW + 3600
    assert not claims.keys() & {"sub", "role", "webpubsub.group"}


@pytest.mark.parametrize("kind", ["MQTT", "mqtt"])
async def test_a_token_for_mqtt_has_its_own_audience(kind: str) -> None:
    rig = Rig(endpoints=("https://public.test",))
    header = bearer_for("https://public.test", TOKEN)
    response = await answer(rig.app, "POST", f"{TOKEN}?clientType={kind}", header)
    claims = _claims(response.json()["token"])
    assert claims["aud"] == "https://public.test/clients/mqtt/hubs/chat"


async def test_a_token_may_last_as_long_as_a_number_allows() -> None:
    target = f"{TOKEN}?minutesToExpire=2147483647"
    response = await answer(Rig().app, "POST", target)
    claims = _claims(response.json()["token"])
    assert claims["exp"] == NOW + 60 * 2147483647


def _claims(token: str) -> dict[str, Any]:
    options: Any = {"verify_aud": False, "verify_exp": False, "verify_nbf": False}
    options["verify_iat"] = False
    claims: dict[str, Any] = jwt.decode(token, KEY, ["HS256"], options=options)
    return claims
