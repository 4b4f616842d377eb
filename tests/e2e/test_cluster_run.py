"""A run whose load comes from a Dask cluster, and what it says when a worker is lost in the middle."""

from __future__ import annotations

import csv

import jsonschema
import pytest
from distributed import Client
from support.dask_cluster import DaskCluster
from support.program import only_run, result_of, wait_for_rows, wait_gone

from lambdatune.reports.json_report import schema

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "dask").mkdir()
    with DaskCluster(tmp_path / "dask", 2) as started:
        with Client(started.address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield started


@pytest.mark.alone
def test_a_worker_that_is_lost_in_the_middle_is_in_the_result(cluster, endpoint, create, start, tmp_path) -> None:
    local = endpoint()
    create(local, "quick")
    output = tmp_path / "runs"
    process = start(
        "run", "--endpoint-url", local.url, "--function", "quick", "--memory", "512", "--concurrency", "4",
        "--cold-starts", "4", "--target", "p99.9<=2s", "--dask", cluster.address, "--output", str(output),
    )  # fmt: skip
    run = wait_for_rows(output, 100)
    left = cluster.load_processes()
    cluster.workers[0].kill()
    cluster.workers[0].wait()
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "load processes lost with their Dask workers: 1; up to " in out
    result = result_of(only_run(output))
    jsonschema.validate(result, schema())
    assert result["status"] == "complete"
    assert result["validity"]["shards_lost"] == 1
    (cell,) = result["cells"]
    assert cell["verdict"] == "meets"
    assert cell["warm"]["count"] > 100
    with (run / "invocations.csv").open() as file:
        assert {row["shard"] for row in csv.DictReader(file)} >= {"0", "1"}
    assert local.functions() == ["quick"]
    assert wait_gone(left) == []


def test_a_cluster_that_is_not_there_is_a_sentence(lambdatune, endpoint, create) -> None:
    local = endpoint()
    create(local, "quick")
    done = lambdatune("run", "--endpoint-url", local.url, "--function", "quick", "--dask", "tcp://127.0.0.1:9")
    assert done.code == 2
    assert "error: no Dask scheduler answers at tcp://127.0.0.1:9" in done.err
    assert "Traceback" not in done.err
    assert "cloning" not in done.err
    assert local.functions() == ["quick"]
