"""The official Python service package, where the gateway is three."""

from support.borrowed import borrow

globals().update(borrow("official/test_service_python.py"))
