"""Going on with a run that ended early: what is refused, what is kept, and that its files read as those of one run."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from support.recorded_runs import INVALID, KILLED, MET, UNPROVEN, make_run

from lambdatune.model.errors import UsageError
from lambdatune.model.plan import Limits, Payload
from lambdatune.session.continuing import Continuation
from lambdatune.session.fingerprint import differences_between, fingerprint_of
from lambdatune.session.generator import GeneratorRecord, joined
from lambdatune.session.holding import hold
from lambdatune.session.recorder import Recorder
from lambdatune.session.row_file import read_rows
from lambdatune.stats.histogram import HIGHEST_US
from lambdatune.stats.hlog import read_hlog

SENT = (Payload(b"x" * 120),)


def record_of(run) -> dict:
    return json.loads((run.path / "run.json").read_text())


def rewrite(run, change) -> None:
    record = record_of(run)
    change(record)
    (run.path / "run.json").write_text(json.dumps(record))


@pytest.mark.parametrize("recipe", [KILLED, UNPROVEN])
def test_a_run_that_ended_early_goes_on_with_what_it_measured(recipe, tmp_path) -> None:
    run = make_run(tmp_path, recipe)
    going_on = Continuation.of(run, payloads=SENT)
    evidence = going_on.evidence()
    assert (
        sum(cell.calls for cell in evidence)
        == len(going_on.rows)
        == len(recipe.sizes) * (recipe.warm_calls + recipe.cold_starts) + len(recipe.chosen) * 4 * recipe.warm_calls
    )
    assert going_on.orders == 2 * len(recipe.sizes)
    assert going_on.plan == replace(going_on.recorded.plan, payloads=SENT)
    (entry,) = going_on.facts().environment["continued"]
    assert entry["calls"] == len(going_on.rows)
    assert entry["ended"] == ("been killed" if recipe is KILLED else "ended by a limit")


def test_its_certificates_are_those_that_the_run_had(tmp_path) -> None:
    run = make_run(tmp_path, UNPROVEN)
    evidence = Continuation.of(run, payloads=SENT).evidence()
    recorded = {cell.memory_mb: cell.certificates for cell in run.read().cells}
    assert {cell.cell.memory_mb: cell.certificates() for cell in evidence} == recorded


@pytest.mark.parametrize(
    ("recipe", "said"),
    [(MET, "is complete, so that there is nothing to go on with: Use 512 MB"),
     (INVALID, "is invalid, and more calls would not mend that")],
)  # fmt: skip
def test_a_run_that_has_ended_is_refused(recipe, said, run_of) -> None:
    with pytest.raises(UsageError, match=said):
        Continuation.of(run_of(recipe), payloads=SENT)


def test_a_run_that_is_still_made_is_refused(run_of) -> None:
    run = run_of(KILLED)
    with hold(run), pytest.raises(UsageError, match="is still going"):
        Continuation.of(run, payloads=SENT)


def test_a_run_of_another_machine_may_still_go_on_there(tmp_path) -> None:
    run = make_run(tmp_path, replace(KILLED, id="20991124-131500-a7b8"))
    run.journal.begin("elsewhere:1:2")
    with pytest.raises(UsageError, match="on elsewhere may still be going"):
        Continuation.of(run, payloads=SENT)
    ended = make_run(tmp_path, replace(UNPROVEN, id="20991124-141500-a7b8"))
    ended.journal.begin("elsewhere:1:2")
    Continuation.of(ended, payloads=SENT)


@pytest.mark.parametrize(
    ("payloads", "said"),
    [((), "cannot send its payloads again, since it did not record them: 120 bytes"),
     ((Payload(b"x" * 119),), "the payloads given are not those of run"),
     ((Payload(b"x" * 120, 2.0),), "the payloads given are not those of run"),
     ((*SENT, *SENT), "the payloads given are not those of run")],
)  # fmt: skip
def test_payloads_that_were_not_recorded_have_to_be_given_again(payloads, said, run_of) -> None:
    with pytest.raises(UsageError, match=said):
        Continuation.of(run_of(KILLED), payloads=payloads)


def test_payloads_that_were_recorded_and_the_default_one_are_there(tmp_path) -> None:
    run = make_run(tmp_path, KILLED)
    rewrite(run, lambda record: record["plan"]["payloads"][0].update(body="x" * 120, tokens=True))
    assert Continuation.of(run).plan.payloads == (Payload(b"x" * 120, tokens=True),)
    with pytest.raises(UsageError, match="not those of run"):
        Continuation.of(run, payloads=(Payload(b"y" * 120),))
    rewrite(run, lambda record: record["plan"].update(payloads=[{"bytes": 2, "weight": 1.0, "default": True}]))
    assert Continuation.of(run).plan.payloads == (Payload(b"{}"),)
    rewrite(run, lambda record: record["plan"].update(payloads=[{"bytes": 2, "weight": 1.0}]))
    with pytest.raises(UsageError, match="did not record them: 2 bytes"):
        Continuation.of(run)


def test_payloads_in_s3_are_compared_when_they_were_read(run_of) -> None:
    named = Payload(b"", s3=("events", "order.json"))
    going_on = Continuation.of(run_of(KILLED), payloads=(named,))
    assert going_on.plan.payloads == (named,)
    going_on.check_payloads(replace(going_on.plan, payloads=(replace(named, body=b"x" * 120),)))
    with pytest.raises(UsageError, match="not those of run"):
        going_on.check_payloads(replace(going_on.plan, payloads=(replace(named, body=b"y"),)))


def test_limits_may_be_other_ones(run_of) -> None:
    limits = Limits(max_invocations=7)
    assert Continuation.of(run_of(KILLED), payloads=SENT, limits=limits).plan.limits == limits


def description(**changes):
    configuration = {
        "CodeSha256": "abc", "Handler": "app.handler", "Timeout": 20, "MemorySize": 512,
        "Environment": {"Variables": {"PASSWORD": "hunter2-secret"}}, **changes,
    }  # fmt: skip
    return SimpleNamespace(
        configuration=configuration, runtime="python3.13", architecture="arm64", ephemeral_storage_mb=512,
        variables=configuration["Environment"]["Variables"], arn="arn:aws:lambda:eu-central-1:1:function:shop",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"CodeSha256": "def"}, "the function's code was changed"),
     ({"Timeout": 30}, "its Timeout was 20, and is 30"),
     ({"Layers": [{"Arn": "arn:layer:1"}]}, "its Layers was none, and is arn:layer:1"),
     ({"Environment": {"Variables": {"PASSWORD": "x", "DEBUG": "1"}}},
      "its Variables was PASSWORD, and is DEBUG, PASSWORD"),
     ({"VpcConfig": {"SubnetIds": ["subnet-2", "subnet-1"]}}, "its Subnets was none, and is subnet-1, subnet-2")],
)  # fmt: skip
def test_another_code_or_configuration_is_named(changes, said) -> None:
    recorded = json.loads(json.dumps(fingerprint_of(description())))
    assert differences_between(recorded, fingerprint_of(description(**changes))) == [said]


def test_another_memory_size_is_no_difference_and_no_secret_is_kept() -> None:
    recorded = json.loads(json.dumps(fingerprint_of(description())))
    other = description(MemorySize=1024, Environment={"Variables": {"PASSWORD": "another"}})
    assert differences_between(recorded, fingerprint_of(other)) == []
    assert "hunter2-secret" not in json.dumps(recorded)
    assert differences_between({}, fingerprint_of(other)) == []


def test_a_function_that_changed_or_another_host_refuses_the_run(tmp_path) -> None:
    run = make_run(tmp_path, replace(KILLED, embedded=True))
    rewrite(run, lambda record: record["environment"].update(fingerprint_of(description()), embedded={"cores": 2}))
    rewrite(run, lambda record: record["function"].update(arn=description().arn))
    going_on = Continuation.of(run, payloads=SENT)
    subject = SimpleNamespace(measured=description(), embedded=False, host={"cores": 2})
    going_on.check(subject)
    changed = SimpleNamespace(measured=description(CodeSha256="def"), embedded=False, host={"cores": 4})
    with pytest.raises(UsageError, match="the function's code was changed; the host's cores was 2, and is 4"):
        going_on.check(changed)


@pytest.mark.parametrize("cut", [False, True])
def test_rows_and_histograms_of_both_parts_read_as_those_of_one_run(cut, tmp_path) -> None:
    """A public reader takes the log of the parts for one log, also when the first part was killed in a line."""
    run, whole = make_run(tmp_path / "parts", KILLED), make_run(tmp_path / "whole", KILLED)
    if cut:
        for path in (run.rows_path, run.histogram_path):
            path.write_bytes(path.read_bytes()[:-20])
    going_on = Continuation.of(run, payloads=SENT)
    rows = going_on.rows
    assert len(rows) == len(Continuation.of(whole, payloads=SENT).rows) - cut
    more = rows[rows["order"] == rows["order"].max()].copy()
    more["order"] = going_on.orders + 1
    for name in ("intended_ns", "sent_ns", "first_byte_ns", "done_ns"):
        more[name] += 3_600_000_000_000
    with Recorder(run, going_on.evidence(), recorded=rows) as recorder:
        recorder.record(more, cold=False)
        assert recorder.calls == len(more)
    text = run.rows_path.read_text()
    assert text.count("cell,memory_mb") == 1
    cells = [cell.cell for cell in going_on.evidence()]
    # As bytes: what is not known is NaN, which equals nothing.
    assert read_rows(run.rows_path, cells).tobytes() == np.concatenate([rows, more]).tobytes()
    assert run.histogram_path.read_text().count("BaseTime") == 1
    with run.histogram_path.open() as file:
        ours = sum(interval.histogram.count for interval in read_hlog(file) if "duration" in interval.tag)
    assert ours == len(rows) + len(more)
    reader = HistogramLogReader(str(run.histogram_path), HdrHistogram(1, HIGHEST_US, 3))
    theirs = 0
    while (histogram := reader.get_next_interval_histogram()) is not None:
        theirs += histogram.get_total_count() if "duration" in histogram.get_tag() else 0
    reader.close()
    assert theirs == ours
    assert [path.name for path in run.path.glob("*.part")] == []


def test_what_was_seen_of_the_generator_in_both_parts_is_added_up() -> None:
    before = GeneratorRecord(clock="kernel", loop_lag_ms_p99=2.0, calls_waited=3, connections={(1, 0): 5})
    now = GeneratorRecord(clock="user", loop_lag_ms_p99=1.0, send_slip_ms_p99=0.5, calls_waited=4, given_up=1)
    both = joined(before, now)
    assert (both.clock, both.loop_lag_ms_p99, both.send_slip_ms_p99) == ("mixed", 2.0, 0.5)
    assert (both.calls_waited, both.given_up, both.connections) == (7, 1, {(1, 0): 5})
    assert joined(before, GeneratorRecord()) == before
