"""@azure/web-pubsub against a gateway: the story of ``tests/node/service.mjs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.official import Story, tell

if TYPE_CHECKING:
    from support.gateway import GatewayProcess

pytestmark = pytest.mark.node

CLOSED = "Application server closed the connection."


@pytest.fixture(scope="module")
def story(gateway: GatewayProcess) -> Story:
    return tell(
        "service.mjs",
        ENDPOINT=gateway.endpoint,
        CONNECTION_STRING=gateway.connection_string,
        HUB="node_service",
    )


def test_send_to_all_carries_every_data_type(story: Story) -> None:
    scene = story["sendToAll"]
    assert scene["pushes"] == [
        {"type": "message", "from": "server", "dataType": kind, "data": data}
        for kind, data in (
            ("json", {"b": 1, "a": [2.5, None]}),
            ("json", "a JSON string"),
            ("text", "text é ✓"),
            ("binary", "AAH+/w=="),
        )
    ]
    assert scene["frames"] == [
        {"text": '{"b":1,"a":[2.5,null]}'},
        {"text": '"a JSON string"'},
        {"text": "text é ✓"},
        {"binary": "AAH+/w=="},
    ]


def test_send_to_all_heeds_exclusion_filter_and_ttl(story: Story) -> None:
    assert story["sendToAll"]["alice"] == ["alice only", "in time"]
    assert story["sendToAll"]["bob"] == ["not for alice", "in time"]


def test_a_group_send_reaches_its_members_alone(story: Story) -> None:
    scene = story["sendToGroup"]
    assert scene["first"].pop("fromUserId", None) is None
    assert scene["first"] == {
        "type": "message",
        "from": "group",
        "group": "room",
        "dataType": "json",
        "data": {"n": 1},
    }
    assert scene["alice"] == ["plain", "AQI=", "alice only", "in time", "fence"]
    assert scene["bob"] == [
        {"n": 1},
        "plain",
        "AQI=",
        "not for alice",
        "in time",
        "fence",
    ]
    assert scene["outsider"] == ["fence"]


def test_a_send_to_a_user_reaches_all_its_connections(story: Story) -> None:
    scene = story["sendToUser"]
    assert scene["phone"] == [{"n": 1}, "plain", "AQI=", "phone only", "fence"]
    assert scene["desk"] == [{"n": 1}, "plain", "AQI=", "fence"]
    assert scene["bob"] == ["fence"]


def test_a_send_to_a_connection_reaches_it_alone(story: Story) -> None:
    scene = story["sendToConnection"]
    assert scene["alice"] == [{"n": 1}, "plain", "AQI=", "fence"]
    assert scene["twin"] == ["fence"]


def test_existence_follows_arrival_and_departure(story: Story) -> None:
    assert story["exists"] == {
        "before": [False] * 3,
        "present": [True] * 3,
        "after": [False] * 3,
    }


def test_closing_tells_the_reason_and_spares_the_excluded(story: Story) -> None:
    scene = story["close"]

    def message(reason: str = "") -> dict[str, str]:
        text = f"{CLOSED} Reason: {reason}" if reason else CLOSED
        return {"type": "system", "event": "disconnected", "message": text}

    assert scene["one"]["push"] == message("moved")
    assert scene["user"]["push"] == message("expired")
    assert scene["group"]["push"] == message()
    assert [one["push"] for one in scene["hub"]] == [message("night")] * 2
    closed = [scene["one"], scene["user"], scene["group"], *scene["hub"]]
    assert {one["close"]["code"] for one in closed} == {1000}
    assert scene["carol"] == ["still here"]


def test_connections_enter_and_leave_groups(story: Story) -> None:
    scene = story["groupMembers"]
    assert (scene["added"], scene["removed"]) == (True, False)
    assert scene["none"] == [False, False]
    assert scene["missing"]["status"] == 404
    assert scene["missing"]["code"] == "Error.Connection.NotExisted"


def test_users_enter_and_leave_groups_with_all_connections(story: Story) -> None:
    scene = story["groupUsers"]
    assert scene["added"] == scene["both"]
    assert scene["removed"] is False
    assert scene["none"] == [False, False]
    assert scene["missing"]["status"] == 404
    assert scene["missing"]["code"] == "Warning.User.NotExisted"


def test_bulk_membership_follows_the_filter(story: Story) -> None:
    assert story["bulk"] == {
        "one": [["alice"], ["alice"]],
        "all": ["alice", "bob"],
        "left": [["bob"], []],
    }


@pytest.mark.parametrize("permission", ["joinLeaveGroup", "sendToGroup"])
def test_a_permission_counts_from_grant_to_revocation(
    story: Story, permission: str
) -> None:
    assert story["permissions"][permission] == {
        "before": [False, False],
        "granted": [True, True],
        "revoked": [False, False],
    }


def test_connections_of_a_group_are_listed_in_pages(story: Story) -> None:
    scene = story["paging"]
    assert scene["sizes"] == [2, 2, 1]
    assert scene["complete"]
    users = sorted(user or "" for user in scene["users"])
    assert users == ["", "user 1", "user 2", "user 3", "user 4"]
    assert (scene["top"], scene["empty"]) == (3, 0)


def test_a_client_access_token_opens_the_door_with_its_claims(
    story: Story, gateway: GatewayProcess
) -> None:
    scene = story["token"]
    base = gateway.client_url("node_service_token").partition("?")[0]
    assert scene == {
        "baseUrl": base,
        "userId": "alice",
        "member": True,
        "joined": True,
    }


def test_odd_names_arrive_whole(story: Story) -> None:
    scene = story["names"]
    assert len(scene) == 4
    assert all(data == ["user", "group"] for data in scene.values()), scene


def test_refusals_reach_the_caller_with_code_and_message(story: Story) -> None:
    scene = story["errors"]
    assert scene["key"]["status"] == 401
    for name in ("filter", "ttl"):
        assert scene[name]["status"] == 400
        assert scene[name]["code"] == "Error.BadRequest"
    assert "filter" in scene["filter"]["message"].lower()
    assert "messageTtlSeconds" in scene["ttl"]["message"]
