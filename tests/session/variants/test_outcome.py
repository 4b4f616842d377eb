"""The exit code of a comparison: what was not validly measured, or gave no result at all, never passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.recorded_runs import INVALID, MET, MISSED, UNPROVEN, make_run

from lambdatune.model.errors import ExitCode
from lambdatune.session.comparing import Reference, compare
from lambdatune.session.replay import RecordedRun
from lambdatune.session.variants.outcome import exit_code

SIZES = (512, 768)
SAME = replace(MET, id="20261124-161500-d0e1", sizes=SIZES, seed=9)
NO_TARGET = replace(MET, targets=(), sizes=SIZES)


def compared(tmp_path, *recipes):
    runs = [RecordedRun(make_run(tmp_path, recipe)) for recipe in recipes]
    names = [f"v{number}" for number in range(len(runs))]
    return compare([Reference(name, run) for name, run in zip(names, runs, strict=True)], variants=names)


@pytest.mark.parametrize(
    ("recipes", "code"),
    [
        ((replace(MET, sizes=SIZES), SAME), ExitCode.OK),
        ((replace(MISSED, sizes=SIZES), SAME), ExitCode.TARGET_MISSED),
        ((replace(UNPROVEN, sizes=SIZES), SAME), ExitCode.UNPROVEN),
        ((replace(MET, sizes=SIZES), replace(INVALID, sizes=SIZES)), ExitCode.INVALID),
        ((NO_TARGET, replace(NO_TARGET, id=SAME.id, seed=9)), ExitCode.OK),
        ((NO_TARGET, replace(NO_TARGET, id=SAME.id, failing=SIZES)), ExitCode.INVALID),
        ((replace(MET, sizes=SIZES), replace(SAME, failing=SIZES)), ExitCode.INVALID),
    ],
)
def test_what_became_of_the_variants_is_the_exit_code(tmp_path, recipes, code) -> None:
    assert exit_code(compared(tmp_path, *recipes)) == code


def test_a_report_that_could_not_be_written_does_not_hide_another_end(tmp_path) -> None:
    fine = compared(tmp_path / "fine", replace(MET, sizes=SIZES), SAME)
    assert exit_code(fine, all_written=False) == ExitCode.INTERNAL
    missed = compared(tmp_path / "missed", replace(MISSED, sizes=SIZES), SAME)
    assert exit_code(missed, all_written=False) == ExitCode.TARGET_MISSED
