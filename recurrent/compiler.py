"""A C file of ours, compiled for this machine at its first use and kept in the user's cache.

Nothing is ever loaded from a place where another user could have written.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from functools import cache
from pathlib import Path

COMPILERS = ("cc", "gcc", "clang")
# never -ffast-math: it would hide a NaN. Contraction is a * b + c in one instruction, with one rounding.
FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-std=gnu11", "-fPIC", "-shared")
SECONDS = 120  # a compiler that takes longer hangs


class Unavailable(Exception):
    """Why there is no compiled code on this machine, in words."""


@cache
def load(source: Path, **signatures: tuple[type, ...]) -> ctypes.CDLL:
    """Compile where that has not been done, and load; its functions let other threads run.

    Parameters
    ----------
    source : a C file without includes of its own
    signatures : the functions and the types of their arguments; each gives a long

    Raises
    ------
    Unavailable
        Without a compiler, where it fails, or where others can write to the cache.
    """
    try:
        path = _cache_folder() / f"{source.stem}-{_key(source)}.so"
        if not path.exists():
            _compile(source, path)
        _require_own(path)
        loaded = ctypes.CDLL(str(path))
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise Unavailable(str(error)) from error
    for name, arguments in signatures.items():
        function = getattr(loaded, name)
        function.argtypes, function.restype = arguments, ctypes.c_long
    return loaded


def _key(source: Path) -> str:
    """Name what decides the machine code; -march=native makes it the CPU's own."""
    cpu = [platform.machine(), platform.processor()]
    if (info := Path("/proc/cpuinfo")).exists():
        names = ("model name", "flags", "Features", "CPU part")
        cpu += sorted({line for line in info.read_text().splitlines() if line.startswith(names)})
    return hashlib.sha256(source.read_bytes() + repr((FLAGS, cpu)).encode()).hexdigest()[:20]


def _cache_folder() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recurrent"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_own(folder)
    return folder


def _require_own(path: Path) -> None:
    about = path.lstat()
    if about.st_uid != os.geteuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or path.is_symlink():
        raise Unavailable(f"another user can write to {path}")


def _compile(source: Path, path: Path) -> None:
    """Build under a name of its own, then rename: of several builds at once each leaves a whole file."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise Unavailable(f"no compiler ({', '.join(COMPILERS)}) on the path")
    handle, temporary = tempfile.mkstemp(suffix=".so", dir=path.parent)
    os.close(handle)
    try:
        command = [compiler, *FLAGS, "-o", temporary, str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        if done.returncode:
            raise Unavailable(f"{compiler} failed: {(done.stderr.strip().splitlines() or ['no message'])[0]}")
        os.chmod(temporary, 0o700)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
