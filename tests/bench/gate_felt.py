"""How often the gate is red when nothing changed, and when a quarter was planted: whole runs on the embedded endpoint.

``python tests/bench/gate_felt.py [--runs 20] [--slowness 1.25] [--to FILE]`` makes a baseline for every five runs, then
runs of the same code and runs of code that takes a quarter longer, each by ``lambdatune run --baseline``, and prints
how many ended with which exit code. It also counts the verdicts of ``lambdatune compare`` on the same runs. Not a test:
forty runs take about ten minutes, and what else the host does is in their times.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

_CODE = """import time

def handler(event, context):
    end = time.process_time() + {busy_s}
    while time.process_time() < end:
        pass
    time.sleep({wait_s})
"""
_BUSY_S, _WAIT_S = 0.002, 0.030
_PER_BASELINE = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--slowness", type=float, default=1.25)
    parser.add_argument("--to", type=Path, help="write every outcome there as JSON")
    asked = parser.parse_args()
    outcomes: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        for kind, slowness in (("same", 1.0), ("planted", asked.slowness)):
            for number in range(asked.runs):
                if number % _PER_BASELINE == 0:
                    baseline = bench.run(1.0)[0]
                run, code, again = bench.run(slowness, baseline)
                outcomes.append({
                    "kind": kind, "code": code, "measured_again": again, "verdict": bench.verdict(baseline, run),
                    "gate": bench.sentence(run),
                })  # fmt: skip
                print(f"{kind} {number + 1}: exit {code}, verdict {outcomes[-1]['verdict']}", flush=True)
    for kind in ("same", "planted"):
        mine = [each for each in outcomes if each["kind"] == kind]
        codes, words = (dict(Counter(each[name] for each in mine)) for name in ("code", "verdict"))
        again = sum(bool(each["measured_again"]) for each in mine)
        print(f"{kind}: exit codes {codes}, measured again {again}, verdicts on time {words}")
    if asked.to is not None:
        asked.to.write_text(json.dumps(outcomes, indent=1), encoding="utf-8")
    return 0


class Bench:
    """Makes runs below a directory of its own."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._environment = {**os.environ, "LAMBDATUNE_DATA": str(scratch / "data"), "NO_COLOR": "1"}

    def run(self, slowness: float, baseline: str | None = None) -> tuple[str, int, bool]:
        """Make a run; return its id, exit code, and whether a red was measured again."""
        code = self._scratch / f"code-{slowness:g}" / "work"
        code.mkdir(parents=True, exist_ok=True)
        text = _CODE.format(busy_s=_BUSY_S * slowness, wait_s=_WAIT_S * slowness)
        (code / "app.py").write_text(text, encoding="utf-8")
        began = time.time()
        arguments = [
            "run", "--function", str(code), "--runtime", "python3.12", "--handler", "app.handler", "--memory", "1769",
            "--cold-starts", "4", "--target", "p95<=1s", "--quiet", "--json", "-",
            "--gate-calls", "200",
        ]  # fmt: skip
        arguments += [] if baseline is None else ["--baseline", baseline]
        done = self._lambdatune(arguments)
        if not done.stdout.startswith("{"):
            raise SystemExit(f"no result: {done.stderr}")
        result = json.loads(done.stdout)
        gate = result.get("gate") or {}
        busy = result["validity"]["host_cpu_percent"]
        print(
            f"  {time.time() - began:.1f} s, {result['spend']['invocations']} calls, host {busy:.0f} % busy", flush=True
        )
        return result["id"], done.returncode, bool(gate.get("measured_again"))

    def verdict(self, baseline: str, run: str) -> str:
        """Return the word on time of the two runs."""
        told = json.loads(self._lambdatune(["compare", baseline, run, "--json", "-"]).stdout)
        return str(told["pairs"][0]["time"]["word"])

    def sentence(self, run: str) -> str:
        """Return what the gate said."""
        told = json.loads(self._lambdatune(["show", run, "--format", "json"]).stdout)
        return str((told.get("gate") or {}).get("sentence"))

    def _lambdatune(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-c", "from lambdatune.cli.main import main; main()", *arguments]
        return subprocess.run(program, env=self._environment, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
