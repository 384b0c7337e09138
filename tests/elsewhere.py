"""Run the test suite as other machines would: another order, processor, compiler, user or checkout.

python -m tests.elsewhere                  every condition, a line each; exit status 1 where one fails
python -m tests.elsewhere NAME ...         these conditions
python -m tests.elsewhere --quick          three short ones, on the tests that they concern
python -m tests.elsewhere --list           the names, and what of it this machine cannot do
"""

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMPILERS = re.compile(r"(.+-)?(cc|c89|c99|gcc|g\+\+|c\+\+|clang|clang\+\+|tcc|icx|icc)(-[\d.]+)?")
SECONDS = 3600  # a suite that takes longer hangs
ORDER = ("-p", "random_order", "--random-order-bucket=global")

Environment = dict[str, str]
Prepare = Callable[[Path], contextlib.AbstractContextManager[Environment]]


@contextlib.contextmanager
def nothing(folder: Path) -> Iterator[Environment]:
    """Prepare nothing."""
    yield {}


@dataclass(frozen=True)
class Condition:
    """What is another than usual; `quick`: the tests that --quick runs, which leaves the condition out where none."""

    name: str
    what: str
    environment: Environment = field(default_factory=dict)
    arguments: Sequence[str] = ()
    before: Sequence[str] = ()  # a command that runs the rest of its line
    prepare: Prepare = nothing
    checkout: Callable[[Path], None] | None = None  # fills a folder in which the suite runs, in place of this one
    missing: Callable[[], str] = lambda: ""  # why this machine cannot do it
    quick: Sequence[str] = ()
    folder: str = "project"  # name of that checkout


@contextlib.contextmanager
def busy(folder: Path) -> Iterator[Environment]:
    """As many loops as there are cores; each ends with this process, however that ends."""
    loop = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
    loops = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(os.cpu_count() or 1)]
    try:
        yield {}
    finally:
        for process in loops:
            process.kill()
            process.wait()


@contextlib.contextmanager
def without_compiler(folder: Path) -> Iterator[Environment]:
    """A path on which everything stands but compilers, and an empty cache."""
    programs = folder / "bin"
    programs.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            if not COMPILERS.fullmatch(program.name) and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    yield {"PATH": str(programs), "XDG_CACHE_HOME": str(folder / "cache"), "CC": ""}


@contextlib.contextmanager
def language(folder: Path, name: str) -> Iterator[Environment]:
    """Another language, which the machine may lack."""
    subprocess.run(["localedef", "-i", name, "-f", "UTF-8", str(folder / f"{name}.UTF-8")], check=True)
    yield {"LC_ALL": f"{name}.UTF-8", "LOCPATH": str(folder)}


@contextlib.contextmanager
def read_only_home(folder: Path) -> Iterator[Environment]:
    """A home in which not even root can write."""
    yield {"HOME": "/proc/self", "XDG_CACHE_HOME": ""}


def clone(folder: Path) -> None:
    """Give a clean clone of what has been committed."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)


def clone_after_a_run(folder: Path) -> None:
    """Give a clone in which the pipeline has run as on another processor, so that it left other metrics."""
    clone(folder)
    other = {"ATEN_CPU_CAPABILITY": "default", "RECURRENT_MARCH": "x86-64-v3" if has_avx2() else "native"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "dvc", "repro", "--quiet"]
    done = subprocess.run(command, cwd=folder, env=os.environ | other | {"PATH": path}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"dvc repro failed: {done.stderr.strip()[-500:]}")


def export(folder: Path) -> None:
    """Give what has been committed, without Git, as an archive of it holds."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "--extract"], cwd=folder, input=archive, check=True)


def no_git() -> str:
    return "" if shutil.which("git") and (ROOT / ".git").exists() else "this folder is not under Git"


def has_avx2() -> bool:
    about = Path("/proc/cpuinfo")
    return about.exists() and {"avx2", "fma", "bmi2"} <= set(about.read_text().split())


def no_avx2() -> str:
    return "" if has_avx2() else "no x86 processor with AVX2 and FMA"


def no_localedef() -> str:
    return "" if shutil.which("localedef") else "no localedef on the path"


def no_mounts() -> str:
    try:
        return subprocess.run([*WITHOUT_PROC, "true"], capture_output=True, text=True).stderr.strip()
    except FileNotFoundError:
        return "no unshare on the path"


def no_clang() -> str:
    return "" if shutil.which("clang") else "no clang on the path"


def no_other_user() -> str:
    if os.geteuid():
        return "this user is not root, so every run shows it"
    try:
        done = subprocess.run([*NOT_ROOT, "true"], capture_output=True, text=True)
    except FileNotFoundError:
        return "no unshare on the path"
    return done.stderr.strip()


def vectors_of_numpy() -> list[str]:
    """Instructions that numpy has code for beyond what it needs."""
    from numpy._core._multiarray_umath import __cpu_dispatch__

    return [*__cpu_dispatch__]


