"""Nothing that the client says tells its token; and how it gets through the network."""

from __future__ import annotations

import logging
import os
import shutil
import ssl
import subprocess
import traceback
from typing import TYPE_CHECKING

import pytest

from hubbub.sdk import JSON_V1, Online, WebPubSubClient
from support.service import QUICK, SECONDS, Line, Service

if TYPE_CHECKING:
    from pathlib import Path

    from hubbub.sdk.testing import HubbubGateway, NewClient

TOKEN = "a-token-that-nobody-may-see"


async def hello_and_good_bye(line: Line) -> None:
    await line.hello()
    await line.heard()
    await line.socket.send("garbage")


async def mumbling(line: Line) -> None:
    await line.socket.send(b"garbage")


@pytest.mark.parametrize(
    "url",
    [
        f"ws://127.0.0.1:1/?access_token={TOKEN}",
        f"ws://no.such.host.invalid/?access_token={TOKEN}",
        f"http://127.0.0.1/?access_token={TOKEN}",
        f"ws://127.0.0.1:port/?access_token={TOKEN}",
        f"ws://[::1/?access_token={TOKEN}",
        f"ws:///?access_token={TOKEN}",
        f"ws://127.0.0.1:1/?access_token={TOKEN}#fragment",
        f"wss://127.0.0.1:1/?access_token={TOKEN}",
        f"?access_token={TOKEN}",
        f"access_token={TOKEN}",
    ],
)
async def test_no_failed_address_tells_its_token(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = WebPubSubClient(url)
    with pytest.raises(Exception, match=r"\w") as failed:
        await client.__aenter__()
    said = "".join(traceback.format_exception(failed.value))
    assert TOKEN not in said + repr(failed.value) + repr(client) + caplog.text


@pytest.mark.parametrize("script", [401, 500, mumbling, hello_and_good_bye])
async def test_no_refusal_and_no_lost_connection_tells_the_token(
    script: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Service(script, 401) as service:
        url = f"{service.url}?access_token={TOKEN}"
        client = WebPubSubClient(url, JSON_V1, backoff=QUICK)
        with pytest.raises(Exception, match=r"\w") as failed:
            async with client:
                await client.join("lobby")
    said = "".join(traceback.format_exception(failed.value))
    assert TOKEN not in said + repr(failed.value) + repr(client)
    said_by_us = [one for one in caplog.records if one.name != "websockets.server"]
    assert all(TOKEN not in one.getMessage() for one in said_by_us)
    assert all(TOKEN not in str(vars(one)) for one in said_by_us)


async def test_a_new_client_has_a_repr() -> None:
    assert repr(WebPubSubClient(f"ws://h/?access_token={TOKEN}")).count(TOKEN) == 0


# The network.


async def test_a_proxy_is_not_asked_for_this_machine(
    hubbub_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.delenv("no_proxy", raising=False)
    await hubbub_client()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate; its key lies beside it."""
    if shutil.which("openssl") is None:
        message = "openssl is missing: apt install openssl"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    folder: Path = tmp_path_factory.mktemp("tls")
    kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    files = f"-keyout {folder}/key.pem -out {folder}/cert.pem"
    subprocess.run(
        ["openssl", *f"{kind} {names} {files}".split()],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return folder / "cert.pem"


@pytest.fixture
def hubbub_settings(request: pytest.FixtureRequest) -> dict[str, object]:
    if "certificate" not in request.fixturenames:
        return {}
    certificate = request.getfixturevalue("certificate")
    return {"tls_cert": certificate, "tls_key": certificate.with_name("key.pem")}


async def test_a_client_of_a_wss_address_trusts_whom_it_is_told_to(
    certificate: Path, hubbub_gateway: HubbubGateway, hubbub_client: NewClient
) -> None:
    url = hubbub_gateway.client_url()
    assert url.startswith("wss://")
    with pytest.raises(Exception, match="cannot connect to 127"):
        await WebPubSubClient(url).__aenter__()
    trust = ssl.create_default_context(cafile=str(certificate))
    ann = await hubbub_client(groups=["lobby"], tls=trust)
    states = ann.states()
    assert isinstance(await states.next(SECONDS), Online)
    await ann.send_to_group("lobby", "in private")
    assert (await ann.next(SECONDS)).data == "in private"
