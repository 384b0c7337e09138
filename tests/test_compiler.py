"""A C file is compiled once for this machine, whoever else does the same; test_kernels.py has what is never loaded."""

import ctypes
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recurrent import compiler

ROOT = Path(__file__).parents[1]
needs_compiler = pytest.mark.skipif(not any(map(shutil.which, compiler.COMPILERS)), reason="no C compiler on the path")


@pytest.fixture
def source(tmp_path):
    (tmp_path / "twice.c").write_text("long twice(long x) { return 2 * x; }\n")
    return tmp_path / "twice.c"


@needs_compiler
def test_builds_at_the_same_time_do_not_meet(tmp_path, source):
    code = "import sys, ctypes, pathlib; from recurrent import compiler; "
    code += "print(compiler.load(pathlib.Path(sys.argv[1]), twice=(ctypes.c_long,)).twice(21))"
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}

    def build(_):
        command = [sys.executable, "-c", code, str(source)]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    with ThreadPoolExecutor(3) as pool:
        runs = [(run.stdout, run.stderr) for run in pool.map(build, range(3))]
    assert runs == [("42\n", "")] * 3
    assert len([*(tmp_path / "recurrent").iterdir()]) == 1


@needs_compiler
def test_what_is_compiled_is_not_compiled_again(tmp_path, source, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiler.load(source, twice=(ctypes.c_long,))
    compiler.load.cache_clear()
    monkeypatch.setenv("PATH", "")
    assert compiler.load(source, twice=(ctypes.c_long,)).twice(-4) == -8
    source.write_text(source.read_text() + "\n")
    compiler.load.cache_clear()
    with pytest.raises(compiler.Unavailable, match="no compiler"):
        compiler.load(source, twice=(ctypes.c_long,))


def test_another_source_or_another_cpu_is_another_file(source, monkeypatch):
    names = {compiler._key(source)}
    with monkeypatch.context() as changed:
        changed.setattr(compiler, "FLAGS", ("-O1",))
        names.add(compiler._key(source))
    with monkeypatch.context() as changed:
        changed.setattr(Path, "read_text", lambda self: "model name: another\n")
        names.add(compiler._key(source))
    source.write_text(source.read_text() + "\n")
    names.add(compiler._key(source))
    assert len(names) == 4


def test_no_flag_changes_what_a_number_is():
    assert not [flag for flag in compiler.FLAGS if "fast-math" in flag or "finite" in flag or "unsafe" in flag]
