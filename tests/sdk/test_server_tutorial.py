"""The tutorial about servers: its files and commands, as a reader runs them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from test_docs import TUTORIALS, Reader, commands, the_command

if TYPE_CHECKING:
    from pathlib import Path

PAGE = TUTORIALS / "first-server.md"


def test_the_first_server_works(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    with reader.serving() as gateway:
        reader.write(PAGE, "server.py", "close.py")
        with reader.run(the_command(PAGE, "python server.py")) as server:
            server.await_line("attached to chat")
            with reader.run("hubbub connect") as nobody:
                nobody.await_line("status 401")
                assert nobody.end() == 1
            line = the_command(PAGE, "hubbub connect --user alice")
            with reader.run(line) as alice:
                alice.await_line("[lobby] alice is here")
                for typed, answer in (
                    ('event order.new {"sku": "a"}', '[server] {"taken":"order.new"}'),
                    ("send lobby hello", "[lobby] alice: hello"),
                    ("send lobby spam, spam and spam", "no spam"),
                ):
                    alice.type(typed)
                    alice.await_line(answer)
                    assert typed in PAGE.read_text()
                server.await_line("None: alice is here")
                server.await_line("alice: hello")
                with reader.run(the_command(PAGE, "python close.py")) as closing:
                    assert closing.end() == 0, closing.said
                alice.await_line("[server] time to go, alice")
                alice.await_line("the lobby closes")
                alice.end()
            server.signal(signal.SIGINT)
            assert server.end() == 0, server.said
            assert "Traceback" not in "".join(server.said)
        gateway.signal(signal.SIGINT)
        gateway.end()
    assert "hubbub connect" in commands(PAGE)
