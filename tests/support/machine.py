"""What this machine has that some tests need."""

import pytest

from recurrent import compiled_c


def _no_compiler() -> str:
    try:
        compiled_c.compile_command()
    except compiled_c.Unavailable as reason:
        return str(reason)
    return ""


NO_COMPILER = _no_compiler()
CAN_COMPILE = not NO_COMPILER
needs_compiler = pytest.mark.skipif(not CAN_COMPILE, reason="no C compiler on the path")


def said(stage: str) -> str:
    """What a stage of the earthquake pipeline says on standard error: what it does without a compiler."""
    instead = {
        "ingest": "numbers are read by Arrow instead of the compiled parser",
        "train": "backend numpy instead of c",
        "evaluate": "backend numpy instead of c",
    }
    return f"{instead[stage]}: {NO_COMPILER}\n" if NO_COMPILER and stage in instead else ""
