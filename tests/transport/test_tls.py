"""TLS on the one port: wss and https with a certificate made for the test."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from support.gateway import GatewayProcess
from support.raw import EVERYTHING, JSON, RawClient, request, target, upgrade
from support.wire import client_frame, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1 << 20
CONFIG = """
[limits]
head_seconds = 0.4
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate; its key lies beside it."""
    if shutil.which("openssl") is None:
        message = "openssl is missing: apt install openssl"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    folder: Path = tmp_path_factory.mktemp("tls")
    options = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    )
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(
        [
            "openssl",
            *options.split(),
            *("-subj", "/CN=localhost", "-addext", names),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return folder / "cert.pem"


@pytest.fixture(scope="module")
def trust(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


@pytest.fixture(scope="module")
def gateway(certificate: Path) -> Iterator[GatewayProcess]:
    config = certificate.with_name("hubbub.toml")
    config.write_text(CONFIG)
    with GatewayProcess(
        "--config",
        str(config),
        *("--tls-cert", str(certificate)),
        *("--tls-key", str(certificate.with_name("key.pem"))),
    ) as process:
        yield process


def test_the_endpoint_says_https(gateway: GatewayProcess) -> None:
    assert gateway.endpoint.startswith("https://127.0.0.1:")


def test_wss_and_https_work_together(
    gateway: GatewayProcess, trust: ssl.SSLContext
) -> None:
    url = gateway.client_url("tls", "alice", EVERYTHING, ["g"])
    assert url.startswith("wss://")
    with connect(url, ssl=trust, subprotocols=[Subprotocol(JSON)]) as client:
        assert json.loads(client.recv(10))["userId"] == "alice"
        path = "/api/hubs/tls/groups/g/:send"
        with RawClient(gateway, tls=trust) as server:
            server.request(
                "POST",
                f"{path}?api-version=2024-12-01",
                f"Authorization: Bearer {gateway.token(path)}",
                "Content-Type: text/plain",
                "Content-Length: 2",
                body=b"hi",
            )
            assert server.answer().status == 202
        assert json.loads(client.recv(10))["data"] == "hi"


@pytest.mark.parametrize("scheme", ["wss", "https", "ws", "http"])
def test_the_scheme_of_an_audience_does_not_matter(
    gateway: GatewayProcess, trust: ssl.SSLContext, scheme: str
) -> None:
    address = gateway.endpoint.partition("://")[2]
    wanted = target(gateway, "tls", aud=f"{scheme}://{address}/client/hubs/tls")
    with RawClient(gateway, tls=trust) as client:
        client.open(wanted)


def test_a_mebibyte_goes_through_whole(
    gateway: GatewayProcess, trust: ssl.SSLContext
) -> None:
    wanted = target(gateway, "tls", role=EVERYTHING, groups=["big"])
    body = {"type": "sendToGroup", "group": "big", "data": "x" * (MIB - 100)}
    with RawClient(gateway, tls=trust) as client:
        client.open(wanted)
        client.send(client_frame(1, json.dumps(body).encode()))
        assert client.message()["data"] == body["data"]


def test_frames_in_the_record_of_the_upgrade_are_served(
    gateway: GatewayProcess, trust: ssl.SSLContext
) -> None:
    early = text('{"type":"ping"}')
    with RawClient(gateway, tls=trust) as client:
        assert client.upgrade(target(gateway, "tls"), early=early).status == 101
        assert client.message()["event"] == "connected"
        assert client.message() == {"type": "pong"}


def test_plain_text_on_the_tls_port_is_cut(gateway: GatewayProcess) -> None:
    with RawClient(gateway) as client:
        client.send(upgrade(gateway, target(gateway, "tls")))
        assert b"101" not in client.read_to_end()


def test_a_socket_that_never_begins_its_tls_handshake_is_cut(
    gateway: GatewayProcess,
) -> None:
    with RawClient(gateway) as client:
        client.read_to_end()


def test_a_tls_client_that_never_asks_is_cut(
    gateway: GatewayProcess, trust: ssl.SSLContext
) -> None:
    with RawClient(gateway, tls=trust) as client:
        assert client.answer().status == 408


def test_a_reset_within_the_tls_handshake_disturbs_nobody(
    gateway: GatewayProcess, trust: ssl.SSLContext
) -> None:
    for size in (0, 1, 5):
        client = RawClient(gateway)
        client.send(b"\x16\x03\x01\x02\x00"[:size])
        client.abort()
    with RawClient(gateway, tls=trust) as client:
        client.send(request(gateway, "GET", "/api/health"))
        assert client.answer().status == 200


def test_a_drain_says_goodbye_over_tls(
    certificate: Path, trust: ssl.SSLContext
) -> None:
    with GatewayProcess(
        *("--tls-cert", str(certificate)),
        *("--tls-key", str(certificate.with_name("key.pem"))),
    ) as gateway:
        url = gateway.client_url("tls", "alice")
        with connect(url, ssl=trust, subprotocols=[Subprotocol(JSON)]) as client:
            assert json.loads(client.recv(10))["event"] == "connected"
            assert gateway.stop() == 0
            assert json.loads(client.recv(10))["event"] == "disconnected"
        assert client.close_code == 1001