def tests(*names: str) -> list[str]:
    """Find the test modules of these names, in whichever folder they are."""
    found = {path.stem: str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")}
    return [found[f"test_{name}"] for name in names]


# the user's own files, seen as another user who is not root and whom permissions bind
NOT_ROOT = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
# /proc is covered by an empty folder, for these processes only
WITHOUT_PROC = ("unshare", "--mount", *(["--map-root-user"] if os.geteuid() else []), "sh", "-c",
                'mount -t tmpfs none /proc && exec "$@"', "sh")  # fmt: skip
OF_RECORDINGS = tests(
    "fault", "leakage", "metrics", "pipeline", "report", "source_contract", "trainer", "trainer_tasks"
)
OF_COMPILED = tests("cells", "kernels", "pipeline", "predictor", "trainer_tasks")
OF_NUMPY = tests("baselines", "fault", "free_running", "generated_sources", "metrics", "report", "split", "windows")
CONDITIONS = [
    *(
        Condition(
            f"order-{seed}", f"random order {seed} of all tests", arguments=[*ORDER, f"--random-order-seed={seed}"]
        )
        for seed in (1, 2, 3)
    ),
    Condition(
        "recordings",
        "other small recordings, other cases of properties, in a random order",
        {"RECURRENT_TEST_SEED": "7"},
        [*ORDER, "--random-order-seed=7", "--hypothesis-seed=7"],
        quick=OF_RECORDINGS,
    ),
    Condition("load", "a busy loop on every core beside it", prepare=busy),
    Condition(
        "numpy",
        "numpy without its vector instructions",
        {"NPY_DISABLE_CPU_FEATURES": " ".join(vectors_of_numpy())},
        missing=lambda: "" if vectors_of_numpy() else "numpy has no vector instructions to leave out here",
        quick=OF_NUMPY,
    ),
    Condition("torch", "torch without its vector instructions", {"ATEN_CPU_CAPABILITY": "default"}),
    Condition("haswell", "our C code built for Haswell", {"RECURRENT_MARCH": "haswell"}, missing=no_avx2),
    Condition("x86-64-v3", "our C code built for x86-64-v3", {"RECURRENT_MARCH": "x86-64-v3"}, missing=no_avx2),
    Condition("clang", "our C code built by clang", {"CC": "clang"}, missing=no_clang),
    Condition("no-compiler", "no C compiler and nothing compiled before", prepare=without_compiler, quick=OF_COMPILED),
    Condition("not-root", "a user who is not root", before=NOT_ROOT, missing=no_other_user),
    *(
        Condition(f"lang-{name}", f"the language {name}", prepare=partial(language, name=name), missing=no_localedef)
        for name in ("tr_TR", "de_DE")
    ),
    Condition("home", "a home that cannot be written", prepare=read_only_home),
    Condition("no-proc", "no /proc", before=WITHOUT_PROC, missing=no_mounts),
    Condition("path", "a clone whose path needs quotes", checkout=clone, missing=no_git, folder="a 'b' $c İß"),
    Condition("clone", "a clean clone of the last commit", checkout=clone, missing=no_git),
    Condition("after-run", "a clone in which the pipeline has run", checkout=clone_after_a_run, missing=no_git),
    Condition("no-git", "the files of the last commit without Git", checkout=export, missing=no_git),
]


def run(condition: Condition, *, quick: bool, jobs: int, log: Path) -> bool:
    """Run the suite under one condition and print its line; say whether it passed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, condition.prepare(Path(folder)) as more:
        home = Path(folder) / condition.folder if condition.checkout else ROOT
        if condition.checkout:
            condition.checkout(home)
        suite = [sys.executable, "-m", "pytest", "-n", str(jobs), "--dist", "worksteal", "-p", "no:cacheprovider"]
        command = [*condition.before, *suite, *condition.arguments, *(condition.quick if quick else ())]
        with log.open("w") as output:
            done = subprocess.run(
                command,
                cwd=home,
                env=os.environ | condition.environment | more,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
            )
    lines = log.read_text(errors="replace").splitlines() or ["nothing was said"]
    result = "passed" if done.returncode == 0 else "FAILED"
    counts = re.sub(r" in [\d.]+s.*|=", "", lines[-1]).strip()
    print(f"{condition.name:<12} {result}  {time.monotonic() - began:4.0f} s  {counts}", flush=True)
    if done.returncode:
        print(*(f"    {line[:200]}" for line in lines if line.startswith(("FAILED", "ERROR"))), sep="\n")
        print(f"    the whole of it: {log}", flush=True)
    return done.returncode == 0


def main() -> int:
    """Run the chosen conditions one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all unless one is given")
    parser.add_argument("--quick", action="store_true", help="those with short forms, on the tests that they concern")
    parser.add_argument("--list", action="store_true", help="say what there is and run nothing")
    parser.add_argument("--jobs", type=int, default=2, help="processes of each run (default: %(default)s)")
    parser.add_argument("--logs", type=Path, default=ROOT / ".cache" / "elsewhere", help="default: %(default)s")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - {condition.name for condition in CONDITIONS}:
        parser.error(f"no condition {', '.join(sorted(unknown))}; --list names them")
    conditions = [c for c in CONDITIONS if c.name in chosen.names or not chosen.names]
    conditions = [c for c in conditions if c.quick or not chosen.quick]
    chosen.logs.mkdir(parents=True, exist_ok=True)
    passed = []
    for condition in conditions:
        if reason := condition.missing():
            print(f"{condition.name:<12} skipped: {reason}", flush=True)
        elif chosen.list:
            print(f"{condition.name:<12} {condition.what}")
        else:
            log = chosen.logs / f"{condition.name}.log"
            try:
                passed.append(run(condition, quick=chosen.quick, jobs=chosen.jobs, log=log))
            except (subprocess.SubprocessError, RuntimeError, OSError) as error:
                print(f"{condition.name:<12} FAILED: {error}", flush=True)
                passed.append(False)
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
