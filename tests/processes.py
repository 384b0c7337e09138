"""Stages in processes of their own, as DVC runs them."""

import os
import subprocess
import sys


def start(stage, words, *, cwd, without=(), **more):
    """Start a stage; `without` and `more` change its environment."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", *without)} | more
    command, pipe = [sys.executable, "-m", f"stages.{stage}", *map(str, words)], subprocess.PIPE
    return subprocess.Popen(command, cwd=cwd, env=environment, stdout=pipe, stderr=pipe, text=True)


def finish(process):
    """Wait for its end: exit status, standard output and standard error."""
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, err
