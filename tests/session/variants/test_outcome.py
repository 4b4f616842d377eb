"""The exit code of a comparison."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdatune.model.compared import BestOverall, ComparedRun, Comparison
from lambdatune.model.errors import ExitCode
from lambdatune.model.result import CellResult, Cold, Cost, FunctionInfo, Warm
from lambdatune.session.variants.outcome import exit_code


def run_of(status: str, calls: int = 30) -> ComparedRun:
    cell = CellResult.__new__(CellResult)
    object.__setattr__(cell, "warm", Warm.__new__(Warm))
    return ComparedRun("a", "id", "now", FunctionInfo("a", "", "", "", 128), status, 512, (cell,))
