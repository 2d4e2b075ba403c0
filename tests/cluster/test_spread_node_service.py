"""The official JavaScript service package, where the gateway is three."""

from support.borrowed import borrow

globals().update(borrow("official/test_node_service.py"))
