"""Does the measurement feel the screens? ``python tests/bench/screens_felt.py [--rounds N]``.

The same plan, 20 calls in flight against a server that answers after 50 ms, is run headless and in the screens
(in a terminal of 120x36, drawn as for a person), in turns. What is compared is the p99 of the response time of all
calls of a kind, in one run, on loopback. About 25 seconds a round.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.terminal import PROGRAM, Terminal

SUPPORT = Path(__file__).parents[1] / "support"
MOST_DIFFERENCE = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    rounds = parser.parse_args().rounds
    with (
        tempfile.TemporaryDirectory() as place,
        subprocess.Popen(
            [sys.executable, SUPPORT / "fixed_lambda.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server,
    ):
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        here = Path(place)
        profile = here / "plan.toml"
        profile.write_text(
            f'function = "fixed"\nendpoint-url = "{url}"\nisolation = "current"\nconcurrency = 20\n'
            'target = ["response.p99.9<=100ms"]\nmax-invocations = 4000\nregion = "us-east-1"\n'
        )
        times = {"headless": [], "screens": []}
        for number in range(rounds):
            for kind in ("headless", "screens") if number % 2 == 0 else ("screens", "headless"):
                output = here / f"{kind}-{number}"
                (headless if kind == "headless" else in_screens)(profile, output, here)
                times[kind] += responses_ms(output)
                print(f"round {number + 1}: {kind} done, {len(times[kind])} calls", flush=True)
    figures = {kind: [percentile(values, share) for share in (0.5, 0.9, 0.99)] for kind, values in times.items()}
    for kind, (p50, p90, p99) in figures.items():
        print(f"{kind:9} {len(times[kind])} calls   p50 {p50:.3f} ms   p90 {p90:.3f} ms   p99 {p99:.3f} ms")
    ratio = figures["screens"][2] / figures["headless"][2]
    print(f"p99 in the screens / headless: {ratio:.4f} (wanted: within {MOST_DIFFERENCE:.0%})")
    return 0 if abs(ratio - 1) < MOST_DIFFERENCE else 1


def headless(profile: Path, output: Path, here: Path) -> None:
    environment = {**os.environ, "LAMBDATUNE_DATA": str(here / "data")}
    subprocess.run(
        [PROGRAM, "run", profile, "--output", output, "--yes", "--quiet"],
        env=environment, stdout=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def in_screens(profile: Path, output: Path, here: Path) -> None:
    where = output.with_suffix(".terminal")
    where.mkdir()
    environment = {"LAMBDATUNE_DATA": str(here / "data"), "COLORTERM": "truecolor"}
    with Terminal(where, width=120, height=36, environment=environment) as terminal:
        terminal.start("tui", str(profile), "--output", str(output))
        terminal.wait_for("The calls are real")
        terminal.press("C-r")
        terminal.wait_for("Start this run?")
        terminal.press("y")
        terminal.wait_for("What if")
        terminal.press("q")
        terminal.wait_for_code()


def responses_ms(output: Path) -> list[float]:
    (run,) = output.iterdir()
    lines = (run / "invocations.csv").read_text().splitlines()
    names = lines[0].split(",")
    intended, done = names.index("intended_ns"), names.index("done_ns")
    rows = [line.split(",") for line in lines[1:]]
    found = [(int(row[done]) - int(row[intended])) / 1e6 for row in rows]
    expected = json.loads((run / "run.json").read_text())["spend"]["invocations"]
    assert len(found) == expected, f"{len(found)} rows of {expected} calls"
    return found


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[max(-(-int(share * 1e9) * len(values) // 10**9), 1) - 1]


if __name__ == "__main__":
    sys.exit(main())
