"""Many named experiments through DVC's own queue, two at a time; stopped and started again, none runs twice.

What is queued, running and finished is DVC's to know (`dvc exp show --json`); nothing is noted beside it. An
experiment that was torn off, with its worker or the whole machine, stands as running for ever: it is killed, queued
anew, and its training goes on from its checkpoint.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Overrides = Mapping[str, Any]  # dotted key of params.yaml -> value
DVC = (sys.executable, "-m", "dvc")
TRIES = 3  # to start workers, and to look at them


def environment() -> dict[str, str]:
    """Give the environment with this interpreter's programs first: a worker calls `dvc`, and a stage `python`."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    return {**os.environ, "PATH": os.pathsep.join(places)}


# of the earthquake; DVC tells of every system's metrics, too
FILES = {"params": "params.yaml", "metrics": "metrics/quake.json"}


class StudyError(RuntimeError):
    """An experiment failed, or another one has its name."""


@dataclass(frozen=True)
class Experiment:
    """What DVC knows of one experiment on the current commit."""

    name: str
    state: str  # queued, running, failed or success
    pid: int | None
    rev: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]


def dvc(*arguments: str) -> str:
    """Run a command of DVC; what it prints to standard output."""
    done = subprocess.run([*DVC, *arguments], capture_output=True, text=True, env=environment())
    if done.returncode:
        raise StudyError(f"dvc {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def known() -> dict[str, Experiment]:
    """Ask DVC for the experiments on the current commit: name -> experiment."""
    found = {}
    for baseline in json.loads(_show()):
        for about in baseline["experiments"] or []:
            executor, revision = about["executor"] or {}, about["revs"][0]
            data = revision["data"] or {}
            params, metrics = (_content(data.get(kind) or {}, file) for kind, file in FILES.items())
            pid = (executor.get("local") or {}).get("pid")
            state = executor.get("state") or "success"
            found[about["name"]] = Experiment(about["name"], state, pid, revision["rev"], params, metrics)
    return found


def _show() -> str:
    """Show the experiments; DVC fails where one ends, and its folder goes, while it looks."""
    for _ in range(TRIES - 1):
        try:
            return dvc("exp", "show", "--json", "--no-pager")
        except StudyError:
            time.sleep(1)
    return dvc("exp", "show", "--json", "--no-pager")


def _content(files: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Give what the file holds; nothing where it cannot be read yet, while it is being made."""
    found: dict[str, Any] = (files.get(name) or {}).get("data") or {}
    return found


def alive(pid: int | None) -> bool:
    """Say whether a process of this number exists on this machine."""
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid is not None


def value(params: Mapping[str, Any], key: str) -> Any:
    """Look up a dotted key."""
    for part in key.split("."):
        params = params[part]
    return params


def enqueue(plan: Mapping[str, Overrides], found: Mapping[str, Experiment]) -> list[str]:
    """Queue what of the plan is neither finished nor under way; the names that were queued.

    Raises
    ------
    StudyError
        Where a finished experiment of that name had other parameters.
    """
    torn = [name for name in plan if name in found and found[name].state == "running" and not alive(found[name].pid)]
    failed = [name for name in plan if name in found and found[name].state == "failed"]
    if torn:
        dvc("queue", "kill", *torn)
    if torn or failed:
        dvc("queue", "remove", *torn, *failed)
    missing = [name for name in plan if name not in found or name in torn or name in failed]
    for name in set(plan) - set(missing):
        for key, wanted in plan[name].items():
            if found[name].params and value(found[name].params, key) != wanted:
                raise StudyError(f"an experiment {name} with another {key} exists: dvc exp remove {name}")
    for name in missing:
        sets = [item for key, wanted in plan[name].items() for item in ("-S", f"{key}={json.dumps(wanted)}")]
        dvc("exp", "run", "--quiet", "--queue", "--name", name, *sets)
    return missing


def run(
    plan: Mapping[str, Overrides], *, at_once: int, pause: float, say: Callable[[str], None]
) -> dict[str, Experiment]:
    """Bring every experiment of the plan to its end; name -> what DVC knows of it then.

    Parameters
    ----------
    plan : name -> overrides of params.yaml
    at_once : experiments that run side by side
    pause : seconds between two looks at the queue
    say : told of the progress, whenever there is some
    """
    if queued := enqueue(plan, known()):
        say(f"{len(queued)} of {len(plan)} experiments are queued")
    finished, tries = -1, 0
    while True:
        found = known()
        states = [found[name].state for name in plan if name in found]
        if failed := [name for name in plan if name in found and found[name].state == "failed"]:
            raise StudyError(f"failed: {', '.join(failed)}; `dvc queue logs {failed[0]}` says why")
        if states.count("success") > finished:
            finished = states.count("success")
            say(f"{finished} of {len(plan)} experiments are finished")
            tries = 0
        if finished == len(plan):
            return {name: found[name] for name in plan}
        if "running" in states:
            tries = 0
        elif "queued" in states and idle():
            if tries == TRIES:
                raise StudyError("no worker stays alive; `dvc queue start --verbose` says why")
            start(at_once)
            tries += 1
        time.sleep(pause)


def start(jobs: int) -> None:
    """Start workers that outlive this process; they would keep a pipe open, and us waiting, to their end."""
    command, nowhere = [*DVC, "queue", "start", "--jobs", str(jobs)], subprocess.DEVNULL
    quiet = {"stdin": nowhere, "stdout": nowhere, "stderr": nowhere}
    subprocess.run(command, check=True, **quiet, start_new_session=True, env=environment())


def idle() -> bool:
    """Say whether no worker looks at the queue."""
    return "Worker status: 0 active, 0 idle" in dvc("queue", "status")
