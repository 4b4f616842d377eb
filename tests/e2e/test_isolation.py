"""What each isolation touches, and what it leaves: seen from the account, not from the program."""

from __future__ import annotations

import csv
import itertools
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.faults import FaultyProxy, client, everything, users_function, zipped
from support.program import only_run, result_of, running_endpoint, wait_for_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

WITH_REVISIONS = ("ResponseMetadata", "Location")


@pytest.fixture
def account() -> Iterator[str]:
    """Return the URL of an endpoint with a user's function."""
    with running_endpoint("--settle-ms", "20") as local:
        users_function(local.url)
        yield local.url


def options(url: str, *rest: str, function: str = "shop") -> tuple[str, ...]:
    return ("run", "--endpoint-url", url, "--function", function, *rest)


def quick(url: str, isolation: str, *rest: str) -> tuple[str, ...]:
    return options(
        url, "--isolation", isolation, "--memory", "256", "--cold-starts", "1", "--max-invocations", "3", *rest
    )  # fmt: skip


def streams(url: str) -> dict[str, Any]:
    """Return what was written to the log of the user's function."""
    with client("logs", url) as logs:
        return {
            stream["logStreamName"]: stream.get("lastEventTimestamp")
            for stream in logs.describe_log_streams(logGroupName="/aws/lambda/shop")["logStreams"]
        }


def test_a_clone_leaves_the_function_its_aliases_and_its_log_alone(account, lambdatune, tmp_path) -> None:
    before, written = everything(account, passing=WITH_REVISIONS), streams(account)
    done = lambdatune(
        *options(account, "--memory", "256,512", "--target", "p90<=2s", "--cold-starts", "2"), "--output",
        str(tmp_path / "runs"),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert everything(account, passing=WITH_REVISIONS) == before
    assert streams(account) == written
    assert "change: create function lambdatune-shop-" in done.err
    kept = "".join(path.read_text() for path in only_run(tmp_path / "runs").iterdir())
    assert "hunter2-secret" not in kept + done.out + done.err


def test_a_clone_has_the_functions_tags_and_settings_and_a_log_of_its_own(account, start, tmp_path) -> None:
    with client("lambda", account) as functions:
        functions.update_function_configuration(
            FunctionName="shop", EphemeralStorage={"Size": 1024}, TracingConfig={"Mode": "Active"},
            LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "WARN", "ApplicationLogLevel": "ERROR"},
        )  # fmt: skip
        process = start(
            *options(account, "--memory", "256", "--target", "p99.9<=2s"), "--output", str(tmp_path / "runs")
        )
        run = wait_for_rows(tmp_path / "runs", 5)
        clone = functions.get_function(FunctionName=f"lambdatune-shop-{run.name}")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    configuration = clone["Configuration"]
    assert configuration["LoggingConfig"] == {
        "LogFormat": "JSON", "SystemLogLevel": "INFO", "ApplicationLogLevel": "ERROR",
        "LogGroup": f"/aws/lambda/lambdatune-shop-{run.name}",
    }  # fmt: skip
    assert "change: the clone logs at system log level INFO" in err
    assert configuration["EphemeralStorage"] == {"Size": 1024}
    assert configuration["TracingConfig"] == {"Mode": "Active"}
    assert configuration["Environment"]["Variables"]["PASSWORD"] == "hunter2-secret"
    assert configuration["Description"] == "The shop"
    tags = clone["Tags"]
    assert (tags["team"], tags["lambdatune:run"], tags["lambdatune:source"]) == ("web", run.name, "shop")
    assert str(process.pid) in tags["lambdatune:owner"].split(":")
    with client("lambda", account) as functions:
        assert [entry["FunctionName"] for entry in functions.list_functions()["Functions"]] == ["shop"]


def test_versions_are_published_one_by_one_and_the_configuration_is_back_before_any_call(
    account, lambdatune, tmp_path
) -> None:
    before = everything(account)
    with FaultyProxy(account) as proxy:
        done = lambdatune(
            *options(proxy.url, "--isolation", "version", "--memory", "256,1024", "--target", "cold.duration.p90<=9s"),
            "--cold-starts", "6", "--target", "p90<=9s", "--output", str(tmp_path / "runs"),
        )  # fmt: skip
    assert done.code == 0, done.err
    assert everything(account) == before
    result = result_of(only_run(tmp_path / "runs"))
    assert {cell["memory_mb"] for cell in result["cells"]} == {256, 1024}
    assert all(cell["cold"]["count"] >= 6 for cell in result["cells"])
    writes = 0
    for operation, after in itertools.pairwise([*proxy.all, "end"]):
        writes += operation == "UpdateFunctionConfiguration"
        is_changed = writes % 2 == 1
        assert not is_changed or operation in {"UpdateFunctionConfiguration", "GetFunction", "PublishVersion"}
        assert operation != "PublishVersion" or (is_changed and after == "UpdateFunctionConfiguration")
    assert writes == 2 * proxy.all.count("PublishVersion") > 4
    kept = "".join(path.read_text() for path in only_run(tmp_path / "runs").iterdir())
    assert "hunter2-secret" not in kept + done.out + done.err
    assert "publishing versions of shop at 256, 1024 MB: $LATEST changes and is put back, one by one" in done.err


