"""Tests of another file, to be run again with other fixtures."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]


def borrow(file: str) -> dict[str, Any]:
    """Load a file under ``tests``, and give all that it defines.

    Args:
        file: As ``official/test_client_python.py``. Where it goes, its fixtures go
            too; those that it has from a ``conftest.py`` are the borrower's.
    """
    name = f"borrowed.{file.removesuffix('.py').replace('/', '.')}"
    spec = importlib.util.spec_from_file_location(name, TESTS / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return {
        word: value for word, value in vars(module).items() if not word.startswith("__")
    }
