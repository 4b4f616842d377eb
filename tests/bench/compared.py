"""How often a comparison in one run tells the truth: the same function twice, and one that is 25 % slower.

    python tests/bench/compared.py [--runs 20] [--seed 1]

Each is a whole `lambdatune run` of two functions on the embedded endpoint, by itself. What is printed are counts of
verdicts; nothing here is an assert. The functions are CPU-bound, so that a busy host disturbs both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_HANDLER = """
import time

def handler(event, context):
    end = time.process_time() + {seconds}
    while time.process_time() < end:
        pass
"""
_KINDS = {"the same twice": (0.008, 0.008), "25 % slower": (0.008, 0.010)}


def main() -> None:
    """Make the runs and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for kind, seconds in _KINDS.items():
            words: dict[str, int] = {}
            for number in range(asked.runs):
                word = verdict(Path(scratch) / f"{kind} {number}", seconds, asked.seed + number)
                words[word] = words.get(word, 0) + 1
                print(f"{kind}, run {number + 1}: {word}", file=sys.stderr, flush=True)
            print(f"{kind}: {', '.join(f'{count} x {word}' for word, count in sorted(words.items()))}", flush=True)


def verdict(directory: Path, seconds: tuple[float, float], seed: int) -> str:
    """Return the words of one comparison, on time and on cost."""
    options = []
    for name, each in zip(("one", "other"), seconds, strict=True):
        (directory / name).mkdir(parents=True)
        (directory / name / "app.py").write_text(_HANDLER.format(seconds=each), encoding="utf-8")
        options += ["--function", str(directory / name)]
    done = subprocess.run(
        [
            sys.executable, "-c", "from lambdatune.cli.main import main; main()", "run", *options,
            "--runtime", "python3.12", "--handler", "app.handler", "--memory", "1769", "--target", "p95<=200ms",
            "--cold-starts", "2", "--seed", str(seed), "--quiet", "--json", "-", "--output", str(directory / "runs"),
        ],
        capture_output=True, text=True, check=False, env={**os.environ, "LAMBDATUNE_DATA": str(directory / "data")},
    )  # fmt: skip
    if done.returncode not in (0, 6):
        raise SystemExit(done.stderr)
    (pair,) = json.loads(done.stdout)["pairs"]
    time = pair["time"]
    told = f"{time['ratio']:.3f} ({time['low']} to {time['high']})"
    print(f"  ratio {told}, exit {done.returncode}", file=sys.stderr)
    return f"{time['word']} / {pair['cost']['word']}"


if __name__ == "__main__":
    main()