def test_what_someone_else_changes_meanwhile_stays_and_ends_the_run(account, lambdatune) -> None:
    def deploy() -> None:
        while "PublishVersion" not in proxy.operations:
            time.sleep(0.01)
        with client("lambda", account) as functions:
            functions.update_function_configuration(FunctionName="shop", Timeout=33)

    before = everything(account)
    with FaultyProxy(account, operation="PublishVersion", do="delay", delay_s=1.5, times=1) as proxy:
        deployer = threading.Thread(target=deploy)
        deployer.start()
        done = lambdatune(*quick(proxy.url, "version"))
        deployer.join()
    assert done.code == 7, done.err
    assert "someone else changed function `shop` while it was being tuned" in done.err
    before["shop"]["function"]["Configuration"]["Timeout"] = 33
    before["shop"]["versions"][0]["Timeout"] = 33
    assert everything(account) == before


def test_ctrl_c_while_versions_are_published_stops_after_the_one_under_way(account, start) -> None:
    before = everything(account)
    with FaultyProxy(account, operation="PublishVersion", do="delay", delay_s=0.5) as proxy:
        process = start(*options(proxy.url, "--isolation", "version", "--memory", "128,256,512,1024,2048"))
        while "PublishVersion" not in proxy.operations:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
    assert proxy.operations.count("PublishVersion") == 1
    assert "Invoke" not in proxy.all[proxy.all.index("PublishVersion") :]
    assert "status: interrupted" in out
    assert everything(account) == before


def test_current_changes_nothing_and_calls_what_is_named(account, lambdatune) -> None:
    before, written = everything(account, passing=WITH_REVISIONS), streams(account)
    with FaultyProxy(account) as proxy:
        done = lambdatune(
            *options(proxy.url, "--isolation", "current", "--target", "p90<=2s", "--json", "-", function="shop:live")
        )
    assert done.code == 0, done.err
    reads = {"GetFunction", "GetAlias", "GetAccountSettings", "GetCallerIdentity", "FilterLogEvents"}
    assert set(proxy.operations) == reads
    assert everything(account, passing=WITH_REVISIONS) == before
    assert streams(account) != written
    result = json.loads(done.out)
    assert [cell["memory_mb"] for cell in result["cells"]] == [512]
    assert result["plan"]["memory"] == "512"
    assert "cold starts are not forced" in done.err
    assert (
        lambdatune(*options(account, "--isolation", "current", "--memory", "512", "--max-invocations", "2")).code == 5
    )


@pytest.mark.parametrize(
    "function", ["shop:live", "shop:1", "arn:aws:lambda:us-east-1:123456789012:function:shop:live"]
)
def test_a_version_or_alias_is_cloned_as_it_was_published(account, lambdatune, function) -> None:
    with client("lambda", account) as functions:
        functions.update_function_code(
            FunctionName="shop", ZipFile=zipped("def handler(event, context):\n    raise ValueError\n")
        )
    done = lambdatune(
        *options(account, "--memory", "256", "--cold-starts", "1", "--target", "p90<=2s", function=function)
    )
    assert done.code == 0, done.err
    assert "✓ meets" in done.out


