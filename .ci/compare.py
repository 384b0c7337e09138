"""Hold a fresh run's metrics against those in Git; exit status 1 where they differ by more than the tolerance.

Two runs on one machine agree to the last bit. Another kind of CPU rounds differently, and training
amplifies that: it may stop some epochs earlier or later. The baselines have no such excuse.
"""

import json
import sys
from pathlib import Path

TRAINED = 0.025  # mean delta, absolute: over ten runs that differ in their seed the spread is 0.003
FITTED = 1e-6  # baselines and counts, relative
BOUND = 0.10  # mean delta on unseen cycles that the project promises


def main(committed: Path, fresh: Path) -> int:
    """Print each figure that is compared; return the exit status."""
    old, new = json.loads(committed.read_text()), json.loads(fresh.read_text())
    failures = 0
    for part in ("test", "validation", "train"):
        was, now = old[part]["mean_delta"], new[part]["mean_delta"]
        good = abs(was - now) <= TRAINED
        failures += not good
        print(f"{part:<10} mean delta {was:.6f} in Git, {now:.6f} now, tolerance {TRAINED}: {'ok' if good else 'NO'}")
    for name, scores in old["baselines"].items():
        was, now = scores["mean_delta"], new["baselines"][name]["mean_delta"]
        good = abs(was - now) <= FITTED * abs(was)
        failures += not good
        print(f"{name:<10} mean delta {was:.6f} in Git, {now:.6f} now, tolerance {FITTED:g}: {'ok' if good else 'NO'}")
    best = min(scores["mean_delta"] for scores in new["baselines"].values())
    good = new["test"]["mean_delta"] <= BOUND and best >= 0.20 and new["counts"]["test_cycles"] >= 4
    print(f"test mean delta <= {BOUND} and best baseline >= 0.20 on at least 4 cycles: {'ok' if good else 'NO'}")
    return int(failures > 0 or not good or old["counts"] != new["counts"])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
