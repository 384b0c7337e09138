"""A small earthquake project: its params, its stages run here or in a process of their own, and its experiments."""

import contextlib
import importlib
import re
import shlex
import shutil
import sys
from pathlib import Path

import processes
import torch
import yaml
from seeds import SEED

from recurrent.cells.kernels import threads
from recurrent.config import reader
from recurrent.config import stage as starter
from recurrent.config.schema import Settings, System
from recurrent.config.stage import pick

ROOT = Path(__file__).parents[2]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
DVC = PIPELINE["stages"]
CHARTS = {name: about for plot in PIPELINE["plots"] if isinstance(plot, dict) for name, about in plot.items()}
PICTURES = [plot for plot in PIPELINE["plots"] if isinstance(plot, str)]
EXPERIMENTS = {"gru": {"model.cell": "gru"}, "short": {"seq_len": 10}}
REVISIONS = ["workspace", *EXPERIMENTS]


def dotted(tree, above=""):
    """Give a mapping in which `a: {b: 1}` is `a.b: 1`."""
    inner = [dotted(v, f"{above}{k}.") if isinstance(v, dict) else {above + k: v} for k, v in tree.items()]
    return {key: value for part in inner for key, value in part.items()}


def flat(text):
    """Read YAML with dotted keys."""
    return dotted(yaml.safe_load(text))


SHIPPED = flat((ROOT / "params.yaml").read_text(encoding="utf-8"))
SMALL = flat("""
seq_len: 20
simulate: {cycles: 10, sample_rate: 400.0}
window: {samples_per_step: 50, statistic: [log_std], stride: 2, batch_size: 8}
model: {cell: manual, hidden_size: 8, num_layers: 1}
train: {loss: mae, target_delta: 0.0, patience: 20, max_epochs: 3, backend: auto, threads: 1}
plot: {dpi: 75}
""") | {"simulate.seed": SHIPPED["simulate.seed"] + SEED}


def write_params(home, changes):
    """Write the params file of the small project, with other values for some dotted keys."""
    tree = {}
    for key, value in (SHIPPED | SMALL | changes).items():
        *sections, name = key.split(".")
        (tree.setdefault(sections[0], {}) if sections else tree)[name] = value
    (home / "params.yaml").write_text(yaml.safe_dump(tree))


def arguments(stage):
    """Give the paths of a stage's command line in dvc.yaml."""
    return shlex.split(DVC[stage]["cmd"])[3:]


def start(home, stage):
    """Start the command line of dvc.yaml in a process of its own."""
    return processes.start(stage, arguments(stage), cwd=home, without=("DVC_ROOT",))


def outs(stage):
    """Give the outputs of a stage, metrics included."""
    return [*DVC[stage]["outs"], *(next(iter(entry)) for entry in DVC[stage].get("metrics", []))]


def products(home, stage):
    """Path -> bytes of everything the stage has made."""
    files = [file for out in outs(stage) for file in (home / out, *(home / out).rglob("*")) if file.is_file()]
    return {file.relative_to(home).as_posix(): file.read_bytes() for file in files}


def clear(home, stage):
    """Remove what the stage has made, as DVC does before it runs one."""
    for path in (home / out for out in outs(stage)):
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)


def remake(stage, changes):
    """Run the stage here, in this process: what it has made, and the threads in use, which change no result."""
    write_params(Path(), changes)
    clear(Path(), stage)  # what DVC has linked to its cache cannot be written
    torch.set_num_threads(1)
    threads.use(1)
    module = importlib.import_module(f"stages.{stage}")
    chosen = pick(reader.read(Path("params.yaml"), Settings), module.Params)
    module.main(chosen, *map(Path, arguments(stage)))
    return products(Path(), stage), max(torch.get_num_threads(), threads.used())


def run_here(name, home, monkeypatch, capsys):
    """Run a stage here, from its command line; give its exit status and what it said on standard error."""
    module = importlib.import_module(f"stages.{name}")
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "argv", [name, *arguments(name)])
    monkeypatch.setattr(starter, "_require_own_workspace", lambda script: None)
    monkeypatch.setattr(starter.signal, "signal", lambda *_: None)
    code = 0
    try:
        starter.run(module.main)
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().err


def make_repository(home):
    """Run the pipeline and its EXPERIMENTS at `home`, and commit what they make to Git and DVC."""
    for folder in ("stages", "recurrent", "reports", ".dvc/plots"):
        shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, home / name)
    before = torch.get_num_threads()
    with contextlib.chdir(home):
        for stage in DVC:
            remake(stage, {})
        processes.command(home, "git", "init", "--quiet")
        processes.command(home, "git", "config", "user.name", "A Tester")
        processes.command(home, "git", "config", "user.email", "tester@example.org")
        processes.dvc(home, "commit", "--quiet", "--force")
        processes.command(home, "git", "add", "--all")
        processes.command(home, "git", "commit", "--quiet", "--message", "a small project")
        for name, changes in EXPERIMENTS.items():
            for stage in ("window", "train", "evaluate", "plot"):
                remake(stage, changes)
            processes.dvc(home, "exp", "save", "--quiet", "--force", "--name", name)
            processes.command(home, "git", "checkout", "--quiet", ".")
        processes.dvc(home, "checkout", "--quiet")
    torch.set_num_threads(before)


def computed_elsewhere(home):
    """Make the last commit one of a machine that trains to other bits."""
    lock = yaml.safe_load((home / "dvc.lock").read_text(encoding="utf-8"))
    for entry in lock["stages"].values():
        for file in [*entry["outs"], *entry["deps"]]:
            if file["path"] in outs("train"):
                digest, dot, kind = file["md5"].partition(".")
                file["md5"] = digest[::-1] + dot + kind
    (home / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False), encoding="utf-8")
    metrics = home / "metrics" / "quake.json"
    metrics.write_text(
        re.sub(r'("skill": -?)', r"\g<1>9", metrics.read_text(encoding="utf-8"), count=1), encoding="utf-8"
    )
    processes.command(home, "git", "commit", "--all", "--quiet", "--message", "elsewhere")


def run_stages(changes, stages=("simulate", "ingest", "window", "train", "evaluate")):
    """Run stages of the small project here, in this process and folder."""
    write_params(Path(), changes)
    settings = reader.read(Path("params.yaml"), Settings)
    for stage in stages:
        module = importlib.import_module(f"stages.{stage}")
        module.main(pick(settings, module.Params), *map(Path, arguments(stage)))


def run_system(folder, monkeypatch, name, section, raw):
    """Run a system of that section over a raw file in this process: paths of its metrics and its predictions."""
    monkeypatch.chdir(folder)
    params = yaml.safe_load((ROOT / "systems" / "params.yaml").read_text(encoding="utf-8"))
    params["systems"] = {name: section | {"raw": str(raw)}}
    Path("systems.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    settings = reader.read(Path("systems.yaml"), System, system=name)
    stages = yaml.safe_load((ROOT / "systems" / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for stage in ("ingest", "window", "train", "evaluate"):
        module = importlib.import_module(f"stages.{stage}")
        words = shlex.split(stages[stage]["do"]["cmd"].replace("{system}", name))
        module.main(pick(settings, module.Params), *map(Path, words[words.index("systems") + 1 :]))
    return Path("metrics") / f"{name}.json", Path("data") / name / "predictions"
