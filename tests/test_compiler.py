"""A C file is compiled once for this machine, whoever else does the same; test_kernels.py has what is never loaded."""

import ctypes
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from machine import needs_compiler

from recurrent import compiled_c
from recurrent.cells.kernels import c_library
from recurrent.ingest import number_parser

ROOT = Path(__file__).parents[1]
OTHER_CPUS = ("haswell", "skylake-avx512", "sapphirerapids", "znver3", "x86-64-v3")


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No choice of the person who runs the tests, and nothing loaded yet, before and after."""
    monkeypatch.delenv("RECURRENT_MARCH", raising=False)
    compiled_c.load.cache_clear()
    yield
    compiled_c.load.cache_clear()


@pytest.fixture
def source(tmp_path):
    (tmp_path / "twice.c").write_text("long twice(long x) { return 2 * x; }\n")
    return tmp_path / "twice.c"


def test_elsewhere_than_on_posix_nothing_is_compiled(monkeypatch):
    with monkeypatch.context() as windows, pytest.raises(compiled_c.Unavailable, match="for Linux and macOS"):
        windows.setattr(compiled_c.os, "name", "nt")
        compiled_c.compile_command()


def twice(source):
    compiled_c.load.cache_clear()
    return compiled_c.load(source, twice=(ctypes.c_long,)).twice(21)


def script(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


@needs_compiler
def test_builds_at_the_same_time_do_not_meet(tmp_path, source):
    code = "import sys, ctypes, pathlib; from recurrent import compiled_c; "
    code += "print(compiled_c.load(pathlib.Path(sys.argv[1]), twice=(ctypes.c_long,)).twice(21))"
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
    assert twice(source) == 42
    monkeypatch.setattr(subprocess, "run", None)
    assert twice(source) == 42
    source.write_text(source.read_text() + "\n")
    with pytest.raises(TypeError, match="not callable"):
        twice(source)


def test_another_source_command_compiler_or_cpu_is_another_file(tmp_path, source, monkeypatch):
    built_by = script(tmp_path / "cc", "")
    names = [compiled_c._key(source, [str(built_by)])]
    names.append(compiled_c._key(source, [str(built_by), "-O1"]))
    names.append(compiled_c._key(source, [str(script(tmp_path / "gcc", ""))]))
    script(built_by, "# a newer one")
    names.append(compiled_c._key(source, [str(built_by)]))
    with monkeypatch.context() as changed:
        changed.setattr(Path, "read_text", lambda self: "model name: another\n")
        names.append(compiled_c._key(source, [str(built_by)]))
    source.write_text(source.read_text() + "\n")
    names.append(compiled_c._key(source, [str(built_by)]))
    (tmp_path / "part.h").write_text("")
    (tmp_path / "part.h").write_text("/* of the code, too */")
    names.append(compiled_c._key(source, [str(built_by)]))
    assert len(set(names)) == len(names) == 7


def test_cc_and_march_are_the_persons_choice(tmp_path, monkeypatch):
    for name in ("cc", "gcc", "mine"):
        script(tmp_path / "bin" / name, "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CC", raising=False)
    assert compiled_c.compile_command() == [str(tmp_path / "bin" / "cc"), "-march=native", *compiled_c.FLAGS]
    monkeypatch.setenv("CC", "mine -m64")
    monkeypatch.setenv("RECURRENT_MARCH", "haswell")
    assert compiled_c.compile_command() == [str(tmp_path / "bin" / "mine"), "-m64", "-march=haswell", *compiled_c.FLAGS]
    monkeypatch.setenv("CC", "")
    monkeypatch.setenv("RECURRENT_MARCH", "")
    assert compiled_c.compile_command()[:2] == [str(tmp_path / "bin" / "cc"), "-march=native"]
    monkeypatch.setenv("CC", "icc")
    with pytest.raises(compiled_c.Unavailable, match=r"^no compiler \(CC=icc\) on the path$"):
        compiled_c.compile_command()


@needs_compiler
def test_constants_of_the_compilation_have_a_file_each(tmp_path, source, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source.write_text("long twice(long x) { return FACTOR * x; }\n")
    by = [compiled_c.load(source, f"-DFACTOR={factor}", twice=(ctypes.c_long,)) for factor in (2, 3)]
    assert [library.twice(21) for library in by] == [42, 63]
    assert len([*(tmp_path / "cache" / "recurrent").iterdir()]) == 2


@needs_compiler
def test_each_choice_has_its_own_file(tmp_path, source, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    real = compiled_c.compile_command()[0]
    script(tmp_path / "mine", f'exec {real} "$@"')
    assert twice(source) == 42
    monkeypatch.setenv("CC", str(tmp_path / "mine"))
    assert twice(source) == 42
    assert len([*(tmp_path / "cache" / "recurrent").iterdir()]) == 2


@needs_compiler
def test_a_march_that_the_compiler_refuses_is_named_with_its_words(tmp_path, source, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("RECURRENT_MARCH", "abacus")
    with pytest.raises(compiled_c.Unavailable, match="failed with RECURRENT_MARCH=abacus: .*abacus"):
        twice(source)
    assert [*(tmp_path / "recurrent").iterdir()] == []


def test_no_flag_changes_what_a_number_is():
    assert not [flag for flag in compiled_c.FLAGS if "fast" in flag or "finite" in flag or "unsafe" in flag]
    assert "-ffp-contract=off" in compiled_c.FLAGS


def compilers():
    """Every compiler of this machine, by its name."""
    return [name for name in ("gcc", "clang") if shutil.which(name)] or ["none"]


@pytest.mark.parametrize("march", OTHER_CPUS)
@pytest.mark.parametrize("name", compilers())
@pytest.mark.parametrize(
    "source, flags",
    [(number_parser.SOURCE, ()), *((c_library.SOURCE, c_library.flags(cell)) for cell in c_library.GATES)],
    ids=lambda given: "".join(given[-1:]) if isinstance(given, tuple) else given.name,
)
def test_it_compiles_for_other_cpus(tmp_path, monkeypatch, source, flags, name, march):
    """Built, not run: sapphirerapids computes in half precision, where FLT_EVAL_METHOD is 16."""
    if name == "none":
        pytest.skip("neither gcc nor clang on the path")
    monkeypatch.setenv("CC", name)
    monkeypatch.setenv("RECURRENT_MARCH", march)
    command = [*compiled_c.compile_command(), *flags]
    (tmp_path / "empty.c").write_text("")
    known = subprocess.run([*command, "-c", "-o", tmp_path / "empty.o", tmp_path / "empty.c"], capture_output=True)
    if known.returncode:
        pytest.skip(f"{name} knows no {march}")
    key = f"{source.stem}-{compiled_c._key(source, command)}"
    try:  # tests/cells/test_fixed_order.py runs some of them
        folder = compiled_c._cache_folder()
    except PermissionError:
        folder = tmp_path
    built = compiled_c._kept(folder, key) or compiled_c._compile(command, source, folder, key)
    assert built.read_bytes()[:4] in (b"\x7fELF", b"\xcf\xfa\xed\xfe")


@needs_compiler
@pytest.mark.parametrize(("method", "good"), [(0, 1), (1, 1), (16, 1), (64, 1), (-1, 0), (2, 0), (65, 0), (128, 0)])
def test_numbers_are_parsed_where_a_double_is_a_double(tmp_path, method, good):
    (tmp_path / "float.h").write_text(f"#define FLT_EVAL_METHOD {method}\n")
    command = [*compiled_c.compile_command(), "-I", str(tmp_path), "-fsyntax-only", str(number_parser.SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode == 0) == good
    assert ("rounded twice" in done.stderr) != good


@needs_compiler
@pytest.mark.parametrize("harm", ["empty", "cut", "bit", "mode", "link"])
def test_a_damaged_library_is_built_again_with_a_word(tmp_path, source, monkeypatch, capsys, harm):
    """Loaded, a cut one ends the process by SIGBUS, one with other bytes by SIGSEGV."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert twice(source) == 42
    (built,) = (tmp_path / "cache" / "recurrent").iterdir()
    content = built.read_bytes()
    middle = len(content) // 2
    changed = {"empty": b"", "cut": content[:middle], "bit": content[:middle] + b"\xff" + content[middle + 1 :]}
    built.unlink()  # not in place: it is loaded
    if harm == "link":
        (tmp_path / "other.so").write_bytes(content)
        built.symlink_to(tmp_path / "other.so")
    else:
        built.write_bytes(changed.get(harm, content))
        built.chmod(0o777 if harm == "mode" else 0o700)
    assert twice(source) == 42
    assert capsys.readouterr().err == f"{built}: damaged, or not of this user: built again\n"
    (again,) = (tmp_path / "cache" / "recurrent").iterdir()
    assert again.read_bytes() == content and not again.is_symlink() and again.stat().st_mode & 0o777 == 0o700
    assert twice(source) == 42 and capsys.readouterr().err == ""


