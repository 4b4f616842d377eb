"""What two runs are said to differ in, and which must not be compared."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.recorded_runs import FASTER, INVALID, MET, Recipe, make_run

from lambdatune.model.errors import UsageError
from lambdatune.recommend.compare import cautions, differences, require_comparable
from lambdatune.session.replay import open_run


def words(cell, base, **rest) -> dict[str, str]:
    found = differences(cell, base, **{"population": "warm", "clock": "duration", **rest})
    return {difference.measure: difference.word for difference in found}


def cell_of(result, memory_mb=512):
    return next(cell for cell in result.cells if cell.memory_mb == memory_mb)


def test_a_version_that_is_faster_and_cheaper_is_called_so_and_the_other_way_round(run_of) -> None:
    old, new = (open_run(run_of(recipe)) for recipe in (MET, FASTER))
    said = words(cell_of(new), cell_of(old))
    assert (said["p50"], said["p95"], said["cost"]) == ("faster", "faster", "cheaper")
    assert words(cell_of(old), cell_of(new))["p50"] == "slower"
    assert words(cell_of(old), cell_of(new))["cost"] == "dearer"
    p50 = differences(cell_of(new), cell_of(old), population="warm", clock="duration")[0]
    assert p50.ratio is not None
    assert p50.ratio.low < 0.7 < p50.ratio.high


def test_two_runs_of_the_same_show_no_difference(run_of) -> None:
    one, other = (open_run(run_of(replace(MET, id=f"20261123-15120{n}-a1b2", seed=n))) for n in (1, 2))
    assert set(words(cell_of(other), cell_of(one)).values()) == {"no difference shown"}


def test_a_percentile_that_few_calls_do_not_bound_is_not_called_different(run_of) -> None:
    old, new = (open_run(run_of(replace(recipe, warm_calls=20))) for recipe in (MET, FASTER))
    assert words(cell_of(new, 1024), cell_of(old, 1024))["p99"] == "no difference shown"
    assert words(cell_of(new, 1024), cell_of(old, 1024), population="cold")["p99"] == "no difference shown"


def test_a_cell_without_calls_is_not_known(run_of) -> None:
    result = open_run(run_of(replace(MET, failing=(128,))))
    assert set(words(cell_of(result, 128), cell_of(result)).values()) == {"not known"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"region": "us-east-1"}, "the region of the first is eu-central-1, of the second us-east-1"),
        ({"payload_bytes": 9}, "the payloads of the first is 120 bytes x 1, of the second 9 bytes x 1"),
        ({"embedded": True}, "the endpoint of the first is AWS, of the second this machine"),
    ],
)
def test_runs_of_another_place_or_payload_are_refused_with_what_differs(run_of, change, message) -> None:
    one = open_run(run_of(MET))
    other = open_run(run_of(replace(FASTER, **change)))
    with pytest.raises(UsageError) as refused:
        require_comparable(other, one)
    assert message in refused.value.message


def test_architectures_are_compared_on_aws_with_a_word_of_caution_and_refused_on_this_machine(run_of) -> None:
    one, other = (open_run(run_of(each)) for each in (MET, replace(FASTER, architecture="x86_64")))
    require_comparable(other, one)
    assert "architectures differ: arm64 and x86_64" in cautions(other, one)
    here = [replace(each, id=f"{each.id}0", embedded=True) for each in (MET, replace(FASTER, architecture="x86_64"))]
    one, other = (open_run(run_of(each)) for each in here)
    with pytest.raises(UsageError, match="this machine's processor"):
        require_comparable(other, one)


def test_cautions_tell_apart_one_run_and_two_and_name_an_invalid_one(run_of) -> None:
    one, other = (open_run(run_of(recipe)) for recipe in (MET, INVALID))
    assert any("drift hits both alike" in caution for caution in cautions(one, one))
    said = cautions(other, one)
    assert any("different times" in caution for caution in said)
    assert any(f"run {other.id} is invalid: " in caution for caution in said)


def test_a_recipe_makes_the_same_rows_again(tmp_path) -> None:
    one, other = (make_run(tmp_path / name, Recipe()) for name in "ab")
    assert one.rows_path.read_bytes() == other.rows_path.read_bytes()
