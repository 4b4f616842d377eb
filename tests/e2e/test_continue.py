"""Going on with a run on a real endpoint: after a limit, after a kill, and not while its function is another one."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from support.program import family, only_run, result_of, wait_for_rows, wait_gone

from lambdatune.session.row_file import COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

TARGET = ("--memory", "512,1024", "--target", "p99<=2s", "--cold-starts", "1")


def rows_of(run: Path) -> list[str]:
    return (run / "invocations.csv").read_text().splitlines()


def counted(result: dict, memory_mb: int) -> int:
    (cell,) = [cell for cell in result["cells"] if cell["memory_mb"] == memory_mb]
    return cell["certificates"][0]["calls"] + cell["certificates"][0]["screen_calls"]


def test_a_run_goes_on_after_a_limit_and_after_kill_9(endpoint, create, start, lambdatune, aws, tmp_path) -> None:
    local = endpoint()
    create(local, "quick")
    output = tmp_path / "runs"
    place = ("--endpoint-url", local.url, "--function", "quick")
    stopped = lambdatune("run", *place, *TARGET, "--max-invocations", "60", "--output", str(output))
    assert stopped.code == 5, stopped.err
    run = only_run(output)
    before, rows = result_of(run), rows_of(run)
    assert len(rows) == 61
    assert before["recommendation"]["status"] == "unproven"
    (payload,) = before["plan"]["payloads"]
    assert payload["sha256"] == hashlib.sha256(b"{}").hexdigest()[:16]
    assert payload == {**payload, "bytes": 2, "weight": 1.0, "tokens": False, "default": True}

    kept = {path.name: path.read_bytes() for path in run.iterdir()}
    change = ("lambda", "update-function-configuration", "--function-name", "quick", "--timeout")
    aws(local, *change, "33")
    refused = lambdatune("run", "--continue", "latest", "--output", str(output))
    assert refused.code == 2, refused.err
    assert "its Timeout was 60, and is 33" in refused.err
    assert {path.name: path.read_bytes() for path in run.iterdir()} == kept
    assert local.functions() == ["quick"]
    aws(local, *change, "60")

    again = start("run", "--continue", run.name, "--output", str(output), "--max-invocations", "100000")
    wait_for_rows(output, 60 + 20)
    processes = family(again.pid)
    again.kill()
    again.communicate()
    assert wait_gone(processes) == []
    assert len(local.functions()) == 2
    killed = rows_of(run)
    assert killed[: len(rows)] == rows

    done = lambdatune("run", "--continue", str(run), "--max-invocations", "5000")
    assert done.code == 0, done.err
    assert local.functions() == ["quick"]
    assert "nothing was left to undo" in lambdatune("restore", "--all").out
    after, all_rows = result_of(run), rows_of(run)
    assert all_rows[: len(killed) - 1] == killed[:-1]
    assert len(all_rows) - 1 == after["spend"]["invocations"]
    assert sum(row.startswith("cell,") for row in all_rows) == 1
    orders = [int(row.rsplit(",", 1)[1]) for row in all_rows[1:]]
    assert orders == sorted(orders)
    served = {line.split(",")[0] for line in (run / "environments.csv").read_text().splitlines()}
    assert {row.split(",")[COLUMNS.index("request_id")] for row in (*rows, all_rows[-1])} <= served
    assert (after["id"], after["started"], after["status"]) == (before["id"], before["started"], "complete")
    assert after["recommendation"]["status"] == "met"
    assert counted(after, after["recommendation"]["memory_mb"]) > counted(before, 512)
    continued = after["environment"]["continued"]
    assert [entry["ended"] for entry in continued] == ["ended by a limit", "been killed"]
    assert continued[0]["calls"] == 60
    assert json.loads(lambdatune("show", str(run), "--format", "json").out)["spend"] == after["spend"]

    over = lambdatune("run", "--continue", str(run))
    assert over.code == 2
    assert "is complete, so that there is nothing to go on with" in over.err
