"""What every stage starts with: the command line and the params file -> a call of its main.

A stage is run as ``python -m stages.NAME PATH ...`` from the top folder of the project. Its
``main(params, path, ...)`` says what it needs; `run` reads params.yaml strictly, turns the command
line into paths, and turns errors of the user's input into one line and exit status 1.

A shell reads the command line, so it holds nothing that a user may set: paths of the user's are in the params
file, and the name of a system comes from DVC in the variable DVC_STAGE.
"""

import argparse
import dataclasses
import errno
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

from recurrent.config.reader import read
from recurrent.config.schema import Settings, System

FAILED, INTERRUPTED = 1, 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WATCH_SECONDS = 0.5
PATHS = {  # what the arguments of the stages are
    "raw": "folder of the source's files, written by fetch",
    "csv": "the recording, a CSV, written by simulate",
    "series": "folder of the checked rows, written by ingest",
    "windows": "folder of steps and their windows, written by window",
    "model": "the forecaster, a safetensors file, written by train; training.json lies beside it",
    "history": "CSV with a row per epoch, written by train",
    "summary": "training.json, which tells how training ended, written by train",
    "metrics": "JSON of the scores, written by evaluate",
    "predictions": "folder of the forecasts of the test set, written by evaluate",
    "plots": "folder of the pictures, written by plot",
}


def run(main: Callable[..., None]) -> None:
    """Run one stage: `main` takes its params (a frozen dataclass) and then one path per argument."""
    module = sys.modules[main.__module__]
    hints = get_type_hints(main)
    schema = hints.pop("params")
    hints.pop("return")
    parser = argparse.ArgumentParser(
        prog=f"python -m stages.{Path(str(module.__file__)).stem}", description=module.__doc__
    )
    for name in hints:
        parser.add_argument(name, type=Path, help=PATHS[name])
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--project", type=Path, help="a folder of several systems, to which all paths are relative")
    parser.add_argument("--system", help="the one to run, which {system} in a path stands for; default: DVC's")
    arguments = vars(parser.parse_args())
    _end_with_dvc()
    with errors_in_one_line("`dvc repro` begins this stage again"):
        _require_own_workspace(Path(str(module.__file__)))
        file, project, system = (arguments.pop(name) for name in ("params", "project", "system"))
        if project:
            system = system or _system_of_dvc(Path(str(module.__file__)).stem)
            os.chdir(project)
        settings = read(file, System, system=system) if system else read(file, Settings)
        paths = {name: Path(str(path).replace("{system}", system or "{system}")) for name, path in arguments.items()}
        main(pick(settings, schema), **paths)


@contextmanager
def errors_in_one_line(after_interrupt: str) -> Iterator[None]:
    """Turn errors of the user's input into one line and an exit status; `with` blocks clean up after a signal."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    except (ValueError, OSError, MemoryError) as error:
        if "TRACEBACK" in os.environ:
            raise
        print(f"error: {_words(error)}", file=sys.stderr)
        sys.exit(FAILED)
    except KeyboardInterrupt as interrupt:
        print(f"interrupted; {str(interrupt) or after_interrupt}", file=sys.stderr)
        sys.exit(INTERRUPTED)
    finally:
        gc.freeze()  # the process ends here; to look for cycles among torch's objects first would take half a second


def pick(settings: Settings | System, schema: type) -> Any:
    """Return for a stage the keys its dataclass names, and no others."""
    return schema(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(schema)})


def _system_of_dvc(stage: str) -> str:
    """Return NAME where DVC runs the stage plot@NAME."""
    name = os.environ.get("DVC_STAGE", "").partition(f"{stage}@")[2]
    if not name:
        raise ValueError(f"which system? Run dvc repro {stage}@NAME, or give --system NAME")
    return name


def _words(error: ValueError | OSError | MemoryError) -> str:
    """Say of an error of the system which path it concerns, and what to do."""
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}"
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    cure = "; free some space there, then run the same command again" if error.errno in FULL else ""
    return f"{error.filename}: {error.strerror}{cure}" if error.filename else f"{error.strerror}{cure}"


def _end_with_dvc() -> None:
    """Stop this process when DVC ends, also by SIGKILL; a shell may stand between the two."""
    if "DVC_STAGE" not in os.environ:
        return  # started by hand, where the terminal may close before the stage ends
    ancestors = _ancestors()

    def watch() -> None:
        while _ancestors() == ancestors:
            time.sleep(WATCH_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _ancestors() -> tuple[int, int]:
    """Return the parent and, where that is a shell that was given a command, its parent; 0 where that is unknown."""
    parent, about = os.getppid(), Path(f"/proc/{os.getppid()}")
    try:
        if b"\0-c\0" in (about / "cmdline").read_bytes():
            return parent, int((about / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # no /proc, or the parent has just ended
        pass
    return parent, 0


def _stop(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)


def _require_own_workspace(script: Path) -> None:
    """Refuse to run another checkout's code: an experiment in a temporary copy must run the copy's."""
    here = Path.cwd()
    # systems/ is a project of DVC's, too, without code of its own
    own = (folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir() and (folder / "stages").is_dir())
    workspace = next(own, here)
    if not script.resolve().is_relative_to(workspace.resolve()):
        raise ValueError(f"{script} lies outside the workspace {workspace}: start it with python -m stages.NAME there")
