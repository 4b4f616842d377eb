"""A function tuned end to end: what is printed, what is recorded, and that the two agree."""

from __future__ import annotations

import csv
import itertools
import json
import math
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from lambdatune.reports.json_report import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

from support.program import aws_environment, family, make_function, only_run, result_of, running_endpoint, wait_for_rows

pytestmark = [pytest.mark.slow, pytest.mark.alone]

PATH_OPTIONS = ("--runtime", "python3.12", "--handler", "app.handler")


def nearest_rank(values: list[float], quantile: float) -> float:
    return sorted(values)[math.ceil(quantile * len(values)) - 1]


def rows_of(run: Path) -> list[dict[str, str]]:
    with (run / "invocations.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> Iterator[tuple[dict[str, Any], Path, Any]]:
    """Tune a quick function on an endpoint of the user's own; give result, run directory and endpoint.

    Made once: the tests read what the run left, and call the endpoint's functions no more.
    """
    where = tmp_path_factory.mktemp("tuned")
    with running_endpoint() as local:
        make_function(local.url, "quick", "def handler(event, context):\n    return {'ok': True}\n")
        done = subprocess.run(
            [
                sys.executable, "-c", "from lambdatune.cli.main import main; main()",
                "run", "--endpoint-url", local.url, "--function", "quick", "--memory", "128,512",
                "--target", "p90<=2s", "--cold-starts", "4", "--traffic", "20/s", "--cold-rate", "10%",
                "--output", str(where / "runs"),
            ],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=where,
            env={**os.environ, "LAMBDATUNE_DATA": str(where / "data"), "LAMBDATUNE_CACHE": str(where / "cache")},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "lambdatune show" not in done.stderr
        run = only_run(where / "runs")
        yield result_of(run), run, local


def test_what_is_recorded_is_consistent_from_the_endpoint_to_the_report(tuned) -> None:
    result, run, local = tuned
    jsonschema.validate(result, schema())
    rows = rows_of(run)

    cold = sum(cell["cold"]["count"] for cell in result["cells"])
    assert cold == local.facts()["environments_started"]
    assert cold == sum(row["start"] == "cold" for row in rows)
    assert result["spend"]["invocations"] == len(rows)

    for cell in result["cells"]:
        for start in ("warm", "cold"):
            mine = [row for row in rows if row["memory_mb"] == str(cell["memory_mb"]) and row["start"] == start]
            assert cell[start]["count"] == len(mine)
            for quantity, column in (("duration_ms", "duration_ms"), ("response_ms", "response_ms")):
                values = [float(row[column]) for row in mine]
                for name, quantile in (("p50", 0.5), ("p95", 0.95)):
                    assert cell[start][quantity][name] == pytest.approx(nearest_rank(values, quantile), rel=0.005)


def test_what_the_traffic_costs_on_demand_is_that_of_the_recorded_calls(tuned) -> None:
    result, run, _ = tuned
    advice = result["cold_start_advice"]
    assert advice["memory_mb"] == result["recommendation"]["memory_mb"]
    mine = [row for row in rows_of(run) if row["memory_mb"] == str(advice["memory_mb"])]
    warm, cold = (
        [float(row["billed_ms"]) / 1000 for row in mine if row["start"] == start] for start in ("warm", "cold")
    )
    # 20/s for 730 hours, a tenth of them cold, at us-east-1's prices of x86_64
    seconds = 52_560_000 * (0.9 * sum(warm) / len(warm) + 0.1 * sum(cold) / len(cold))
    dollars = 52_560_000 * 0.0000002 + seconds * advice["memory_mb"] / 1024 * 0.0000166667
    assert advice["options"][0]["usd_per_month"] == pytest.approx(dollars)
    assert [option["kind"] for option in advice["options"]][:2] == ["on-demand", "provisioned"]


def test_environments_are_read_from_the_log_and_recorded(tuned, lambdatune) -> None:
    result, run, local = tuned
    with (run / "environments.csv").open() as file:
        served_by = {row["request_id"]: row["environment"] for row in csv.DictReader(file)}
    rows = rows_of(run)
    assert set(served_by) == {row["request_id"] for row in rows}
    assert len(set(served_by.values())) == local.facts()["environments_started"]
    for cell in result["cells"]:
        mine = [row for row in rows if row["memory_mb"] == str(cell["memory_mb"])]
        assert cell["environments"] == len({served_by[row["request_id"]] for row in mine})
        cold = Counter(served_by[row["request_id"]] for row in mine if row["start"] == "cold")
        assert set(cold.values()) == {1}
    again = lambdatune("show", str(run), "--target", "p90<=3s", "--format", "json")
    assert [cell["environments"] for cell in json.loads(again.out)["cells"]] == [
        cell["environments"] for cell in result["cells"]
    ]


def test_the_histogram_log_is_read_by_the_public_reader(tuned) -> None:
    result, run, _ = tuned
    lines = [line for line in (run / "latency.hlog").read_text().splitlines() if line.startswith("Tag=")]
    assert {line.split(",")[0] for line in lines} >= {"Tag=mem-128.warm.duration", "Tag=mem-512.cold.response"}

    reader = HistogramLogReader(str(run / "latency.hlog"), HdrHistogram(1, 3_600_000_000, 3))
    total = 0
    while (interval := reader.get_next_interval_histogram()) is not None:
        total += interval.get_total_count()
    reader.input_file.close()
    # Three clocks for each call.
    assert total == 3 * sum(cell["warm"]["count"] + cell["cold"]["count"] for cell in result["cells"])


def test_nothing_is_left_on_the_endpoint_and_the_function_is_untouched(tuned, aws) -> None:
    _, _, local = tuned
    assert local.functions() == ["quick"]
    versions = aws(local, "lambda", "list-versions-by-function", "--function-name", "quick")["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST"]
    groups = aws(local, "logs", "describe-log-groups")["logGroups"]
    assert [group["logGroupName"] for group in groups if "lambdatune" in group["logGroupName"]] == []


def test_every_format_shows_the_run(tuned, lambdatune) -> None:
    result, run, _ = tuned
    text = lambdatune("show", str(run)).out
    assert result["recommendation"]["sentence"] in text
    assert json.loads(lambdatune("show", str(run), "--format", "json").out) == result
    table = list(csv.DictReader(lambdatune("show", str(run), "--format", "csv").out.splitlines()))
    assert [int(line["memory_mb"]) for line in table] == [128, 512]
    hgrm = lambdatune("show", str(run), "--format", "hgrm", "--tag", "mem-128.warm.duration").out
    assert hgrm.lstrip().startswith("Value     Percentile TotalCount")
    listed = lambdatune("runs", "--output", str(run.parent)).out
    assert run.name in listed


def test_show_decides_the_run_anew_without_a_call(tuned, lambdatune) -> None:
    result, run, local = tuned
    started = local.facts()["environments_started"]
    anew = json.loads(lambdatune("show", str(run), "--format", "json", "--target", "p90<=1us").out)
    assert anew["recommendation"]["status"] == "missed"
    assert anew["plan"]["targets"] == ["warm.duration.p90<=0.001ms"]
    assert anew["spend"] == result["spend"]
    same = json.loads(lambdatune("show", str(run), "--format", "json", "--target", "p90<=2s").out)
    assert same["recommendation"] == result["recommendation"]
    assert local.facts()["environments_started"] == started
    assert result_of(run) == result, "the record itself is not touched"


def test_a_range_is_searched_at_sizes_that_are_added_while_it_runs(lambdatune, functions, tmp_path) -> None:
    output = tmp_path / "runs"
    done = lambdatune(
        "run", "--function", str(functions / "busy"), *PATH_OPTIONS, "--memory", "256-1769", "--cold-starts", "1",
        "--output", str(output),
    )  # fmt: skip
    assert done.code == 0, done.err
    result = result_of(only_run(output))
    jsonschema.validate(result, schema())
    sizes = [cell["memory_mb"] for cell in result["cells"]]
    assert sizes == sorted(sizes)
    assert all(256 <= size <= 1769 for size in sizes)
    rows = Counter(int(row["memory_mb"]) for row in rows_of(only_run(output)))
    assert {cell["memory_mb"]: cell["invocations"] for cell in result["cells"]} == rows
    assert result["recommendation"]["memory_mb"] in sizes
    shown = json.loads(lambdatune("show", str(only_run(output)), "--format", "json", "--confidence", "0.95").out)
    assert shown["recommendation"] == result["recommendation"]


def test_code_on_this_machine_is_tuned_on_an_endpoint_of_its_own(lambdatune, functions, tmp_path) -> None:
    done = lambdatune(
        "run", "--function", str(functions / "quick"), *PATH_OPTIONS, "--memory", "512", "--target", "p90<=2s",
        "--cold-starts", "2", "--json", "-", "--quiet",
    )  # fmt: skip
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["recommendation"]["memory_mb"] == 512
    assert result["environment"]["embedded"]["cpu_limiter"]
    assert done.err == ""


def test_a_target_that_no_size_meets_exits_3(lambdatune, functions, tmp_path) -> None:
    done = lambdatune(
        "run", "--function", str(functions / "slow"), *PATH_OPTIONS, "--memory", "512", "--target", "p50<=1ms",
        "--payload", '{"seconds": 0.01}', "--cold-starts", "0",
    )  # fmt: skip
    assert done.code == 3, done.err
    assert "No size meets warm.duration.p50<=1ms" in done.out
    assert "The nearest that 512 MB meets is warm.duration.p50<=1" in done.out


def test_a_limit_that_ends_the_run_early_exits_5_and_is_kept_exactly(lambdatune, functions, tmp_path) -> None:
    output = tmp_path / "runs"
    done = lambdatune(
        "run", "--function", str(functions / "quick"), *PATH_OPTIONS, "--memory", "256,512", "--target", "p99<=2s",
        "--cold-starts", "2", "--max-invocations", "25", "--output", str(output),
    )  # fmt: skip
    assert done.code == 5, done.err
    assert len(rows_of(only_run(output))) == 25
    assert "the limit of 25 calls ended the run" in done.out
    assert f"lambdatune show {only_run(output)} --traffic 50/s" in done.err
    more = result_of(only_run(output))["recommendation"]["to_be_sure"]
    assert 100 < more["invocations"] < 5_000
    assert f"About {more['invocations']} more calls" in done.out


def test_a_dollar_limit_is_never_exceeded(lambdatune, functions, tmp_path) -> None:
    output = tmp_path / "runs"
    done = lambdatune(
        "run", "--function", str(functions / "quick"), *PATH_OPTIONS, "--memory", "512", "--target", "p99<=2s",
        "--timeout", "1", "--max-usd", "0.00005", "--output", str(output),
    )  # fmt: skip
    assert done.code == 5, done.err
    assert 0 < result_of(only_run(output))["spend"]["usd"] <= 0.00005


def test_a_size_too_small_for_the_function_fails_and_the_others_go_on(lambdatune, functions, tmp_path) -> None:
    output = tmp_path / "runs"
    done = lambdatune(
        "run", "--function", str(functions / "hungry"), *PATH_OPTIONS, "--memory", "128,1769", "--target", "p90<=5s",
        "--cold-starts", "2", "--output", str(output),
    )  # fmt: skip
    assert done.code == 0, done.err
    small, large = result_of(only_run(output))["cells"]
    assert (small["verdict"], large["verdict"]) == ("failed", "meets")
    assert "out of memory" in small["reason"]
    assert "128 MB failed: all" in done.out


def test_a_run_that_mostly_measured_the_throttle_is_ruled_invalid(lambdatune, endpoint, create, tmp_path) -> None:
    local = endpoint("--account-concurrency", "4")
    create(local, "slow")
    others = [
        subprocess.Popen(
            [
                str(Path(sys.executable).parent / "aws"), "--endpoint-url", local.url, "lambda", "invoke",
                "--function-name", "slow", "--payload", '{"seconds": 50}', "others.json",
            ],
            env=aws_environment(), cwd=tmp_path, stdout=subprocess.DEVNULL,
        )
        for _ in range(3)
    ]  # fmt: skip
    while local.facts()["environments_started"] < 3:
        time.sleep(0.05)
    done = lambdatune(
        "run", "--endpoint-url", local.url, "--function", "slow", "--memory", "512", "--concurrency", "4",
        "--cold-starts", "0", "--payload", '{"seconds": 0.05}', "--max-invocations", "60",
        "--concurrency-share", "100%",
    )  # fmt: skip
    assert done.code == 6, done.err
    assert "ConcurrentInvocationLimitExceeded" in done.out
    for other in others:
        assert other.poll() is None, "the others' calls lasted as long as the run"
        other.kill()
        other.wait()


def test_a_run_whose_generator_was_held_up_is_ruled_invalid(start, endpoint, create, tmp_path) -> None:
    local = endpoint()
    create(local, "slow")
    output = tmp_path / "runs"
    process = start(
        "run", "--endpoint-url", local.url, "--function", "slow", "--memory", "512", "--concurrency", "2",
        "--cold-starts", "0", "--payload", '{"seconds": 0.02}', "--target", "response.p99.9<=10s",
        "--max-invocations", "600", "--output", str(output),
    )  # fmt: skip
    wait_for_rows(output, 20)
    (shard,) = [each for each in family(process.pid) if "lambdatune.load.shard" in each.cmdline()]
    # Not guesses at how long something takes: these are the disturbances, several in case one meets no call.
    for _ in range(3):
        shard.suspend()
        time.sleep(0.5)
        shard.resume()
        time.sleep(0.1)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 6, err
    assert "INVALID: at 512 MB, warm.response p99.9 is reported as" in out
    assert "No advice: at 512 MB" in out
    validity = result_of(only_run(output))["validity"]
    assert not validity["valid"]
    assert validity["generator_shift_percent_max"] > 100
    assert validity["clock"] == "kernel"


def test_a_function_that_does_not_exist_exits_7_with_the_nearest_name(lambdatune, endpoint, create) -> None:
    local = endpoint()
    create(local, "quick")
    done = lambdatune("run", "--endpoint-url", local.url, "--function", "quik")
    assert done.code == 7
    assert "error: function `quik` was not found in us-east-1" in done.err
    assert "did you mean quick?" in done.err


def test_an_endpoint_that_does_not_answer_exits_7_without_a_traceback(lambdatune) -> None:
    done = lambdatune("run", "--endpoint-url", "http://127.0.0.1:9", "--function", "quick")
    assert done.code == 7
    assert "Traceback" not in done.err
    assert "--endpoint-url" in done.err


def test_payloads_and_credentials_are_nowhere_in_the_run_directory(lambdatune, functions, tmp_path) -> None:
    output = tmp_path / "runs"
    secret = "s3cr3t-payload-value"
    done = lambdatune(
        "run", "--function", str(functions / "quick"), *PATH_OPTIONS, "--memory", "512", "--cold-starts", "1",
        "--payload", json.dumps({"password": secret}), "--max-invocations", "3", "--output", str(output),
    )  # fmt: skip
    assert done.code == 5
    kept = "".join(path.read_text() for path in only_run(output).iterdir()) + done.out + done.err
    assert secret not in kept
    assert "lambdatune-loopback" not in kept


def test_the_load_is_spread_over_the_payloads_by_weight(lambdatune, functions, tmp_path) -> None:
    output = tmp_path / "runs"
    done = lambdatune(
        "run", "--function", str(functions / "slow"), *PATH_OPTIONS, "--memory", "1769", "--cold-starts", "0",
        "--payload", '{"seconds": 0}:0.8', "--payload", '{"seconds": 0.05}:0.2', "--output", str(output),
    )  # fmt: skip
    assert done.code == 0, done.err
    kinds = Counter(float(row["duration_ms"]) > 40 for row in rows_of(only_run(output)))
    assert 8 <= kinds[True] <= 35


def test_a_reader_of_stdout_that_goes_away_is_no_error(start, tuned) -> None:
    _, run, _ = tuned
    process: subprocess.Popen[str] = start("show", str(run), "--format", "json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


def test_payload_tokens_make_every_call_another_one(lambdatune, functions, tmp_path) -> None:
    (functions / "seen").mkdir()
    (functions / "seen" / "app.py").write_text(
        "seen = set()\n"
        "def handler(event, context):\n"
        "    if event['id'] in seen or not isinstance(event['number'], int):\n"
        "        raise ValueError(event)\n"
        "    seen.add(event['id'])\n"
    )
    done = lambdatune(
        "run", "--function", str(functions / "seen"), *PATH_OPTIONS, "--memory", "512", "--cold-starts", "0",
        "--payload", '{"id": "{{uuid}}", "number": {{sequence}}}', "--payload-tokens", "--max-invocations", "40",
        "--json", "-",
    )  # fmt: skip
    assert done.code == 5, done.err
    result = json.loads(done.out)
    assert result["cells"][0]["errors"] == {}
    assert result["spend"]["invocations"] == 40


def test_an_open_loop_calls_at_its_rate_whatever_the_function_does(lambdatune, functions, tmp_path) -> None:
    output = tmp_path / "runs"
    done = lambdatune(
        "run", "--function", str(functions / "slow"), *PATH_OPTIONS, "--memory", "128", "--cold-starts", "0",
        "--payload", '{"seconds": 0.1}', "--rate", "40/s", "--max-invocations", "60", "--output", str(output),
    )  # fmt: skip
    assert done.code == 5, done.err
    by_order: dict[str, list[int]] = {}
    for row in rows_of(only_run(output)):
        by_order.setdefault(row["order"], []).append(int(row["intended_ns"]))
    gaps = [later - earlier for due in by_order.values() for earlier, later in itertools.pairwise(sorted(due))]
    # Calls of 100 ms in a closed loop of one would be 100 ms apart.
    assert gaps
    assert all(gap == pytest.approx(25_000_000, abs=10) for gap in gaps)
    assert result_of(only_run(output))["plan"]["rate_per_s"] == 40


def due_by_order(output: Path) -> list[list[int]]:
    """Return when the calls of each order were due, in ms from the first of them."""
    by_order: dict[str, list[int]] = {}
    for row in rows_of(only_run(output)):
        by_order.setdefault(row["order"], []).append(int(row["intended_ns"]))
    return [[round((due - min(dues)) / 1e6) for due in sorted(dues)] for dues in by_order.values()]


def test_each_size_gets_whole_ramps_and_none_that_a_limit_would_cut(lambdatune, functions, tmp_path) -> None:
    output = tmp_path / "runs"
    done = lambdatune(
        "run", "--function", str(functions / "quick"), *PATH_OPTIONS, "--memory", "512,1024", "--cold-starts", "0",
        "--ramp", "1s:40/s,500ms:40/s", "--target", "p99<=2s", "--max-invocations", "199",
        "--output", str(output),
    )  # fmt: skip
    assert done.code == 5, done.err
    assert "warm calls come in ramps 1s:40/s,500ms:40/s, 40 calls in 1.5 s, at each size: about " in done.err
    orders = due_by_order(output)
    # Five ramps would be 200 calls.
    assert [len(dues) for dues in orders] == [40, 40, 40, 40]
    for dues in orders:
        # The integral of the rate reaches n at sqrt(2 n / 40) s in the first second, then every 25 ms.
        assert dues[:21] == pytest.approx([1000 * (number / 20) ** 0.5 for number in range(21)], abs=2)
        assert dues[20:] == pytest.approx([1000 + 25 * number for number in range(20)], abs=2)
    result = result_of(only_run(output))
    assert result["plan"]["ramp"] == "1s:40/s,500ms:40/s"
    assert "the limit of 199 calls ended the run" in result["validity"]["notes"]


@pytest.mark.parametrize(
    ("load", "limit"),
    [(("--ramp", "1s:40/s"), ("--max-minutes", "0.1")), (("--burst", "20/1s"), ("--max-usd", "2e-5"))],
)
def test_no_limit_cuts_a_ramp_or_a_burst(lambdatune, functions, tmp_path, load, limit) -> None:
    output = tmp_path / "runs"
    done = lambdatune(
        "run", "--function", str(functions / "quick"), *PATH_OPTIONS, "--memory", "512", "--cold-starts", "1",
        *load, *limit, "--target", "p99.9<=2s", "--output", str(output),
    )  # fmt: skip
    assert done.code == 5, done.err
    cold, *warm = due_by_order(output)
    assert len(cold) == 1
    assert sum(map(len, warm)) >= 20
    assert all(len(dues) % 20 == 0 for dues in warm)
    (note,) = (note for note in result_of(only_run(output))["validity"]["notes"] if "ended the run" in note)
    assert note.startswith("the limit of ")


def test_bursts_are_calls_at_one_instant_every_so_often(lambdatune, functions, tmp_path) -> None:
    output = tmp_path / "runs"
    done = lambdatune(
        "run", "--function", str(functions / "quick"), *PATH_OPTIONS, "--memory", "1024", "--cold-starts", "0",
        "--burst", "6/300ms", "--shards", "2", "--target", "p90<=2s", "--output", str(output), "--json", "-",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "warm calls come 6 at once every 0.3 s: about " in done.err
    for dues in due_by_order(output):
        assert len(dues) % 6 == 0
        assert dues == [number // 6 * 300 for number in range(len(dues))]
    assert json.loads(done.out)["plan"]["burst"] == "6/300ms"
    again = lambdatune("show", str(only_run(output)), "--target", "p95<=3s", "--format", "json")
    assert json.loads(again.out)["plan"]["burst"] == "6/300ms"


def test_a_directory_with_an_entry_point_is_tuned_as_a_container_image(lambdatune, tmp_path) -> None:
    app = """
import os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as answer:
        event, request_id = answer.read(), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    urllib.request.urlopen(api + request_id + "/response", event).close()
"""
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "app.py").write_text(app)
    done = lambdatune(
        "run", "--function", "image", "--entry-point", "python3 -S app.py", "--memory", "512,1024",
        "--target", "p90<=2s", "--cold-starts", "2", "--output", str(tmp_path / "runs"),
    )  # fmt: skip
    assert done.code == 0, done.err
    result = result_of(only_run(tmp_path / "runs"))
    jsonschema.validate(result, schema())
    assert result["function"]["runtime"] == ""
    assert result["plan"]["function"]["entry_point"] == "python3 -S app.py"
    assert result["environment"]["configuration"]["PackageType"] == "Image"
    assert all(cell["cold"]["count"] == 2 and not cell["errors"] for cell in result["cells"])
    assert "create function lambdatune-image-" in done.err