def no_home():
    raise RuntimeError("Could not determine home directory.")


@needs_compiler
@pytest.mark.parametrize("harm", ["file", "folder", "parent", "link", "owner", "no home"])
def test_without_a_cache_of_ones_own_a_library_is_built_at_each_start(tmp_path, source, monkeypatch, capsys, harm):
    cache, temporary = tmp_path / "cache", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(compiled_c.tempfile, "tempdir", str(temporary))
    if harm == "file":  # no folder can be made there, as on a read-only disk
        cache.touch()
    elif harm == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(Path, "home", no_home)
    else:
        (cache / "recurrent").mkdir(parents=True, mode=0o700)
    if harm in ("folder", "parent"):
        (cache if harm == "parent" else cache / "recurrent").chmod(0o777)
    elif harm == "link":
        (cache / "recurrent").rename(tmp_path / "elsewhere")
        (cache / "recurrent").symlink_to(tmp_path / "elsewhere")
    elif harm == "owner":
        me = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert twice(source) == 42
    assert capsys.readouterr().err.startswith("compiled code is not kept, but built at each start: ")
    assert list(temporary.iterdir()) == [] and not list(tmp_path.rglob("*.so"))


@needs_compiler
def test_a_relative_cache_home_is_ignored(tmp_path, source, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert twice(source) == 42
    assert not (tmp_path / "cache").exists() and len([*(tmp_path / "home" / ".cache" / "recurrent").iterdir()]) == 1
