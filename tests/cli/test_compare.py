"""``lambdatune compare``: recorded runs side by side, what is refused, their gate, drift, and the reports."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import xmlschema
from junitparser import JUnitXml
from support.recorded_runs import Recipe, make_run

from lambdatune.cli.main import main

SMALL = Recipe(id="20261120-100000-0001", sizes=(512, 1024), chosen=(512, 1024), cold_starts=16, warm_calls=44, seed=50)
SAME = replace(SMALL, id="20261121-100000-0002", seed=51)
SLOW = replace(SMALL, id="20261122-100000-0003", slowness=1.25, seed=52)
THROTTLED = replace(SMALL, id="20261122-110000-0004", throttled=80, chosen=())
FAILING = replace(SMALL, id="20261122-120000-0005", failing=(512, 1024), chosen=())
OTHER_REGION = replace(SMALL, id="20261122-130000-0006", region="us-east-1", chosen=())
ARM_AND_X86 = replace(SMALL, id="20261122-140000-0007", architecture="x86_64", function="orders-x86")
RECIPES = (SMALL, SAME, SLOW, THROTTLED, FAILING, OTHER_REGION, ARM_AND_X86)
CREEPING = tuple(
    replace(SMALL, id=f"20261010-10000{n}-00a{n}", slowness=1.05**n, warm_calls=30, seed=80 + n, function="creeping")
    for n in range(5)
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("compared")
    for recipe in (*RECIPES, *CREEPING):
        make_run(where, recipe)
    return where


@pytest.fixture
def compare(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["compare", "--output", str(runs), *arguments])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def rewritten(runs: Path, recipe: Recipe, to: Path, change) -> Path:
    """Copy a run with its run.json changed by `change`; return where it is."""
    shutil.copytree(runs / recipe.id, to)
    path = to / "run.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return to


def test_two_runs_are_told_side_by_side_with_a_verdict_and_the_best(compare) -> None:
    code, out, err = compare(SMALL.id, SLOW.id)
    assert (code, err) == (0, "")
    verdicts = [line for line in out.splitlines() if " slower than " in line]
    assert verdicts[-1].startswith("at ")
    assert "dearer (" in verdicts[0]
    last = out.splitlines()[-1]
    assert last.startswith(f"best overall: {SMALL.id} at ")
    assert last.endswith(" MB, the cheapest of those that meet the targets")
    assert "measured at different times" in out


def test_two_of_the_same_show_no_difference(compare) -> None:
    code, out, _ = compare(SMALL.id, SAME.id, "--json", "-")
    told = json.loads(out)
    (pair,) = told["pairs"]
    assert (code, told["schema"]) == (0, "lambdatune.comparison/1")
    assert (pair["time"]["word"], pair["cost"]["word"]) == ("no difference shown", "no difference shown")
    assert [run["id"] for run in told["runs"]] == [SMALL.id, SAME.id]
    assert {effect["measure"] for effect in pair["effects"]} == {"p50", "p95", "p99", "cost"}


def test_three_runs_are_three_pairs(compare) -> None:
    told = json.loads(compare(SMALL.id, SAME.id, SLOW.id, "--json", "-")[1])
    assert [(pair["base"], pair["other"]) for pair in told["pairs"]] == [
        (SMALL.id, SAME.id), (SMALL.id, SLOW.id), (SAME.id, SLOW.id),
    ]  # fmt: skip


def test_two_sizes_of_one_run_are_compared(compare) -> None:
    code, out, _ = compare(f"{SMALL.id}:512", "20261120:1024")
    assert code == 0
    assert "1024 MB is 1.8x as fast as 512 MB at p95" in out or "1024 MB is 1.7x as fast as 512 MB at p95" in out
    assert "both sizes were measured in one run, in turns" in out


def test_architectures_of_two_functions_on_aws_are_compared_with_a_caution(compare) -> None:
    code, out, _ = compare(SMALL.id, ARM_AND_X86.id)
    assert code == 0
    assert "note: architectures differ: arm64 and x86_64" in out
    assert "note: functions differ: orders-api and orders-x86" in out


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (
            (SMALL.id, OTHER_REGION.id),
            "the region of the first is eu-central-1, of the second us-east-1",
            "function alone",
        ),
        ((SMALL.id,), "there is nothing to compare it with", f"{SMALL.id}:512"),
        ((SMALL.id, f"{SAME.id}:500"), f"run {SAME.id} has not measured 500 MB: it has 512, 1024 MB", f"{SAME.id}:512"),
        ((SMALL.id, "20269999"), "run `20269999` was not found", "runs"),
        (
            ("--gate", SMALL.id, SAME.id, SLOW.id),
            "--gate holds one run against one baseline, and 3 runs",
            "--gate BASELINE",
        ),
        (("--inconclusive", "fail", SMALL.id, SAME.id), "--inconclusive belongs to a gate", "add --gate"),
        (("--gate", "--inconclusive", "maybe", SMALL.id, SAME.id), "`maybe` is not a way to end", "pass or fail"),
        (("--gate", "--gate-margin", "much", SMALL.id, SAME.id), "--gate-margin: `much` is not a share", "5%"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_sentence_and_a_hint(compare, arguments, said, hint) -> None:
    code, out, err = compare(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert hint in err.partition("hint: ")[2]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda it: it["plan"]["payloads"][0].update(sha256="0" * 16), "the payload hash of the first is"),
        (lambda it: it["environment"].update(lambdatune="0.0.9"), "the version of lambdatune of the first is 0.1.0"),
        (lambda it: it["plan"].update(mode="function-url"), "the invocation mode of the first is invoke"),
    ],
)
def test_runs_that_were_not_measured_alike_are_refused(compare, runs, tmp_path, changed, said) -> None:
    other = rewritten(runs, SAME, tmp_path / "other", changed)
    code, _, err = compare(SMALL.id, str(other))
    assert code == 2
    assert said in err


def test_a_host_of_another_kind_matters_where_the_function_ran_on_it(compare, runs, tmp_path) -> None:
    def on(cores: int, *, embedded: bool):
        def change(document) -> None:
            document["environment"]["generator"] = {"processor": "x", "cores": cores, "system": "Linux"}
            document["environment"]["embedded"] = {"cpu_limiter": "cgroup-v2"} if embedded else None

        return change

    here = [rewritten(runs, SMALL, tmp_path / f"here{cores}", on(cores, embedded=True)) for cores in (2, 4)]
    code, _, err = compare(*map(str, here))
    assert code == 2
    assert "the cores of the host that sent the load of the first is 2, of the second 4" in err
    there = [rewritten(runs, SMALL, tmp_path / f"there{cores}", on(cores, embedded=False)) for cores in (2, 4)]
    code, out, _ = compare(*map(str, there))
    assert code == 0
    assert "sent from hosts that differ" in out


def test_the_gate_passes_the_same_and_stops_what_is_a_quarter_slower(compare) -> None:
    code, out, _ = compare("--gate", SMALL.id, SAME.id)
    assert code == 0
    assert out.splitlines()[-1].startswith(f"no regression shown against baseline {SMALL.id} (2026-11-20): 8 checks at")
    code, out, _ = compare("--gate", SMALL.id, SLOW.id)
    assert code == 4
    assert out.splitlines()[-1].startswith(f"REGRESSION against baseline {SMALL.id} (2026-11-20): warm.duration.p50 at")
    assert "a recorded run is not measured again" in out
    assert compare("--gate", "--gate-margin", "60%", SMALL.id, SLOW.id)[0] == 0


def test_a_gate_that_cannot_tell_is_loud_and_fails_when_told_to(compare, runs) -> None:
    few = replace(SMALL, id="20261123-100000-0008", warm_calls=6, chosen=(), cold_starts=4)
    if not (runs / few.id).exists():
        make_run(runs, few)
    code, out, _ = compare("--gate", SMALL.id, few.id)
    assert code == 0
    assert "INCONCLUSIVE against baseline" in out
    assert "NOTHING WAS CHECKED" in out
    assert compare("--gate", "--inconclusive", "fail", SMALL.id, few.id)[0] == 5


@pytest.mark.parametrize(
    ("base", "run", "said"),
    [
        (THROTTLED, SMALL, f"run {THROTTLED.id} is no baseline: it is invalid: "),
        (SMALL, THROTTLED, f"run {THROTTLED.id} is invalid: "),
        (FAILING, SMALL, f"run {FAILING.id} is no baseline: no call of it succeeded"),
        (SMALL, FAILING, f"no call of run {FAILING.id} succeeded"),
    ],
)
def test_a_run_that_tells_nothing_never_passes(compare, base, run, said) -> None:
    code, _, err = compare("--gate", base.id, run.id)
    assert code == 6
    assert said in err


def test_a_baseline_without_its_rows_says_what_is_missing(compare, runs, tmp_path) -> None:
    kept = tmp_path / "baseline"
    kept.mkdir()
    shutil.copy(runs / SMALL.id / "run.json", kept)
    code, _, err = compare("--gate", str(kept), SAME.id)
    assert code == 2
    assert "has no rows to compare" in err
    assert "run.json, invocations.csv and environments.csv" in err
    shutil.copy(runs / SMALL.id / "invocations.csv", kept)
    assert compare("--gate", str(kept / "run.json"), SAME.id)[0] == 0


def test_every_report_is_written_and_read_by_an_independent_reader(compare, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    code, out, _ = compare(
        "--gate", SMALL.id, SLOW.id, "--junit", "j.xml", "--markdown", "m.md", "--html", "h.html", "--json", "c.json"
    )
    assert code == 4
    text = (tmp_path / "j.xml").read_text(encoding="utf-8")
    schema = Path(__file__).parents[1] / "reports" / "junit-10.xsd"
    xmlschema.XMLSchema(str(schema)).validate(text)
    (suite,) = JUnitXml.fromstring(text.encode())
    cases = {case.name: case for case in suite}
    assert f"gate against baseline {SMALL.id}" in cases
    (failure,) = cases["gate: warm.duration.p95 at 512 MB"].result
    assert failure.type == "regression"
    for part in ("actual ", "baseline ", "ratio 1.", " to 1.", "margin 5 %"):
        assert part in failure.message
    assert cases["gate: errors at 512 MB"].result == []
    markdown = (tmp_path / "m.md").read_text(encoding="utf-8")
    assert "### Gate: regression" in markdown
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").strip() == markdown.strip()
    page = (tmp_path / "h.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "Gate: regression" in page
    assert json.loads((tmp_path / "c.json").read_text())["gate"]["outcome"] == "regression"
    assert "REGRESSION" in out


def test_without_a_gate_junit_has_a_case_for_each_pair(compare, tmp_path) -> None:
    compare(SMALL.id, SLOW.id, "--junit", "j.xml")
    (suite,) = JUnitXml.fromstring((tmp_path / "j.xml").read_bytes())
    (case,) = suite
    assert case.name == f"{SLOW.id} against {SMALL.id}"
    assert "slower" in case.system_out
    assert suite.failures == 0


def test_a_drift_below_the_margin_of_a_gate_is_pointed_out_and_fails_only_when_asked(compare) -> None:
    last = CREEPING[-1].id
    code, out, _ = compare("--drift", "10", last)
    assert code == 0
    assert "DRIFT: warm.duration.p50 at " in out
    assert f"over 5 runs since {CREEPING[0].id}" in out
    assert compare("--drift", "10", "--fail-on-drift", last)[0] == 4
    assert "no regression shown" in compare("--gate", CREEPING[-2].id, last)[1]
    code, out, _ = compare("--drift", "3", last)
    assert code == 0
    assert "3 comparable runs, and a drift takes 5" in out
