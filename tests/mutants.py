"""Make small changes of the code that decides a score, one at a time, and see whether a test fails.

python -m tests.mutants                            200 changes at random of the files that pyproject.toml names
python -m tests.mutants --sample 100 --seed 1      other ones
python -m tests.mutants recurrent/window/split.py  all of some files; with --sample some of them

mutmut makes the changes. A process that has imported all libraries forks for each, in a copy of the checkout, and runs
the tests of the file's name, then those of its folder, then the selection of pyproject.toml. A change that none of them
notices survives.
"""

import argparse
import difflib
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 300  # a change that makes a test hang is noticed
LEAST = 0.95
LOG = "last.log"
LIBRARIES = "torch pandas sklearn.ensemble pyarrow matplotlib.figure pytest safetensors.torch".split()


def mutations(path: Path) -> list[str]:
    """Return the whole file with each change, in the order of mutmut."""
    from mutmut.mutation.file_mutation import create_mutations

    module, found, *_ = create_mutations(str(path), path.read_text(encoding="utf-8"))
    return [module.deep_replace(change.original_node, change.mutated_node).code for change in found]


def tests_of(path: Path, selection: list[str]) -> list[list[str]]:
    """Return the tests for a file, the nearest first."""
    folder = Path("tests", *path.parts[1:-1])
    near = [str(test) for test in sorted(folder.glob(f"test_*{path.stem.rstrip('s')}*.py"))]
    others = [test for test in selection if test != str(folder)]
    return [tests for tests in (near, [str(folder)], others) if tests]


def fails(tests: list[str]) -> bool:
    """Run tests in a fork of this process; say whether one fails, or whether they hang."""
    child = os.fork()
    if not child:
        os.setsid()
        said = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(said, stream)
        sys.path.insert(0, os.getcwd())
        import pytest

        try:
            options = [
                "-x",
                "-q",
                "-p",
                "no:cacheprovider",
                "-W",
                "ignore:Module already imported",
                "-m",
                "not (real_data or browser or slow)",
            ]
            code = int(pytest.main([*options, *tests]))
        except BaseException:
            traceback.print_exc()
            code = 1
        os._exit(code)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main() -> int:
    """Try changes and print each that no test notices; exit status 1 where these are too many."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="all changes of these files")
    parser.add_argument("--sample", type=int, help="so many at random; default: 200, or all of the files named")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--near", action="store_true", help="only the tests of its name and folder, for a lower bound")
    chosen = parser.parse_args()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    selection = [] if chosen.near else settings["pytest_add_cli_args_test_selection"]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in LIBRARIES:  # before any fork: they take longer than most tests
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, Path(folder) / name)
        os.chdir(folder)
        sources = sorted(path for pattern in settings["only_mutate"] for path in Path().glob(pattern))
        for path in chosen.files or sources:
            if fails(tests_of(path, selection)[0]):
                raise SystemExit(f"{path}: a test fails without any change:\n{Path(LOG).read_text()}")
        tried = [(path, code) for path in chosen.files or sources for code in mutations(path)]
        print(f"{len(tried)} changes of {len(chosen.files or sources)} files", flush=True)
        count = chosen.sample or (len(tried) if chosen.files else 200)
        tried = random.Random(chosen.seed).sample(tried, min(count, len(tried)))
        survivors = 0
        for number, (path, code) in enumerate(tried, start=1):
            usual = path.read_text(encoding="utf-8")
            path.write_text(code, encoding="utf-8")
            if not any(fails(tests) for tests in tests_of(path, selection)):
                survivors += 1
                lines = difflib.unified_diff(usual.splitlines(), code.splitlines(), str(path), n=0, lineterm="")
                print(f"{number}: no test notices", *lines, sep="\n", flush=True)
            path.write_text(usual, encoding="utf-8")
            if number % 10 == 0:
                print(f"{number} tried, {number - survivors} noticed", flush=True)
        killed = len(tried) - survivors
    print(f"{killed} of {len(tried)} noticed, {killed / len(tried):.1%}")
    return int(killed < LEAST * len(tried))


if __name__ == "__main__":
    sys.exit(main())
