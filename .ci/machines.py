"""Run the earthquake pipeline as other machines would, in fresh clones; each must end in the dvc.lock that is in Git.

    python .ci/machines.py [NAME ...] [--jobs 2]      all without a name; --list says what there is

What decides last bits elsewhere is switched here: the compiler and the CPU it builds for, the vector units that numpy
and torch use, the kernels of the BLAS libraries, threads. QEMU's CPUs run a small recording, which is held against the
same one run without them. A machine that cannot be had here is named, with the reason. Exit status 1 where a lock
differs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
SSE = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR X86_V3",
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
}
AVX2 = SSE | {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
AVX512 = {"ATEN_CPU_CAPABILITY": "avx512", "OPENBLAS_CORETYPE": "SkylakeX", "MKL_CBWR": "AVX512"}
THREADS = {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"}
MACHINES: dict[str, Mapping[str, str]] = {
    "native": {},
    "haswell": {"RECURRENT_MARCH": "haswell", "CC": "gcc"} | AVX2,
    "x86-64-v3": {"RECURRENT_MARCH": "x86-64-v3", "CC": "gcc"} | SSE,
    "zen3": {"RECURRENT_MARCH": "znver3", "CC": "clang", "OMP_NUM_THREADS": "2"} | AVX2 | {"OPENBLAS_CORETYPE": "Zen"},
    "skylake-avx512": {"RECURRENT_MARCH": "skylake-avx512", "CC": "gcc"} | AVX512,
    "clang": {"CC": "clang"},
    "three-threads": THREADS,
    **{
        f"qemu-{cpu}": {"RECURRENT_MARCH": "haswell"}
        for cpu in ("Haswell", "Skylake-Client-v3", "EPYC-Rome", "EPYC-Milan")
    },
}
OTHER_PARAMS = {"three-threads": {"train.threads": 3}}  # stands in the lock, and changes no output
SMALL = {
    "simulate.cycles": 10,
    "simulate.sample_rate": 500.0,
    "seq_len": 20,
    "window.batch_size": 16,
    "train.max_epochs": 4,
}


def missing(name: str) -> str | None:
    """Say what this machine lacks, or give None."""
    for program in (MACHINES[name].get("CC", "cc"), *(["qemu-x86_64"] if name.startswith("qemu-") else [])):
        if shutil.which(program) is None:
            return f"no {program} on the path"
    if "avx512" in name and "avx512f" not in Path("/proc/cpuinfo").read_text():
        return "no AVX-512 here"
    return None


def repro(home: Path, name: str, changes: Mapping[str, object]) -> tuple[bytes, str]:
    """Run the pipeline in a fresh clone at `home`; give its dvc.lock and what Git says of the clone."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(home)], check=True)
    params = yaml.safe_load((home / "params.yaml").read_text())
    for key, value in changes.items():
        *sections, last = key.split(".")
        section = params
        for part in sections:
            section = section[part]
        section[last] = value
    if changes:
        (home / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    path = os.environ["PATH"]
    if name.startswith("qemu-"):
        wrapper = home.with_suffix(".bin") / "python"
        wrapper.parent.mkdir()
        cpu = name.removeprefix("qemu-")
        wrapper.write_text(f'#!/bin/sh\nexec qemu-x86_64 -cpu {cpu} "{sys.executable}" "$@"\n')
        wrapper.chmod(0o755)
        path = f"{wrapper.parent}:{path}"
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=home,
        env=os.environ | {"PATH": path} | MACHINES[name],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{name}: dvc repro failed\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    status = subprocess.run(["git", "status", "--porcelain"], cwd=home, capture_output=True, text=True, check=True)
    return (home / "dvc.lock").read_bytes(), status.stdout


def outputs(lock: bytes) -> dict[str, str]:
    """Digests of all outputs in a dvc.lock."""
    return {out["path"]: out["md5"] for stage in yaml.safe_load(lock)["stages"].values() for out in stage["outs"]}


def main() -> int:
    """Run the machines asked for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MACHINES))
    parser.add_argument("--jobs", type=int, default=1, help="clones that run at once")
    parser.add_argument("--list", action="store_true", help="name the machines, and what is missing for them here")
    asked = parser.parse_args()
    if strange := [name for name in asked.names if name not in MACHINES]:
        parser.error(f"{strange[0]} is none of {', '.join(MACHINES)}")
    if asked.list:
        for name in MACHINES:
            print(f"{name:<24} {missing(name) or 'can be run here'}")
        return 0
    in_git = subprocess.run(["git", "show", "HEAD:dvc.lock"], cwd=ROOT, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(asked.jobs) as pool:
        small = outputs(repro(Path(folder) / "small", "native", SMALL)[0]) if _emulates(asked.names) else {}

        def judge(name: str) -> bool:
            if reason := missing(name):
                print(f"{name:<24} skipped: {reason}", flush=True)
                return True
            began = time.monotonic()
            emulated = name.startswith("qemu-")
            lock, status = repro(Path(folder) / name, name, SMALL if emulated else OTHER_PARAMS.get(name, {}))
            expected = small if emulated else outputs(in_git)
            other = sorted(path for path, digest in outputs(lock).items() if expected[path] != digest)
            if not emulated and name not in OTHER_PARAMS and not other and (lock != in_git or status):
                other = ["dvc.lock", *status.splitlines()]
            result = f"differs: {', '.join(other)}" if other else "the same"
            print(f"{name:<24} {result} ({time.monotonic() - began:.0f} s)", flush=True)
            return not other

        return int(not all(pool.map(judge, asked.names or MACHINES)))


def _emulates(names: list[str]) -> bool:
    return any(name.startswith("qemu-") and not missing(name) for name in names or MACHINES)


if __name__ == "__main__":
    sys.exit(main())
