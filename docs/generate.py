"""Fill the output blocks of the documentation with what the commands really print.

A block is ``<!-- $ COMMAND -->``, a fenced text and ``<!-- end -->``. Without arguments only ``--help`` blocks are
made anew (they answer at once and are checked by the tests); with ``--all`` the runs are made too.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"<!-- \$ (?P<command>[^\n]+?) -->\n```text\n.*?```\n<!-- end -->", re.DOTALL)
_BIN = Path(sys.executable).parent


def filled(text: str, *, everything: bool) -> str:
    """Return `text` with its blocks made anew."""

    def block(match: re.Match[str]) -> str:
        command = match["command"]
        if not (everything or command.endswith("--help")):
            return match[0]
        return f"<!-- $ {command} -->\n```text\n{_output(command)}```\n<!-- end -->"

    return _BLOCK.sub(block, text)


def _output(command: str) -> str:
    program, *arguments = shlex.split(command)
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "80", "TERM": "dumb"}
    done = subprocess.run(
        [str(_BIN / program), *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    return done.stdout.rstrip() + "\n"


def main() -> None:
    """Make the pages anew in place."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = filled(text, everything="--all" in sys.argv[1:])
        if new != text:
            page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
