"""Wishes that servers decide on, where the gateway is three."""

from support.borrowed import borrow

globals().update(borrow("transport/test_server_interception.py"))
