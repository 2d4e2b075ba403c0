"""What a server of the SDK asks for, where the gateway is three."""

from support.borrowed import borrow

globals().update(borrow("sdk/test_server_commands.py"))
