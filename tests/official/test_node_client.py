"""@azure/web-pubsub-client with json.webpubsub.azure.v1: ``tests/node/client.mjs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.official import Story, tell

if TYPE_CHECKING:
    from support.gateway import GatewayProcess

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def story(gateway: GatewayProcess) -> Story:
    return tell(
        "client.mjs",
        CONNECTION_STRING=gateway.connection_string,
        HUB="node_client",
    )


def test_send_to_group_carries_every_data_type(story: Story) -> None:
    scene = story["dataTypes"]
    expected = [
        {"group": "types", "from": "alice", "type": kind, "data": data}
        for kind, data in (
            ("text", "text é ✓"),
            ("json", {"b": 1, "a": [2.5, None, "x"]}),
            ("json", "a JSON string"),
            ("json", 7),
            ("binary", "AAH+/w=="),
            ("protobuf", "Cg90eXBlLnRlc3QvVGhpbmcSAggB"),
        )
    ]
    assert scene["bob"] == expected
    assert scene["alice"] == expected
    assert [one["isDuplicated"] for one in scene["results"]] == [False] * 6


def test_no_echo_spares_the_sender(story: Story) -> None:
    assert story["noEcho"]["data"] == "to me"


def test_leaving_a_group_stops_its_messages(story: Story) -> None:
    assert story["leave"]["data"] == "heard"


def test_fire_and_forget_sends_arrive_and_fail_in_silence(story: Story) -> None:
    scene = story["fireAndForget"]
    assert scene["message"]["data"] == "no ack"
    assert scene["then"]["data"] == "still connected"


def test_what_no_role_permits_is_forbidden(story: Story) -> None:
    scene = story["forbidden"]
    for name in ("join", "leave", "send"):
        assert scene[name]["name"] == "SendMessageError"
        assert scene[name]["error"]["name"] == "Forbidden"
        assert "theirs" in scene[name]["error"]["message"]
    assert scene["mine"]["isDuplicated"] is False


def test_retries_of_a_refusal_take_new_ack_ids(story: Story) -> None:
    scene = story["retriesTakeNewAckIds"]
    assert scene["error"]["name"] == "Forbidden"
    assert scene["ackId"] == 4


@pytest.mark.parametrize("kind", ["text", "json", "binary", "protobuf"])
def test_an_event_that_nobody_handles_fails_and_the_connection_stays(
    story: Story, kind: str
) -> None:
    error = story["event"][kind]["error"]
    assert error["name"] == "InternalServerError"
    assert error["message"]


def test_a_repeated_ack_id_counts_as_success_and_is_not_executed(
    story: Story,
) -> None:
    scene = story["duplicates"]
    assert scene["first"] == {"ackId": 4712, "isDuplicated": False}
    assert scene["second"] == {"ackId": 4712, "isDuplicated": True}
    assert scene["heard"] == ["once", "fence"]


def test_messages_of_the_server_arrive_in_every_data_type(story: Story) -> None:
    scene = story["server"]
    assert scene["hello"]["userId"] == "alice"
    assert [(one["type"], one["data"]) for one in scene["messages"]] == [
        ("json", {"n": 1}),
        ("text", "plain"),
        ("binary", "AQI="),
    ]
    assert scene["group"]["group"] == "given"
    assert scene["group"]["data"] == "from outside"


def test_every_ping_is_answered_by_a_pong(story: Story) -> None:
    assert story["pingPong"] == {"pongs": ['{"type":"pong"}'] * 3, "disconnected": 0}


def test_stop_ends_the_connection_at_both_ends(story: Story) -> None:
    scene = story["stop"]
    assert scene["same"]
    assert scene["afterwards"]["name"] == "SendMessageError"
    assert scene["exists"] is False


def test_a_client_closed_by_the_server_returns_and_rejoins_its_groups(
    story: Story,
) -> None:
    scene = story["closedByServer"]
    assert scene["old"]
    assert scene["fresh"]
    assert scene["message"] == "Application server closed the connection. Reason: lunch"
    assert scene["rejoined"]["data"] == "welcome back"
    assert scene["failures"] == 0


def test_a_failed_rejoin_is_told(story: Story) -> None:
    assert story["rejoinFails"]["group"] == "lent"
    assert story["rejoinFails"]["error"]["name"] == "Forbidden"


def test_a_wrong_token_fails_the_start(story: Story) -> None:
    assert "401" in story["refused"]["message"]
