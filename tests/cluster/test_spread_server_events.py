"""Events of attached servers, where the gateway is three."""

from support.borrowed import borrow

globals().update(borrow("transport/test_server_events.py"))
