"""A C file of ours, compiled for this machine at its first use and kept in the user's cache.

Nothing is ever loaded from a place where another user could have written, and nothing that is not, byte for byte,
what the compiler wrote. Without a cache that only this user can write to, a library is built at each start. Two
environment variables choose what is built, and each choice has a file of its own in the cache:

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
import sys
import tempfile
import time
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
        Without a compiler, or where it fails.
    """
    try:
        command = [*compile_command(), *flags]
        name = f"{source.stem}-{_key(source, command)}"
        try:
            folder = _cache_folder()
            loaded = ctypes.CDLL(str(_kept(folder, name) or _compile(command, source, folder, name)))
        except PermissionError as error:
            print(f"compiled code is not kept, but built at each start: {error}", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="recurrent-") as once:
                loaded = ctypes.CDLL(str(_compile(command, source, Path(once), name)))
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
    """Return the folder of the cache; PermissionError where there is none that only this user can write to."""
    asked = Path(os.environ.get("XDG_CACHE_HOME") or "")
    try:
        # the standard on base directories ignores a relative path
        folder = (asked if asked.is_absolute() else Path.home() / ".cache").resolve() / "recurrent"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # a read-only disk; no home
        raise PermissionError(str(error)) from error
    if not os.access(folder, os.W_OK) or folder.is_symlink():
        raise PermissionError(f"{folder} cannot be written to")
    for path in (folder, *folder.parents):
        about = path.stat()
        # further up, root may be the owner, and others may write where they cannot rename what is not theirs (/tmp)
        owners, bits = ((os.geteuid(),), 0o022) if path == folder else ((os.geteuid(), 0), stat.S_IWOTH)
        if about.st_uid not in owners or (about.st_mode & bits and not about.st_mode & stat.S_ISVTX):
            raise PermissionError(f"another user can write to {path}")
    return folder


def _kept(folder: Path, name: str) -> Path | None:
    """Return the library of this name and the digest that follows it; remove a damaged one, which would crash."""
    for path in sorted(folder.glob(f"{name}-*.so")):
        about = path.lstat()
        own = stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & 0o022
        if own and path.stem.endswith(f"-{_digest(path)}"):
            return path
        print(f"{path}: damaged, or not of this user: built again", file=sys.stderr)
        path.unlink()
    return None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:20]


def _compile(command: list[str], source: Path, folder: Path, name: str) -> Path:
    """Build under a name of its own, then rename: of several builds at once each leaves a whole file."""
    for left in folder.glob("tmp*.so"):  # of a killed process
        if time.time() - left.stat().st_mtime > 2 * SECONDS:
            left.unlink(missing_ok=True)
    handle, temporary = tempfile.mkstemp(suffix=".so", dir=folder)
    os.close(handle)
    try:
        done = subprocess.run([*command, "-o", temporary, str(source)], capture_output=True, text=True, timeout=SECONDS)
        if done.returncode:
            with_march = "" if _march() == "native" else f" with RECURRENT_MARCH={_march()}"
            raise Unavailable(
                f"{command[0]} failed{with_march}: {(done.stderr.strip().splitlines() or ['no message'])[0]}"
            )
        os.chmod(temporary, 0o700)
        path = folder / f"{name}-{_digest(Path(temporary))}.so"
        os.replace(temporary, path)
        return path
    finally:
        Path(temporary).unlink(missing_ok=True)
