"""A server of the SDK at work, where the gateway is three."""

from support.borrowed import borrow

globals().update(borrow("sdk/test_server_gateway.py"))
