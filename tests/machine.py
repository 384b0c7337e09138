"""What this machine has that some tests need."""

import pytest

from recurrent import compiler


def _can_compile() -> bool:
    try:
        return bool(compiler.compile_command())
    except compiler.Unavailable:
        return False


CAN_COMPILE = _can_compile()
needs_compiler = pytest.mark.skipif(not CAN_COMPILE, reason="no C compiler on the path")
