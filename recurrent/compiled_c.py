"""A C file of ours, compiled for this machine at its first use and kept in the user's cache.

Nothing is ever loaded from a place where another user could have written. Two environment variables choose what is
built, and each choice has a file of its own in the cache:

CC : the compiler and its first arguments, in place of the first of cc, gcc and clang on the path
RECURRENT_MARCH : what stands after -march=, native unless it is set; code for another CPU may stop this one
"""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
from functools import cache
from pathlib import Path

COMPILERS = ("cc", "gcc", "clang")
# never -ffast-math: it would hide a NaN. No contraction of a * b + c to one instruction, with one rounding, either:
# compilers differ in where they do that, so a source that wants it writes fma().
FLAGS = ("-O3", "-ffp-contract=off", "-std=gnu11", "-fPIC", "-shared")
SECONDS = 120  # a compiler that takes longer hangs


class Unavailable(Exception):
    """Why there is no compiled code on this machine, in words."""


@cache
def load(source: Path, *flags: str, **signatures: tuple[type, ...]) -> ctypes.CDLL:
    """Compile where that has not been done, and load; its functions let other threads run.

    Parameters
    ----------
    source : a C file; what it includes of ours are .h files of its folder
    flags : for the compiler, after FLAGS, such as constants of the compilation
    signatures : the functions and the types of their arguments; each gives a long

    Raises
    ------
    Unavailable
        Without a compiler, where it fails, or where others can write to the cache.
    """
    try:
        command = [*compile_command(), *flags]
        path = _cache_folder() / f"{source.stem}-{_key(source, command)}.so"
        if not path.exists():
            _compile(command, source, path)
        _require_own(path)
        loaded = ctypes.CDLL(str(path))
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise Unavailable(str(error)) from error
    for name, arguments in signatures.items():
        function = getattr(loaded, name)
        function.argtypes, function.restype = arguments, ctypes.c_long
    return loaded


def compile_command() -> list[str]:
    """Give the compiler, by its whole path, and its flags.

    Raises
    ------
    Unavailable
        Where CC, or without it each of COMPILERS, is not on the path, and on Windows.
    """
    if os.name != "posix":
        raise Unavailable("compiled code is for Linux and macOS")
    asked = shlex.split(os.environ.get("CC", ""))
    found = next(filter(None, map(shutil.which, asked[:1] or COMPILERS)), None)
    if found is None:
        raise Unavailable(f"no compiler ({f'CC={asked[0]}' if asked else ', '.join(COMPILERS)}) on the path")
    return [found, *asked[1:], f"-march={_march()}", *FLAGS]


def _march() -> str:
    return os.environ.get("RECURRENT_MARCH") or "native"


def _key(source: Path, command: list[str]) -> str:
    """Name what decides the machine code: -march=native makes it the CPU's own, and a compiler may be replaced."""
    cpu = [platform.machine(), platform.processor()]
    if (info := Path("/proc/cpuinfo")).exists():
        names = ("model name", "flags", "Features", "CPU part")
        cpu += sorted({line for line in info.read_text().splitlines() if line.startswith(names)})
    compiler = Path(command[0]).resolve()
    about = compiler.stat()
    built_by = [str(compiler), about.st_size, about.st_mtime_ns, command]
    code = b"".join(path.read_bytes() for path in (source, *sorted(source.parent.glob("*.h"))))
    return hashlib.sha256(code + repr((built_by, cpu)).encode()).hexdigest()[:20]


def _cache_folder() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recurrent"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_own(folder)
    return folder


def _require_own(path: Path) -> None:
    about = path.lstat()
    if about.st_uid != os.geteuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or path.is_symlink():
        raise Unavailable(f"another user can write to {path}")


def _compile(command: list[str], source: Path, path: Path) -> None:
    """Build under a name of its own, then rename: of several builds at once each leaves a whole file."""
    handle, temporary = tempfile.mkstemp(suffix=".so", dir=path.parent)
    os.close(handle)
    try:
        done = subprocess.run([*command, "-o", temporary, str(source)], capture_output=True, text=True, timeout=SECONDS)
        if done.returncode:
            with_march = "" if _march() == "native" else f" with RECURRENT_MARCH={_march()}"
            raise Unavailable(
                f"{command[0]} failed{with_march}: {(done.stderr.strip().splitlines() or ['no message'])[0]}"
            )
        os.chmod(temporary, 0o700)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
