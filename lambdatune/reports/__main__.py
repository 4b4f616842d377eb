"""``python -m lambdatune.reports``: print the JSON Schema of run.json, made from the result's types."""

from __future__ import annotations

import sys

from lambdatune.reports.schema import make_schema

if __name__ == "__main__":
    sys.stdout.write(make_schema())
