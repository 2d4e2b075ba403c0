"""The image and the manifests: their linters are content, and they say what is so.

No engine is asked and nothing is fetched: the linters bring their schemas.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
import yaml

from hubbub.transport.cli import app
from hubbub.transport.cluster_secret import new_secret, write_secret
from hubbub.transport.config_environment import ENVIRONMENT, OTHER_VARIABLES
from support.settings import KEY, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubbub.transport.settings import Settings

ROOT = Path(__file__).parents[1]
HOWTO = ROOT / "docs" / "howto"
DEPLOY = HOWTO / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
MANIFESTS = sorted(KUBERNETES.glob("*.yaml"))
COMPOSE = DEPLOY / "compose.yaml"
DOCKERFILE = DEPLOY / "Dockerfile"
PAGES = [
    HOWTO / f"{name}.md"
    for name in (
        "run-in-containers",
        "run-several-machines",
        "run-several-workers",
        "secure-links",
    )
]
BIN = Path(sys.executable).parent
SECONDS = 60
GRACE = 5.0
"""Seconds beyond twice ``drain_seconds`` that workers get (reference, workers)."""
YAML_RULES = "{extends: default, rules: {line-length: {max: 100}}}"


def lint(program: str, *arguments: str | Path) -> None:
    """Run a linter; what it says is the failure."""
    done = subprocess.run(
        [BIN / program, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def documents() -> list[dict[str, Any]]:
    return [doc for file in MANIFESTS for doc in yaml.safe_load_all(file.read_text())]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for document in documents() if document["kind"] == kind]


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    (deployment,) = of_kind("Deployment")
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["containers"]
    found: dict[str, Any] = only
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


# Linters.


def test_the_dockerfile_passes_its_linter() -> None:
    lint("hadolint", "--failure-threshold", "style", DOCKERFILE)


def test_the_compose_file_is_one() -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


@pytest.mark.parametrize("version", ["1.30.0", "1.34.0", "1.37.0"])
def test_kubernetes_takes_the_manifests(version: str) -> None:
    lint("kubernetes-validate", "--strict", "-k", version, *MANIFESTS)


def test_the_yaml_is_tidy() -> None:
    lint("yamllint", "--strict", "--config-data", YAML_RULES, COMPOSE, *MANIFESTS)


# Everything that is named exists.


def texts() -> Iterator[Path]:
    yield from PAGES
    yield from (file for file in DEPLOY.rglob("*") if file.is_file())


def flags_of(command: str) -> set[str]:
    program = typer.main.get_command(app)
    assert isinstance(program, typer.core.TyperGroup)
    return {
        flag
        for parameter in program.commands[command].params
        for flag in (*parameter.opts, *parameter.secondary_opts)
    }


_COMMAND = re.compile(r"(?<![-/\w.])hubbub (?=[a-z])([a-z]+)([^\n`|]*)")


@pytest.mark.parametrize("file", list(texts()), ids=lambda file: file.name)
def test_every_variable_that_is_named_exists(file: Path) -> None:
    known = {*ENVIRONMENT, *OTHER_VARIABLES}
    assert set(re.findall(r"\bHUBBUB_\w+", file.read_text())) <= known


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_every_flag_that_is_named_exists(file: Path) -> None:
    program = typer.main.get_command(app)
    assert isinstance(program, typer.core.TyperGroup)
    for command, rest in _COMMAND.findall(file.read_text()):
        if command in program.commands:
            named = set(re.findall(r"(?<!\S)--[a-z-]+", rest))
            assert named <= flags_of(command), f"hubbub {command} {named}"
    for flag in re.findall(r"`(--[a-z-]+)", file.read_text()):
        assert flag in flags_of("serve") | flags_of("peers"), flag


def test_containers_run_commands_that_exist(container: dict[str, Any]) -> None:
    program = typer.main.get_command(app)
    assert isinstance(program, typer.core.TyperGroup)
    name, *rest = container["args"]
    program.commands[name].make_context(name, rest).close()
    (start,) = re.findall(r'^CMD \["(\w+)"\]$', DOCKERFILE.read_text(), re.MULTILINE)
    assert start in program.commands


# Settings as they are in a container.


def image_environment() -> dict[str, str]:
    (block,) = re.findall(
        r"^ENV (.*?[^\\])$", DOCKERFILE.read_text(), re.MULTILINE | re.DOTALL
    )
    pairs = (pair.partition("=") for pair in block.replace("\\\n", " ").split())
    return {name: value for name, _, value in pairs}


def loaded(
    folder: Path, toml: str, environment: dict[str, str], secrets: str
) -> Settings:
    """Load settings as a container does, with its secrets in a folder of ours."""
    folder.mkdir()
    (folder / "access.key").write_text(KEY)
    write_secret(folder / "cluster.secret", new_secret())
    moved = {
        name: value.replace(secrets, str(folder))
        for name, value in {**image_environment(), **environment}.items()
        if name != "HUBBUB_CONFIG"
    }
    return settings_of(folder, toml.replace(secrets, str(folder)), moved)


def check_settings(settings: Settings) -> None:
    """Check what makes gateways of containers one service."""
    assert settings.host == "0.0.0.0"
    assert settings.keys.primary == KEY
    assert settings.cluster_secret is not None
    assert settings.peer_listen == "tcp://0.0.0.0:7000"
    assert settings.port == 8080
    assert settings.endpoints


def test_the_settings_of_a_pod_are_valid(
    container: dict[str, Any], tmp_path: Path
) -> None:
    values = {"POD_IP": "10.1.2.3"}
    for variable in container["env"]:
        if "value" in variable:  # Kubernetes fills in those that stand before
            values[variable["name"]] = re.sub(
                r"\$\((\w+)\)", lambda match: values[match[1]], variable["value"]
            )
        else:
            assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
    (config,) = of_kind("ConfigMap")
    folder, name = values["HUBBUB_CONFIG"].rsplit("/", 1)
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts["settings"] == folder
    settings = loaded(tmp_path / "pod", config["data"][name], values, mounts["secret"])
    check_settings(settings)
    assert settings.peer_endpoint == "tcp://10.1.2.3:7000"


def test_the_settings_of_a_composed_gateway_are_valid(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    gateways = {
        name: service
        for name, service in compose["services"].items()
        if name.startswith("gateway")
    }
    for name, service in gateways.items():
        values = {
            key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
            for key, value in service["environment"].items()
        }
        toml = (DEPLOY / "hubbub.toml").read_text()
        settings = loaded(tmp_path / name, toml, values, "/run/secrets")
        check_settings(settings)
        assert settings.peer_endpoint == f"tcp://{name}:7000"
        assert settings.peers == tuple(f"tcp://{one}:7000" for one in gateways)
    used = {secret for service in gateways.values() for secret in service["secrets"]}
    assert used == set(compose["secrets"]) == {"access.key", "cluster.secret"}


# What a gateway needs of what runs it.


def test_a_pod_has_time_to_drain(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    (config,) = of_kind("ConfigMap")
    drain = tomllib.loads(config["data"]["hubbub.toml"])["drain_seconds"]
    sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > sleep + 2 * drain + GRACE


def test_a_composed_gateway_has_time_to_drain(compose: dict[str, Any]) -> None:
    drain = tomllib.loads((DEPLOY / "hubbub.toml").read_text())["drain_seconds"]
    (grace,) = {
        int(service["stop_grace_period"].removesuffix("s"))
        for name, service in compose["services"].items()
        if name.startswith("gateway")
    }
    assert grace > 2 * drain + GRACE


def test_a_pod_is_led_to_only_when_it_knows_its_peers(
    container: dict[str, Any],
) -> None:
    """The HTTP port opens once the mesh has settled: any answer will do."""
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/api/health", "port": "http"}


def test_pods_find_each_other_before_they_are_ready(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    (deployment,) = of_kind("Deployment")
    services = {service["metadata"]["name"]: service for service in of_kind("Service")}
    (place,) = [e["value"] for e in container["env"] if e["name"] == "HUBBUB_DISCOVER"]
    name, port = re.fullmatch(r"dns://(\S+):(\d+)", place).groups()  # type: ignore[union-attr]
    headless = services[name]["spec"]
    assert headless["clusterIP"] == "None"
    assert headless["publishNotReadyAddresses"] is True
    assert headless["ports"][0]["port"] == int(port)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    ports = {entry["name"]: entry["containerPort"] for entry in container["ports"]}
    assert ports == {"http": 8080, "peers": int(port)}
    for service in services.values():
        assert service["spec"]["selector"].items() <= labels.items()
        assert {entry["targetPort"] for entry in service["spec"]["ports"]} <= set(ports)
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        of_kind("PodDisruptionBudget")[0]["spec"]["selector"]["matchLabels"],
        of_kind("NetworkPolicy")[0]["spec"]["podSelector"]["matchLabels"],
        *(s["labelSelector"]["matchLabels"] for s in pod["topologySpreadConstraints"]),
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)


def test_a_pod_has_no_rights_and_one_place_to_write(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    rights = pod["securityContext"]
    assert rights["runAsNonRoot"] is True
    assert (
        f"USER {rights['runAsUser']}:{rights['runAsGroup']}" in DOCKERFILE.read_text()
    )
    own = container["securityContext"]
    assert own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    volumes = {volume.pop("name"): volume for volume in map(dict, pod["volumes"])}
    writable = [
        mount["mountPath"]
        for mount in container["volumeMounts"]
        if not mount.get("readOnly")
    ]
    assert writable == ["/tmp"]
    assert "emptyDir" in volumes["sockets"]
    # The group of the pod may read it, nobody else.
    assert volumes["secret"]["secret"]["defaultMode"] == 0o440
    assert rights["fsGroup"] == rights["runAsGroup"]


def test_composed_gateways_have_no_rights_either(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name.startswith("gateway"):
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert service["tmpfs"][0].startswith("/tmp:")


def test_no_secret_is_in_a_manifest() -> None:
    assert of_kind("Secret") == []
    (config,) = of_kind("ConfigMap")
    for toml in (config["data"]["hubbub.toml"], (DEPLOY / "hubbub.toml").read_text()):
        assert "file" in tomllib.loads(toml)["access_key"]


def test_the_image_is_built_from_what_there_is() -> None:
    lines = re.findall(
        r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE
    )
    copied = {name for line in lines for name in line.split()}
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text()
    assert copied == {line[1:] for line in ignored.splitlines() if line[:1] == "!"}
    assert all((ROOT / name).exists() for name in copied)
    roots = re.findall(
        r"^    hubbub\.\w+ = (\w+)", (ROOT / "setup.cfg").read_text(), re.MULTILINE
    )
    assert set(roots) <= copied
