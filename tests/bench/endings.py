"""End runs at random moments, many times: ``python tests/bench/endings.py [ROUNDS] [SEED]`` (default 200, 0).

Each round is a run of two shards on an embedded endpoint that is ended by SIGKILL of a shard, SIGKILL of the parent,
Ctrl-C or Ctrl-C twice. No process may be left, at most one second of rows may be lost, and the run directory has to
be readable. Exits with 1 when anything of that did not hold.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.endings import NOTEBOOK, Ending, end_a_run
from support.program import make_function


def main(rounds: int, seed: int) -> int:
    # A shell ignores Ctrl-C for what it starts in the background, and so would every run that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    randomness = random.Random(seed)
    server = subprocess.Popen(
        [sys.executable, "-m", "lambdatune.local", "--port", "0", "--exit-with-stdin"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    endings: list[Ending] = []
    with server, tempfile.TemporaryDirectory() as directory:
        url: str = json.loads(server.stdout.readline())["endpoint_url"]
        make_function(url, "notebook", NOTEBOOK)
        for number in range(rounds):
            ending = end_a_run(url, "notebook", Path(directory) / str(number), randomness)
            endings.append(ending)
            told = "; ".join(ending.problems) or "well"
            print(f"{number:4} {ending.how:15} after {ending.after_s:.2f} s, {ending.rows:4} rows, "
                  f"{ending.lost_s:.3f} s lost: {told}", flush=True)  # fmt: skip
        with urllib.request.urlopen(f"{url}/_lambdatune/host") as answer:
            alive = json.load(answer)["environments_alive"]
        server.stdin.close()
    bad = [ending for ending in endings if ending.problems]
    print(f"{rounds} rounds, {dict(Counter(ending.how for ending in endings))}: {len(bad)} with problems; "
          f"{max(ending.lost_s for ending in endings):.3f} s of rows lost at most; "
          f"{alive} environments at the end")  # fmt: skip
    return bool(bad)


if __name__ == "__main__":
    arguments = [int(text) for text in sys.argv[1:]]
    sys.exit(main(*(arguments + [200, 0][len(arguments) :])))
