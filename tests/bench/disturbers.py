"""What disturbs a load generator on its own core: ``disturbers.py hog`` or ``disturbers.py screen``; until killed."""

from __future__ import annotations

import io
import os
import random
import sys
import time

from rich.console import Console
from rich.panel import Panel
from rich.table import Table


def hog() -> None:
    """Take all of the core."""
    while True:
        pass


def screen() -> None:
    """Draw a screen of tables 10 times a second at idle priority, as the TUI process does."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    console = Console(file=io.StringIO(), force_terminal=True, width=160, height=48, color_system="truecolor")
    while True:
        began = time.monotonic()
        table = Table(*(f"p{number}" for number in range(8)), expand=True)
        for _ in range(30):
            table.add_row(*(f"[green]{random.random() * 100:.2f} ms[/]" for _ in range(8)))
        console.print(Panel(table, title="lambdatune"))
        console.file = io.StringIO()
        time.sleep(max(began + 0.1 - time.monotonic(), 0.001))


if __name__ == "__main__":
    {"hog": hog, "screen": screen}[sys.argv[1]]()
