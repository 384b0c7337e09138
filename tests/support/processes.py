"""Stages and other commands in processes of their own, as DVC and a person run them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

# a stage that is killed in the middle of its nth write of a checkpoint
KILLED = """
import os, signal
from contextlib import contextmanager
from recurrent.train import checkpoint
replacing, saves = checkpoint.replacing, []
@contextmanager
def killed(path):
    with replacing(path) as temporary:
        yield temporary
        saves.append(path)
        if len(saves) == {n}:
            os.truncate(temporary, os.path.getsize(temporary) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
checkpoint.replacing = killed
import stages.{stage}
from recurrent.config.stage import run
run(stages.{stage}.main)
"""


def start(stage, words, *, cwd, without=(), killed_in_write=None, stdin=None, **more):
    """Start a stage; `without` and `more` change its environment, `killed_in_write` counts its checkpoints."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", *without)} | more
    script = (
        ["-m", f"stages.{stage}"] if killed_in_write is None else ["-c", KILLED.format(n=killed_in_write, stage=stage)]
    )
    command, pipe = [sys.executable, *script, *map(str, words)], subprocess.PIPE
    streams = {"stdin": stdin, "stdout": pipe, "stderr": pipe, "text": True}
    return subprocess.Popen(command, cwd=cwd, env=environment, preexec_fn=heed_interrupts, **streams)


def heed_interrupts():
    """Let Ctrl-C reach what tests start, also where the tests run in the background of a shell, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def finish(process):
    """Wait for its end: exit status, standard output and standard error."""
    try:
        out, err = process.communicate(timeout=300)  # a machine may be busy; one that hangs must not hold up the rest
    finally:
        process.kill()
    return process.returncode, out, err


def command(home: Path, *arguments: str, code: int = 0) -> str:
    """Run a command in the project `home`; give what it printed."""
    done = subprocess.run([*arguments], cwd=home, capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"})
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout + (done.stderr if code else "")


def dvc(home: Path, *arguments: str) -> str:
    """Run DVC in the project `home`; give what it printed."""
    return command(home, sys.executable, "-m", "dvc", *arguments)
