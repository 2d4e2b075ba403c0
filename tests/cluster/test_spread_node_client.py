"""The official JavaScript client, where the gateway is three."""

from support.borrowed import borrow

globals().update(borrow("official/test_node_client.py"))
