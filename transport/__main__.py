"""Runs the command line: ``python -m hubbub.transport``."""

from hubbub.transport.cli import main

main()
