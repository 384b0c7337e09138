"""Stages on a disk that fails: python failing_disk.py HOME HOW FOLDER STAGE=COUNT ..., preloaded with failing_disk.c.

The stages are those of the small project, and fetch, which reads fetch.yaml.
For COUNT values of n, evenly from the first to the last, or for all if it is 0, the nth operation that writes fails, in
a process forked for it; then the stage runs again.
A line of JSON for each n: the stage, n and the last n there is, what the stage said, and the problems found.
"""

import ctypes
import errno
import importlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

sys.path[:0] = [sys.argv[1], str(Path(__file__).parent)]

MODES = {"once": 0, "full": 1, "kill": 2}
FETCH = {
    "cmd": "python -m stages.fetch data/raw/table --params fetch.yaml --system table",
    "outs": ["data/raw/table"],
}
# what a stage imports when it needs it; here once, not in each process
LATER = {
    "fetch": ["pooch", "requests", "recurrent.sources.table"],
    "evaluate": ["sklearn.ensemble"],
    "plot": ["recurrent.plot.pictures"],
}
DOWNLOADS = Path(".cache", "downloads")
GROWS = "history.csv"  # a row per epoch, while the stage lasts


def attempt(main, words, n, mode, folder):
    """Run the stage in a fork of this process; give its exit status, what it said and its operations."""
    said, tell = folder / "err", folder / "operations"
    child = os.fork()
    if not child:
        streams = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), os.open(os.devnull, os.O_WRONLY)
        os.dup2(streams[0], 2)
        os.dup2(streams[1], 1)
        disk = ctypes.CDLL(None)
        sys.argv[1:] = words
        sys.modules["__main__"].__file__ = sys.modules[main.__module__].__file__
        disk.fail_at(os.getcwd().encode(), ctypes.c_long(n), errno.ENOSPC, mode)
        try:
            importlib.import_module("recurrent.config.stage").run(main)
            code = 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            print(f"Traceback: {error!r}", file=sys.stderr)
            code = 99
        count = disk.operations()
        disk.fail_at(b"", ctypes.c_long(-1), 0, 0)
        tell.write_text(str(count))
        sys.stderr.flush()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, said.read_text(), int(tell.read_text()) if tell.exists() else 0


def main():
    """Do what the command line says."""
    home, how, folder, *asked = sys.argv[1:]
    os.chdir(home)
    for stage, _, count in (words.partition("=") for words in asked):
        try_stage(stage, how, int(count), Path(folder))


def try_stage(stage, how, count, folder):
    """Let operations of a stage fail, print what came of each."""
    from small_project import DVC, arguments, clear, products  # noqa: I001
    from recurrent.ingest.download import digest
    from recurrent.network.model_file import ModelFile

    DVC["fetch"] = FETCH
    module = importlib.import_module(f"stages.{stage}")
    for later in LATER.get(stage, ()):
        importlib.import_module(later)
    words = arguments(stage)

    def run(n, mode):
        return attempt(module.main, words, n, mode, folder)

    def temporaries():
        return sorted(str(path) for path in Path().rglob(".*") if path.name.endswith((".tmp", ".wider")))

    def whole(path):
        """Say whether this is a network that is complete but for its interval, which is written last."""
        try:
            return path.endswith(".safetensors") and ModelFile.read(Path(path)).interval is None
        except ValueError:
            return False

    def fresh():
        clear(Path(), stage)
        shutil.rmtree(DOWNLOADS, ignore_errors=True)

    fresh()
    code, err, total = run(0, 0)
    assert code == 0, err
    undisturbed = products(Path(), stage)
    numbers = [1 + i * (total - 1) // (count - 1) for i in range(count)] if count else range(1, total + 1)
    for n in numbers:
        fresh()
        code, err, _ = run(n, MODES[how])
        problems = [f"half written: {path}" for path in DOWNLOADS.glob("[!.]*") if digest(path) != path.name]
        left = {path: content for path, content in products(Path(), stage).items() if not path.endswith(GROWS)}
        if how == "kill":
            problems += [] if code == -signal.SIGKILL else [f"exit status {code}: {err[-500:]}"]
        else:
            problems += [
                f"half written: {path}" for path in left if left[path] != undisturbed[path] and not whole(path)
            ]
            problems += [f"left: {path}" for path in temporaries()]
            if code == 0 and products(Path(), stage) != undisturbed:
                problems.append("exit status 0, but not all is there")
            if code not in (0, 1) or "Traceback" in err or (code and len(err.splitlines()) != 1):
                problems.append(f"exit status {code}: {err[-500:]}")
            if code and not ("No space left on device" in err and "free some space" in err and "/" in err):
                problems.append(f"no clear error: {err}")
        clear(Path(), stage)
        again, said, _ = run(0, 0)
        if again or said or products(Path(), stage) != undisturbed or temporaries():
            problems.append(f"the rerun ends with {again} {said[-300:]}, other bytes or temporaries {temporaries()}")
        print(json.dumps({"stage": stage, "n": n, "total": total, "err": err, "problems": problems}), flush=True)


if __name__ == "__main__":
    main()
