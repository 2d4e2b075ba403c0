"""Decisions without a clock and without I/O: roles, filters, patterns, the roster."""
