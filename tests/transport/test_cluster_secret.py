"""The secret of a cluster: how it is made, read, kept and not shown."""

from __future__ import annotations

import copy
import os
import pickle
import stat
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from hubbub.transport.cli import app
from hubbub.transport.cluster_secret import (
    PREFIX,
    ClusterSecret,
    ClusterSecretError,
    new_secret,
    parse_secret,
    read_secret,
    write_secret,
)

if TYPE_CHECKING:
    from pathlib import Path

TEXT = PREFIX + "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


def test_a_secret_has_256_bits_and_is_never_the_same() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    for text in made:
        assert text.startswith(PREFIX)
        assert len(parse_secret(text).derive("a")) == 32


def test_what_is_derived_depends_on_secret_and_purpose_alone() -> None:
    secret = parse_secret(TEXT)
    # Fixed: gateways of different releases must agree.
    assert secret.derive("hubbub listens").hex() == (
        "c947f0f05bc3456fbf8d70349d9ad33026d0cf7c31eccca6cfe1780ca4ebbf4b"
    )
    assert secret.derive("hubbub dials").hex() == (
        "3dd81f6059c3b139310e7a9a82d94bf05afcfd36bab8d5e287547c83324d620f"
    )
    assert parse_secret(f" {TEXT}\r\n").derive("a") == secret.derive("a")
    assert parse_secret(new_secret()).derive("a") != secret.derive("a")
    assert ClusterSecret(bytes(range(32))).derive("a") == secret.derive("a")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        PREFIX,
        TEXT[:-1],
        TEXT + "A",
        TEXT + "=",
        TEXT.replace("-1:", "-2:"),
        TEXT[:-1] + "+",
        TEXT[:-1] + " ",
        f"{TEXT}\n{TEXT}",
        TEXT.replace("A", "\u0410"),
    ],
)
def test_what_is_no_secret_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ClusterSecretError) as caught:
        parse_secret(text)
    assert "`hubbub secret FILE` makes one" in str(caught.value)
    assert TEXT[-20:-2] not in str(caught.value)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ClusterSecretError):
        ClusterSecret(bytes(31))


def test_a_secret_is_neither_shown_nor_copied() -> None:
    secret = parse_secret(TEXT)
    assert repr(secret) == str(secret) == "ClusterSecret(...)"
    assert f"{secret}" == "ClusterSecret(...)"
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copying(secret)


def test_a_file_is_written_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a secret"
    before = os.umask(0)
    try:
        write_secret(file, TEXT)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == f"{TEXT}\n"
    assert read_secret(file).derive("a") == parse_secret(TEXT).derive("a")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622, 0o644, 0o777])
def test_a_file_that_others_can_use_is_refused_with_the_remedy(
    tmp_path: Path, mode: int
) -> None:
    file = tmp_path / "a secret"
    write_secret(file, TEXT)
    file.chmod(mode)
    with pytest.raises(ClusterSecretError) as caught:
        read_secret(file)
    assert f"chmod 600 '{file}'" in str(caught.value)
    file.chmod(0o400)
    read_secret(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name, content in (("gone", None), ("other", b"hello"), ("bytes", b"\xff\xfe")):
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
            file.chmod(0o600)
        with pytest.raises(ClusterSecretError) as caught:
            read_secret(file)
        assert str(file) in str(caught.value)
        assert "hello" not in str(caught.value)


# The command.


def test_the_command_makes_a_file_and_says_what_to_do_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["secret"])
    assert done.exit_code == 0, done.output
    file = tmp_path / "cluster.secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    read_secret(file)
    assert not done.stdout
    assert "--cluster-secret cluster.secret" in done.stderr
    assert file.read_text().strip() not in done.stderr


def test_the_command_leaves_a_file_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "cluster.secret"
    write_secret(file, TEXT)
    done = CliRunner().invoke(app, ["secret", str(file)])
    assert done.exit_code == 1
    assert "is there already" in done.stderr
    assert file.read_text() == f"{TEXT}\n"


def test_the_command_prints_a_secret_for_a_dash() -> None:
    done = CliRunner().invoke(app, ["secret", "-"])
    assert done.exit_code == 0
    parse_secret(done.stdout)
    assert not done.stderr


def test_the_command_says_where_it_cannot_write(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["secret", str(tmp_path / "none" / "a")])
    assert done.exit_code == 1
    assert "No such file" in done.stderr
