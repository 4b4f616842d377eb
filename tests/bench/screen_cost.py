"""What the Run screen costs: ms of CPU a frame, and the share of a core, at four snapshots a second.

``python tests/bench/screen_cost.py [--quick]``. The real app runs in a process of its own on a pseudo-terminal of
120 x 36 that is read all the time, and draws snapshots of 12 sizes x 3 modes, each with cold and warm calls, into which
5,000 rows a second went. A frame is everything that the process does from one drawing of the screen to the next:
decoding, drawing, writing to the terminal, and the housekeeping of Textual. Its cost is CPU time, which other processes
of this machine change little. Exit code 1 when a limit is exceeded: 33 ms at the 99th percentile, 15 % of a core.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from support import snapshots
from support.live_screens import Listener, LiveApp

from lambdatune.model.invocation import Start, Status
from lambdatune.session.live.messages import FromEngine, LiveCell, Said, Snapshot
from lambdatune.session.live.tally import Tally
from lambdatune.stats.rows import empty_rows
from lambdatune.tui.screens.run import RunScreen

SIZES = (128, 192, 256, 384, 512, 768, 1024, 1536, 1769, 2048, 3008, 4096)
MODES = ("invoke", "function-url", "event")
ROWS_PER_S, SNAPSHOTS_PER_S = 5_000, 4
SECONDS, QUICK_SECONDS = 60, 20
COLUMNS, LINES = 120, 36
MOST_MS, MOST_SHARE = 33.0, 0.15
_EPOCH_NS = 1_790_000_000_000_000_000
_HISTORY_S = 600
"""Length of the run before the first snapshot that is drawn: a chart of ten minutes."""
_SETTLE = 8
"""Frames at first that are not counted: the screen is opened in them."""

_DECODER: msgspec.msgpack.Decoder[FromEngine] = msgspec.msgpack.Decoder(FromEngine)


def frames(seconds: int) -> list[bytes]:
    """Return encoded snapshots of a run, made by the engine's own tally from rows of seeded numbers."""
    rng = np.random.default_rng(6)
    cells = [(size, mode) for size in SIZES for mode in MODES]
    tally = Tally(_EPOCH_NS)
    for second in range(_HISTORY_S):
        tally.add(rows(rng, cells, 25 * len(cells), float(second), 1.0))
    found, each = [], 1 / SNAPSHOTS_PER_S
    for number in range(seconds * SNAPSHOTS_PER_S):
        at_s = _HISTORY_S + number * each
        tally.add(rows(rng, cells, ROWS_PER_S // SNAPSHOTS_PER_S, at_s, each))
        running = number // (5 * SNAPSHOTS_PER_S) % len(cells)
        found.append(msgspec.msgpack.encode(snapshot(tally, cells, running, at_s)))
    return found


def rows(rng: np.random.Generator, cells: list[tuple[int, str]], count: int, at_s: float, for_s: float):
    """Return rows of all cells that were sent within a time."""
    made = empty_rows(count)
    made["cell"] = rng.integers(0, len(cells), count)
    sizes = np.array([size for size, _ in cells])[made["cell"]]
    cold = rng.random(count) < 0.02
    duration_ms = (6 + 20_000 / np.minimum(sizes, 1_769)) * np.exp(0.14 * rng.standard_normal(count))
    made["duration_ms"], made["billed_ms"] = duration_ms, np.ceil(duration_ms)
    made["start"], made["status"], made["http_status"] = np.where(cold, Start.COLD, Start.WARM), Status.OK, 200
    made["init_ms"] = np.where(cold, 300 * np.exp(0.1 * rng.standard_normal(count)), np.nan)
    intended = _EPOCH_NS + ((at_s + for_s * np.sort(rng.random(count))) * 1e9).astype(np.int64)
    made["intended_ns"], made["sent_ns"] = intended, intended + 20_000
    made["done_ns"] = intended + (duration_ms * 1e6).astype(np.int64)
    made["first_byte_ns"] = made["done_ns"]
    return made


def snapshot(tally: Tally, cells: list[tuple[int, str]], running: int, at_s: float) -> Snapshot:
    """Return the run as it is now."""
    return msgspec.structs.replace(
        snapshots.RUNNING, elapsed_s=at_s, calls=tally.calls, calls_expected=2 * tally.calls, running=running,
        calls_per_s=tally.calls_per_s(_EPOCH_NS + int(at_s * 1e9)), cold_starts=tally.cold_starts, max_minutes=60.0,
        max_invocations=10_000_000, over_time=tally.over_time(running, "duration"), leading=12,
        cells=tuple(
            LiveCell("orders-api", size, "arm64", mode, "running" if index == running else "measured", "unproven",
                     tally.warm(index).count + tally.cold(index).count, tally.warm(index), tally.cold(index),
                     tally.init_p50_ms(index), 0, 0, 0.5 + size / 10_000, 0.87)
            for index, (size, mode) in enumerate(cells)
        ),
    )  # fmt: skip


class MeasuredScreen(RunScreen):
    """The screen, which keeps what CPU time it was whenever it was drawn."""

    def __init__(self) -> None:
        super().__init__(Listener())
        self.drawn_at_s: list[float] = []

    def _draw(self) -> None:
        self.drawn_at_s.append(time.process_time())
        super()._draw()


class MeasuredApp(LiveApp):
    """The app, to which a timer gives the snapshots in place of an engine's pipe."""

    def __init__(self, encoded: list[bytes], report: Path) -> None:
        self.measured = MeasuredScreen()
        super().__init__()
        self._encoded = encoded
        self._report = report

    def on_ready(self) -> None:
        """Begin."""
        self.push_screen(self.measured)
        self.run_worker(self._feed())

    async def _feed(self) -> None:
        due = time.monotonic()
        for number, data in enumerate(self._encoded):
            if number == _SETTLE:
                self.measured.drawn_at_s.clear()
                began_s, cpu_began_s = time.monotonic(), time.process_time()
            decoded = _DECODER.decode(data)
            assert isinstance(decoded, Snapshot)
            self.measured.show(decoded)
            if number % SNAPSHOTS_PER_S == 0:
                self.measured.said(Said(decoded.elapsed_s, f"something happened at {decoded.elapsed_s:.0f} s"))
            due += 1 / SNAPSHOTS_PER_S
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
        share = (time.process_time() - cpu_began_s) / (time.monotonic() - began_s)
        report = {"costs_ms": (1000 * np.diff(self.measured.drawn_at_s)).tolist(), "share": share}
        self._report.write_text(json.dumps(report), encoding="utf-8")
        self.exit()


def draw(encoded: Path, report: Path) -> None:
    """Be the process that is measured."""
    data = msgspec.msgpack.decode(encoded.read_bytes(), type=list[bytes])
    gc.collect()
    app = MeasuredApp(data, report)
    app.run()
    sys.exit(app.return_code)


def measure(seconds: int) -> dict[str, object]:
    """Run the app on a pseudo-terminal; return its report."""
    with tempfile.TemporaryDirectory() as scratch:
        encoded, report = Path(scratch) / "snapshots", Path(scratch) / "report.json"
        encoded.write_bytes(msgspec.msgpack.encode(frames(seconds)))
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        process = subprocess.Popen(
            [sys.executable, __file__, "--draw", str(encoded), str(report)],
            stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=scratch, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        shown: list[int] = []
        reader = threading.Thread(target=_read_all, args=(ours, shown), daemon=True)
        reader.start()
        try:
            code = process.wait(timeout=seconds + 60)
        finally:
            process.kill()
            process.wait()
        reader.join(timeout=5)
        if code != 0 or not report.exists():
            raise SystemExit(f"the app ended with exit code {code} and without a report")
        return {**json.loads(report.read_text(encoding="utf-8")), "bytes": sum(shown)}


def _read_all(terminal: int, shown: list[int]) -> None:
    try:
        while data := os.read(terminal, 1 << 16):
            shown.append(len(data))
    except OSError:
        return  # The other end is closed.


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SECONDS} s in place of {SECONDS} s")
    parser.add_argument("--draw", nargs=2, metavar=("SNAPSHOTS", "REPORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.draw:
        draw(*map(Path, arguments.draw))
        return 0
    seconds = QUICK_SECONDS if arguments.quick else SECONDS
    report = measure(seconds)
    costs_ms = np.array(report["costs_ms"])
    p50, p99 = np.percentile(costs_ms, (50, 99), method="inverted_cdf")
    share, bytes_a_frame = float(report["share"]), report["bytes"] / len(costs_ms)
    print(
        f"Run screen, {COLUMNS}x{LINES}: {len(SIZES)} sizes x {len(MODES)} modes, cold and warm, {ROWS_PER_S} rows/s,"
    )
    print(f"{SNAPSHOTS_PER_S} snapshots/s for {seconds} s, {len(costs_ms)} frames")
    print(f"CPU of a frame     p50 {p50:5.1f} ms   p99 {p99:5.1f} ms   limit {MOST_MS:.0f} ms at p99")
    print(f"share of a core    {share:.1%}   limit {MOST_SHARE:.0%}")
    print(f"to the terminal    {bytes_a_frame / 1000:.1f} kB a frame")
    return 0 if p99 < MOST_MS and share < MOST_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
