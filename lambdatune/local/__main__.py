"""``python -m lambdatune.local``: the embedded endpoint as a program."""

from __future__ import annotations

import sys

from lambdatune.local.server import main

if __name__ == "__main__":
    sys.exit(main())
