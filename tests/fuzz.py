"""Random input for as long as one likes: python -m tests.fuzz --seconds 600, or make fuzz FUZZ_SECONDS=600.

The tests of the suite that hypothesis drives, with new random cases each time, until the time is over: the CSV parsers
against Python's float and csv, the reader of params against DVC's, splits and windows against what must hold of them.
A failure is printed with the case that makes it, and with the seed that brings it back.
"""

import argparse
import secrets
import subprocess
import sys
import time

TESTS = {
    "tests/ingest/test_csv_stream.py": "float_reads or any_text",
    "tests/ingest/test_number_parser.py": "accepted or long_decimal or hair or repr",
    "tests/config/test_yaml_dialect.py": "same_to_both",
    "tests/window": "hypothesis",
}


def main() -> int:
    """Run the tests again and again, each time with another seed; return the status of the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, help="run once, with this seed")
    chosen = parser.parse_args()
    end, rounds = time.monotonic() + chosen.seconds, 0
    while not rounds or (chosen.seed is None and time.monotonic() < end):
        seed = secrets.randbelow(2**32) if chosen.seed is None else chosen.seed
        names = " or ".join(f"({names})" for names in TESTS.values())
        pytest = [sys.executable, "-m", "pytest", "-q", "-x", *TESTS, "-k", names, f"--hypothesis-seed={seed}"]
        done = subprocess.run([*pytest, "--hypothesis-profile=fuzz"], check=False)
        rounds += 1
        if done.returncode:
            print(f"again: python -m tests.fuzz --seed {seed}", file=sys.stderr)
            return done.returncode
    print(f"{rounds} rounds, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
