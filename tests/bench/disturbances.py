"""Windows with planted disturbances: which ones are ruled invalid, and which ones should have been."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from own import CREDENTIALS
from servers import pin

from lambdatune.load.driver import LoadDriver

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.disturbances import CALLS, KINDS, QUIET, Window, window
from support.stub import StubProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers import Cores

_MOVED = 0.05
"""By more than this share a percentile is off; not the program's own constant, which is judged here."""
_SHOWN = 12


async def measure(cores: Cores, count: int, say: Callable[[str], None]) -> None:
    """Make the windows and print how they were ruled."""
    randomness = random.Random(count)
    found: list[Window] = []
    with StubProcess() as stub:
        pin(stub.process.pid, cores.server)
        async with LoadDriver.start(stub.endpoint, CREDENTIALS) as driver:
            pin(driver._shards[0].pid, cores.load)
            for number in range(count):
                found.append(await window(driver, stub, randomness.choice(KINDS), randomness))
                if number % 100 == 99:
                    sys.stderr.write(f"{number + 1} of {count} windows, load average {os.getloadavg()[0]:.1f}\n")
    _tell(found, say)


def _tell(found: list[Window], say: Callable[[str], None]) -> None:
    say(f"Disturbances: {len(found):,} windows of {CALLS} calls; did the p99 of the response time move from the truth")
    say(f"in the server's record by more than {_MOVED:.0%}, and was the window ruled invalid?")
    say(f"  {'planted':16}{'windows':>9}{'moved':>9}{'ruled invalid':>15}{'not moved':>12}{'ruled invalid':>15}")
    for kind in KINDS:
        counts = Counter((each.share > _MOVED, each.flagged) for each in found if each.kind == kind)
        moved, still = (counts[has, True] + counts[has, False] for has in (True, False))
        say(f"  {kind:16}{moved + still:9,}{moved:9,}{counts[True, True]:15,}{still:12,}{counts[False, True]:15,}")
    moved_windows = [each for each in found if each.share > _MOVED]
    quiet_windows = [each for each in found if each.share <= _MOVED and each.kind in QUIET]
    _rate("of the windows that moved", moved_windows, say)
    _rate("of the quiet ones (nothing planted in the generator, not moved)", quiet_windows, say)
    wrong = [each for each in moved_windows if not each.flagged] + [each for each in quiet_windows if each.flagged]
    for each in wrong[:_SHOWN]:
        say(f"    {'ruled invalid' if each.flagged else 'not ruled invalid'}: {each.kind}, {each.load}, "
            f"p99 {each.reported_ms:.2f} ms reported, {each.true_ms:.2f} ms true")  # fmt: skip


def _rate(name: str, windows: list[Window], say: Callable[[str], None]) -> None:
    flagged = sum(each.flagged for each in windows)
    share = f"{flagged / len(windows):.1%}" if windows else "-"
    say(f"  {name}, {flagged:,} of {len(windows):,} are ruled invalid: {share}")