@pytest.mark.parametrize(
    ("prepare", "arguments", "code", "said", "hint"),
    [
        (None, ("--isolation", "version", "--function", "shop:live"), 2,
         "--isolation version publishes from $LATEST, and `shop:live` is a version or alias", "--isolation clone"),
        (None, ("--function", "arn:aws:lambda:us-east-1:111122223333:function:shop"), 2,
         "belongs to account 111122223333, and the credentials to 123456789012", "--aws-profile NAME"),
        (None, ("--function", "arn:aws:lambda:eu-west-1:123456789012:function:shop", "--region", "us-east-1"), 2,
         "is in eu-west-1, and the region given is us-east-1", "--region eu-west-1"),
        (None, ("--function", "shop:lvie"), 7, "function `shop` has no version or alias `lvie` in us-east-1",
         "list-aliases --function-name shop"),
        (None, ("--isolation", "current", "--memory", "256"), 2,
         "--memory 256: --isolation current measures `shop` at its own size, 512 MB", "leave --memory out"),
        ({"LoggingConfig": {"LogFormat": "JSON", "SystemLogLevel": "WARN"}}, ("--isolation", "version"), 7,
         "function `shop` has system log level WARN, which hides the REPORT line", "--isolation clone"),
        ({"reserved": 0}, ("--isolation", "current"), 7, "`shop` has reserved concurrency 0", "--isolation clone"),
        ({"reserved": 4}, ("--isolation", "current", "--concurrency", "3"), 2,
         "50% of the 4 concurrent executions reserved for the function are 2", "--concurrency 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_sentence_before_anything_is_changed(
    account, lambdatune, own_data_directory, prepare, arguments, code, said, hint
) -> None:
    with client("lambda", account) as functions:
        if prepare and "reserved" in prepare:
            functions.put_function_concurrency(FunctionName="shop", ReservedConcurrentExecutions=prepare["reserved"])
        elif prepare:
            functions.update_function_configuration(FunctionName="shop", **prepare)
            functions.get_waiter("function_updated_v2").wait(FunctionName="shop", WaiterConfig={"Delay": 0.1})
    before = everything(account, passing=WITH_REVISIONS)
    function = () if "--function" in arguments else ("--function", "shop")
    done = lambdatune("run", "--endpoint-url", account, *function, *arguments)
    assert done.code == code, done.err
    error, _, hinted = done.err.partition("hint: ")
    assert said in error
    assert hint in hinted
    assert "Traceback" not in done.err
    assert everything(account, passing=WITH_REVISIONS) == before
    assert not own_data_directory.exists()


@pytest.mark.parametrize(
    ("load", "accepted"),
    [
        (("--concurrency", "7"), ("--concurrency", "5")),
        (("--rate", "9/s"), ("--rate", "5/s")),
        (("--burst", "8/1s"), ("--burst", "5/1s")),
        (("--concurrency", "9"), ("--concurrency", "9", "--concurrency-share", "90%")),
    ],
)
def test_a_plan_above_the_share_is_refused_with_what_would_be_accepted(
    endpoint, create, lambdatune, load, accepted
) -> None:
    local = endpoint("--account-concurrency", "10")
    create(local, "quick")
    plan = options(local.url, "--memory", "512", "--cold-starts", "0", "--max-invocations", "10", function="quick")
    done = lambdatune(*plan, *load)
    assert done.code == 2, done.err
    assert "50% of the 10 concurrent executions that the account has unreserved are 5" in done.err
    assert " ".join(accepted[-2:]) in done.err.partition("hint: ")[2]
    assert local.functions() == ["quick"]
    done = lambdatune(*plan, *accepted)
    assert done.code == 5, done.err


def test_batches_of_cold_starts_keep_to_the_share(endpoint, create, lambdatune, tmp_path) -> None:
    local = endpoint("--account-concurrency", "10")
    create(local, "quick")
    plain = subprocess.Popen(
        [sys.executable, str(Path(__file__).parents[1] / "support" / "plain_endpoint.py"), local.url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert plain.stdout is not None
    plan = options(plain.stdout.readline().strip(), "--memory", "512", "--cold-starts", "8", "--yes", function="quick")
    done = lambdatune(*plan, "--max-invocations", "9", "--output", str(tmp_path / "runs"))
    plain.communicate(timeout=10)
    assert done.code == 5, done.err
    with (only_run(tmp_path / "runs") / "invocations.csv").open() as file:
        orders = Counter(row["order"] for row in csv.DictReader(file))
    assert max(orders.values()) == 5


def test_what_the_account_has_free_may_be_hidden(account, lambdatune) -> None:
    denied = "User: arn:aws:iam::1:user/x is not authorized to perform: lambda:GetAccountSettings on resource: *"
    with FaultyProxy(
        account, operation="GetAccountSettings", do="error", status=403, code="AccessDeniedException", message=denied
    ) as proxy:
        done = lambdatune(*quick(proxy.url, "clone"))
    assert done.code == 5, done.err
    assert "warning: the account's free concurrency is not known, and not kept to: " in done.err
    assert "lambda:GetAccountSettings" in done.err


def test_a_run_that_is_still_going_is_not_restored_from_under_it(account, start, lambdatune, tmp_path) -> None:
    output = tmp_path / "runs"
    process = start(*options(account, "--memory", "256", "--target", "p99.9<=2s"), "--output", str(output))
    run = wait_for_rows(output, 20)
    one = lambdatune("restore", str(run))
    assert one.code == 2, one.err
    assert f"run {run.name} is still going, in process {process.pid}" in one.err
    every = lambdatune("restore", "--all", "--endpoint-url", account)
    assert every.code == 0, every.err
    assert every.out.count("in use") >= 2
    assert f"run {run.name} is still going" in every.out
    with client("lambda", account) as functions:
        assert len(functions.list_functions()["Functions"]) == 2
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err


def test_a_terminal_that_is_closed_ends_the_run_and_undoes_it(account, own_data_directory, tmp_path) -> None:
    before = everything(account)
    output = tmp_path / "runs"
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = (*options(account, "--memory", "256", "--target", "p99.9<=2s"), "--output", str(output))
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-c", "from lambdatune.cli.main import main; main()", *arguments])
    reader = threading.Thread(target=_read_until_closed, args=(terminal,))
    reader.start()
    wait_for_rows(output, 20)
    _close(terminal, reader)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 143
    assert everything(account) == before
    assert result_of(only_run(output))["status"] == "interrupted"


_closing = threading.Event()


def _read_until_closed(terminal: int) -> None:
    os.set_blocking(terminal, False)
    while not _closing.wait(0.05):
        try:
            os.read(terminal, 1 << 16)
        except BlockingIOError:
            continue


def _close(terminal: int, reader: threading.Thread) -> None:
    """Close the terminal's window, so to speak: its processes get SIGHUP, and cannot write to it any more."""
    _closing.set()
    reader.join()
    os.close(terminal)
