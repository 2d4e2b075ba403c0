"""``hubbub secret``: makes what the gateways of a service have in common.

Annotations are read when the program runs: no postponed evaluation here.
"""

from typing import Annotated

import typer

from hubbub.transport.cli_output import FailedError, errors_for_people, hint, result
from hubbub.transport.cluster_secret import new_secret, write_secret


def secret(
    file: Annotated[
        str,
        typer.Argument(metavar="[FILE]", help="Where to write it; - prints it."),
    ] = "cluster.secret",
) -> None:
    """Make a secret for the gateways of a service, in a file that only you may read."""
    with errors_for_people():
        if file == "-":
            result(new_secret())
            return
        try:
            write_secret(file, new_secret())
        except FileExistsError as error:
            raise FailedError(f"{file} is there already, and stays as it is") from error
        except OSError as error:
            raise FailedError(f"{file}: {error.strerror}") from error
        hint(
            f"the secret is in {file}: give every gateway a copy "
            f"(--cluster-secret {file}), and nobody else"
        )
