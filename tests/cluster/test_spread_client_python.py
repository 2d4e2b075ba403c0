"""The official Python client, where the gateway is three."""

from support.borrowed import borrow

globals().update(borrow("official/test_client_python.py"))
