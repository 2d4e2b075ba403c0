"""A server in Node.js, where the gateway is three."""

from support.borrowed import borrow

globals().update(borrow("official/test_node_server.py"))
