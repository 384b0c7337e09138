"""Stages in processes of their own, as DVC runs them."""

import os
import subprocess
import sys

# a stage that is killed in the middle of its nth write of a checkpoint
KILLED = """
import os, signal, torch
save, saves = torch.save, []
def killed(state, path):
    save(state, path)
    saves.append(path)
    if len(saves) == {n}:
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
torch.save = killed
import stages, stages.{stage}
stages.run(stages.{stage}.main)
"""


def start(stage, words, *, cwd, without=(), killed_in_write=None, **more):
    """Start a stage; `without` and `more` change its environment, `killed_in_write` counts its checkpoints."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", *without)} | more
    script = (
        ["-m", f"stages.{stage}"] if killed_in_write is None else ["-c", KILLED.format(n=killed_in_write, stage=stage)]
    )
    command, pipe = [sys.executable, *script, *map(str, words)], subprocess.PIPE
    return subprocess.Popen(command, cwd=cwd, env=environment, stdout=pipe, stderr=pipe, text=True)


def finish(process):
    """Wait for its end: exit status, standard output and standard error."""
    try:
        out, err = process.communicate(timeout=300)  # a machine may be busy; one that hangs must not hold up the rest
    finally:
        process.kill()
    return process.returncode, out, err
