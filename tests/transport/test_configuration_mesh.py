"""Settings of a mesh: what counts, which go together, and what errors say to do."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hubbub.transport import config_mesh
from hubbub.transport.cli_check import summarize
from hubbub.transport.cluster_secret import new_secret, write_secret
from hubbub.transport.config_values import MisfitError
from hubbub.transport.configuration import ConfigurationError, Flags, load
from hubbub.transport.settings import Secret, Settings
from support.settings import fault_of, settings_of

SECRET = new_secret()


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "cluster.secret"
    write_secret(path, SECRET)
    return str(path)


def fault(**flags: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(Flags(**flags), {})  # type: ignore[arg-type]
    return str(caught.value)


def test_a_gateway_that_was_told_of_no_other_has_none() -> None:
    settings = load(Flags(), {})
    assert settings.peers == ()
    assert settings.peer_listen is settings.peer_endpoint is settings.discover is None
    assert settings.cluster == "hubbub"
    assert settings.cluster_secret is None
    assert settings.workers == 1


@pytest.mark.usefixtures("secret")
def test_the_file_says_all_there_is_to_a_mesh(tmp_path: Path) -> None:
    toml = """
peers = ["tcp://10.0.0.8:7000", "tcp://[fd00::8]:7000", "ipc:///run/hubbub/a.sock"]
peer_listen = "tcp://0.0.0.0:7000"
peer_endpoint = "tcp://10.0.0.7:7000"
discover = "dns://hubbub-peers.default.svc:7000"
cluster = "shop.eu-1"
cluster_secret = "cluster.secret"
workers = 3
"""
    settings = settings_of(tmp_path, toml)
    assert settings.peers == (
        "tcp://10.0.0.8:7000",
        "tcp://[fd00::8]:7000",
        "ipc:///run/hubbub/a.sock",
    )
    assert settings.peer_listen == "tcp://0.0.0.0:7000"
    assert settings.peer_endpoint == "tcp://10.0.0.7:7000"
    assert settings.discover == "dns://hubbub-peers.default.svc:7000"
    assert settings.cluster == "shop.eu-1"
    assert settings.cluster_secret == Secret(f"{SECRET}\n")
    assert settings.workers == 3


def test_variables_say_the_same(secret: str) -> None:
    settings = load(
        Flags(),
        {
            "HUBBUB_PEERS": "tcp://a:7000, tcp://b:7000",
            "HUBBUB_PEER_LISTEN": "tcp://*:7000",
            "HUBBUB_PEER_ENDPOINT": "tcp://10.0.0.7:7000",
            "HUBBUB_DISCOVER": "dns://peers:7000",
            "HUBBUB_CLUSTER": "shop",
            "HUBBUB_CLUSTER_SECRET": secret,
            "HUBBUB_WORKERS": "2",
        },
    )
    assert settings.peers == ("tcp://a:7000", "tcp://b:7000")
    assert settings.peer_listen == "tcp://0.0.0.0:7000"
    assert settings.peer_endpoint == "tcp://10.0.0.7:7000"
    assert settings.discover == "dns://peers:7000"
    assert settings.cluster == "shop"
    assert settings.cluster_secret == Secret(f"{SECRET}\n")
    assert settings.workers == 2


def test_flags_say_the_same_and_peers_may_be_repeated(secret: str) -> None:
    flags = Flags(
        peers=("tcp://a:7000,tcp://b:7000", "tcp://c:7000"),
        peer_listen="tcp://127.0.0.1:0",
        peer_endpoint="tcp://10.0.0.7:7000",
        discover="dns://peers:7000",
        cluster="shop",
        cluster_secret=secret,
    )
    settings = load(flags, {})
    assert settings.peers == ("tcp://a:7000", "tcp://b:7000", "tcp://c:7000")
    assert settings.peer_listen == "tcp://127.0.0.1:0"
    assert settings.peer_endpoint == "tcp://10.0.0.7:7000"
    assert settings.discover == "dns://peers:7000"
    assert settings.cluster == "shop"
    assert settings.cluster_secret == Secret(f"{SECRET}\n")


@pytest.mark.usefixtures("secret")
def test_the_secret_may_be_a_variable_or_a_file_by_reference(tmp_path: Path) -> None:
    for reference, environ in (
        ('{ env = "MINE" }', {"MINE": SECRET}),
        ('{ file = "cluster.secret" }', {}),
    ):
        settings = settings_of(tmp_path, f"cluster_secret = {reference}", environ)
        assert settings.cluster_secret is not None
        assert settings.cluster_secret.text.strip() == SECRET


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, secret: str) -> None:
    Path(secret).chmod(0o644)
    for name in ("'cluster.secret'", '{ file = "cluster.secret" }'):
        assert "chmod 600" in fault_of(tmp_path, f"cluster_secret = {name}")
    assert "--cluster-secret: " in fault(cluster_secret=secret)


def test_a_text_that_is_no_secret_is_refused_without_being_shown(
    tmp_path: Path,
) -> None:
    toml = 'cluster_secret = { env = "MINE" }'
    said = fault_of(tmp_path, toml, {"MINE": SECRET[:-1]})
    assert "hubbub.toml:1: cluster_secret: this is no cluster secret" in said
    assert SECRET[-20:-1] not in said


def test_a_secret_is_not_shown(tmp_path: Path, secret: str) -> None:
    settings = settings_of(tmp_path, f"cluster_secret = '{secret}'")
    assert SECRET not in repr(settings)
    page = io.StringIO()
    for table in summarize(settings):
        Console(file=page, width=1000).print(table)
    assert "cluster_secret" in page.getvalue()
    assert SECRET not in page.getvalue()


def test_auto_is_one_worker_for_each_core_this_process_may_use() -> None:
    assert load(Flags(workers="auto"), {}).workers == config_mesh.cores()
    assert load(Flags(), {"HUBBUB_WORKERS": "auto"}).workers == config_mesh.cores()
    assert 1 <= config_mesh.cores() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 8), ("150000 100000", 2), ("1000 100000", 1), ("", 8), (None, 8)],
)
def test_the_limit_of_a_container_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str | None, cores: int
) -> None:
    path = tmp_path / "cpu.max"
    if quota is not None:
        path.write_text(quota)
    monkeypatch.setattr(config_mesh, "_CPU_QUOTA", path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert config_mesh.cores() == cores


# One value.

BAD_VALUES = [
    ("peers = 'tcp://a:7000'", "peers: expected a list"),
    ("peers = ['a:7000']", "peers: expected an endpoint as tcp://10.0.0.7:7000"),
    ("peers = ['tcp://a']", "peers: expected an endpoint as"),
    ("peers = ['tcp://a:0']", "peers: expected an endpoint as"),
    ("peers = ['tcp://a:70000']", "peers: expected an endpoint as"),
    ("peers = ['tcp://a:7000/x']", "peers: expected an endpoint as"),
    ("peers = ['tcp://a:7000?x=1']", "peers: expected an endpoint as"),
    ("peers = ['tcp://u@a:7000']", "peers: expected an endpoint as"),
    ("peers = ['tcp://a;b:7000']", "peers: expected an endpoint as"),
    ("peers = ['inproc://a']", "peers: expected an endpoint as"),
    ("peers = ['tcp://0.0.0.0:7000']", "0.0.0.0 is every address of a machine"),
    ("peers = ['tcp://*:7000']", "* is every address of a machine"),
    ("peers = ['ipc://a.sock']", "peers: expected an endpoint as"),
    ("peers = ['ipc:///']", "peers: expected an endpoint as"),
    (f"peers = ['ipc:///{'x' * 100}']", "a path of at most 100 bytes"),
    ("peer_listen = 'tcp://host:7000'", "peer_listen: expected an endpoint as tcp://0"),
    ("peer_listen = 'tcp://127.0.0.1'", "peer_listen: expected an endpoint as"),
    ("peer_endpoint = 'tcp://[::]:1'", "peer_endpoint: expected an endpoint as"),
    ("discover = 'peers:7000'", "discover: expected a name and a port as dns://"),
    ("discover = 'dns://peers'", "discover: expected a name and a port as dns://"),
    ("discover = 'dns://pe ers:7000'", "discover: expected a name and a port"),
    ("discover = 'dns://peers:0'", "discover: expected a name and a port as dns://"),
    ("cluster = ''", "cluster: expected a name of up to 64"),
    ("cluster = 'a b'", "cluster: expected a name of up to 64"),
    ("cluster_secret = 'nope'", "`hubbub secret` makes such a file"),
    ("cluster_secret = { env = 3 }", '{ env = "NAME" } or { file = "path" }'),
    ("cluster_secret = { fil = 'x' }", '{ env = "NAME" } or { file = "path" }'),
    ("cluster_secret = 3", 'the path of a file, { env = "NAME" }'),
    ("cluster_secret = { env = 'NOPE' }", "variable NOPE is not set"),
    ("workers = 0", "workers: expected a whole number from 1 to 256, or"),
    ("workers = true", "workers: expected a whole number from 1 to 256, or"),
    ("workers = 'many'", "workers: expected a whole number from 1 to 256, or"),
]


@pytest.mark.parametrize(("toml", "expected"), BAD_VALUES)
def test_a_bad_value_is_named_with_what_was_expected(
    tmp_path: Path, toml: str, expected: str
) -> None:
    assert expected in fault_of(tmp_path, toml)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("tcp://*:7000", "tcp://0.0.0.0:7000"),
        ("tcp://localhost:0", "tcp://127.0.0.1:0"),
        ("tcp://[::1]:7000", "tcp://[::1]:7000"),
        ("ipc:///run/a.sock", "ipc:///run/a.sock"),
    ],
)
def test_where_to_listen_is_an_address_in_the_end(given: str, meant: str) -> None:
    assert config_mesh.listening(given) == meant


@given(text=st.text() | st.from_regex(r"(tcp|ipc|dns)://\S{0,20}", fullmatch=True))
def test_any_text_is_an_endpoint_or_a_misfit(text: str) -> None:
    for reader in (config_mesh.peer, config_mesh.listening, config_mesh.discovery):
        try:
            read = reader(text)
        except MisfitError:
            continue
        assert reader(read) == read


# What goes together.


@pytest.mark.parametrize(
    "peer", ["tcp://127.0.0.1:7000", "tcp://localhost:7000", "ipc:///run/a.sock"]
)
def test_peers_on_this_machine_need_nothing_else(peer: str) -> None:
    assert load(Flags(peers=(peer,)), {}).peers == (peer,)


@pytest.mark.parametrize(
    "flags",
    [{"peers": ("tcp://10.0.0.8:7000",)}, {"discover": "dns://peers:7000"}],
)
def test_peers_elsewhere_must_be_able_to_reach_this_gateway(
    flags: dict[str, object],
) -> None:
    said = fault(**flags)
    assert "is on another machine" in said
    assert "HUBBUB_PEER_LISTEN, peer_listen in hubbub.toml or --peer-listen" in said


def test_peers_elsewhere_cannot_reach_loopback(secret: str) -> None:
    said = fault(
        peers=("tcp://10.0.0.8:7000",),
        peer_listen="tcp://127.0.0.1:7000",
        cluster_secret=secret,
    )
    assert "where tcp://10.0.0.8:7000 cannot reach this gateway" in said


@pytest.mark.parametrize("listen", ["tcp://0.0.0.0:7000", "tcp://[::]:7000"])
def test_who_listens_everywhere_must_say_where_to_dial(
    listen: str, secret: str
) -> None:
    said = fault(peer_listen=listen, cluster_secret=secret)
    assert "set HUBBUB_PEER_ENDPOINT, peer_endpoint in" in said
    assert "in Kubernetes tcp://$(POD_IP):7000" in said
    load(
        Flags(
            peer_listen=listen,
            peer_endpoint="tcp://10.0.0.7:7000",
            cluster_secret=secret,
        ),
        {},
    )


@pytest.mark.parametrize(
    "flags",
    [
        {"peer_listen": "tcp://10.0.0.7:7000"},
        {"peer_listen": "tcp://127.0.0.1:0", "peer_endpoint": "tcp://10.0.0.7:7000"},
        {"peer_listen": "tcp://0.0.0.0:0", "peer_endpoint": "tcp://10.0.0.7:0"},
    ],
)
def test_other_machines_need_the_secret(flags: dict[str, str], secret: str) -> None:
    said = fault(**flags)
    assert "`hubbub secret FILE` makes one" in said
    assert "HUBBUB_CLUSTER_SECRET, cluster_secret in hubbub.toml" in said
    settings = load(Flags(**flags, cluster_secret=secret), {})  # type: ignore[arg-type]
    assert isinstance(settings, Settings)


def test_an_endpoint_needs_something_to_listen_at() -> None:
    assert "say where to listen" in fault(peer_endpoint="tcp://127.0.0.1:7000")


def test_an_endpoint_is_of_the_kind_that_is_listened_at() -> None:
    said = fault(peer_listen="ipc:///run/a.sock", peer_endpoint="tcp://127.0.0.1:7000")
    assert "both must be tcp, or both ipc" in said


def test_the_last_worker_needs_a_port_too() -> None:
    listen = "tcp://127.0.0.1:65535"
    said = fault(peer_listen=listen, workers="2")
    assert "the last worker's port would be above 65535" in said
    assert load(Flags(peer_listen=listen), {}).peer_listen == listen


@pytest.mark.parametrize(
    "flags",
    [
        Flags(workers="0"),
        Flags(workers="-1"),
        Flags(workers="²"),
    ],
)
def test_a_bad_number_of_workers_names_the_flag(flags: Flags) -> None:
    with pytest.raises(ConfigurationError, match="--workers: expected a whole number"):
        load(flags, {})


def test_variables_of_other_services_in_kubernetes_are_no_errors() -> None:
    environ = {
        "HUBBUB_PEERS_SERVICE_HOST": "10.0.0.1",
        "HUBBUB_PEERS_SERVICE_PORT": "7000",
        "HUBBUB_PEERS_SERVICE_PORT_MESH": "7000",
        "HUBBUB_PEERS_PORT": "tcp://10.0.0.1:7000",
        "HUBBUB_PEERS_PORT_7000_TCP": "tcp://10.0.0.1:7000",
        "HUBBUB_PEERS_PORT_7000_TCP_ADDR": "10.0.0.1",
    }
    assert load(Flags(), environ) == load(Flags(), {})
