"""A run is killed at every control-plane call in turn, and what it had made by then is undone without a trace."""

from __future__ import annotations

import datetime as dt
import shutil
import signal
from typing import TYPE_CHECKING

import pytest
from support.faults import FaultyProxy, client, everything, namesake, users_function, zipped
from support.program import in_process, running_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

NAMESAKE = "lambdatune-shop-20260101-000000-abcd"


@pytest.fixture
def account() -> Iterator[str]:
    """Return the URL of an endpoint with a user's function and one that is merely named like a clone."""
    with running_endpoint("--settle-ms", "1") as local:
        users_function(local.url)
        namesake(local.url, NAMESAKE)
        yield local.url


def run_options(url: str, isolation: str, output: Path) -> tuple[str, ...]:
    return (
        "run", "--endpoint-url", url, "--function", "shop", "--memory", "256", "--isolation", isolation,
        "--cold-starts", "1", "--max-invocations", "3", "--output", str(output),
    )  # fmt: skip


def is_killed_at(proxy: FaultyProxy, start, isolation: str, output: Path, pid_file: Path) -> bool:
    """Run through a proxy that kills the run at one of its calls; return whether it came so far."""
    process = start(*run_options(proxy.url, isolation, output))
    pid_file.write_text(str(process.pid))
    process.communicate(timeout=60)
    assert process.returncode in {-signal.SIGKILL, 5}
    return process.returncode == -signal.SIGKILL


def last_publishing(url: str, lambdatune, isolation: str, output: Path) -> dict[str, int | str]:
    """Return which call publishes the last version of a run, whichever number it has then: looks before it vary."""
    with FaultyProxy(url) as proxy:
        lambdatune(*run_options(proxy.url, isolation, output))
    number = len(proxy.operations) - proxy.operations[::-1].index("PublishVersion")
    return {"at": number - 3, "operation": "PublishVersion"}


def moments_of(operation: str) -> tuple[str, ...]:
    """Return when a run is killed at a call: one that only reads leaves the same behind before and after it."""
    return ("kill-before",) if operation.startswith(("Get", "List", "Filter")) else ("kill-before", "kill-after")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("isolation", ["clone", "version"])
def test_killed_at_any_call_nothing_is_left_after_restore(
    account, start, lambdatune, tmp_path, own_data_directory, isolation
) -> None:
    before = everything(account)
    with FaultyProxy(account) as proxy:
        done = lambdatune(*run_options(proxy.url, isolation, tmp_path / "whole"))
    assert done.code == 5, done.err
    assert everything(account) == before
    calls = proxy.operations
    assert len(calls) >= 10
    problems, unreached = [], []
    kills = harmed = 0
    pid_file = tmp_path / "pid"
    for number, operation in enumerate(calls, start=1):
        for moment in moments_of(operation):
            case = f"{moment} {number} {operation}"
            with FaultyProxy(account, at=number, do=moment, pid_file=str(pid_file)) as proxy:
                if not is_killed_at(proxy, start, isolation, tmp_path / case, pid_file):
                    # How often a run looks whether something is ready yet is chance: this one ended before that call.
                    unreached.append(number)
                    assert len(proxy.operations) < number
                kills += 1
                harmed += everything(account) != before
                restored = in_process("restore", "--all")
            if restored.code or everything(account) != before:
                problems.append(f"{case}: {restored.code} {restored.out} {restored.err}")
            elif "left to undo" not in restored.out and "nothing is left" not in restored.out:
                problems.append(f"{case}: {restored.out}")
    assert problems == []
    assert all(number > len(calls) - 3 for number in unreached), "every call but the last looks was killed"
    # The calls by which permissions are tried come first and leave nothing to undo.
    assert harmed >= kills / 4, "many of the kills are in the middle of what has to be undone"


@pytest.mark.parametrize("isolation", ["clone", "version"])
def test_without_any_journal_what_is_left_is_found_by_its_marks(
    account, start, lambdatune, tmp_path, own_data_directory, isolation
) -> None:
    before = everything(account)
    published = last_publishing(account, lambdatune, isolation, tmp_path / "whole")
    # In `version` the update of the next version is under way then: $LATEST differs as well.
    pid_file = tmp_path / "pid"
    with FaultyProxy(account, **published, do="kill-after", pid_file=str(pid_file)) as proxy:
        assert is_killed_at(proxy, start, isolation, tmp_path / "runs", pid_file)
    assert everything(account) != before
    shutil.rmtree(own_data_directory)
    restored = lambdatune("restore", "--all")
    assert "nothing was left to undo" in restored.out
    restored = lambdatune("restore", "--all", "--endpoint-url", account)
    assert restored.code == 0, restored.err
    assert "removed " in restored.out
    assert ("put back " in restored.out) == (isolation == "version")
    assert everything(account) == before
    assert NAMESAKE not in restored.out
    assert "nothing was left to undo" in lambdatune("restore", "--all", "--endpoint-url", account).out


def make_clone(url: str, name: str, tags: dict[str, str]) -> None:
    with client("lambda", url) as functions:
        functions.create_function(
            FunctionName=name, Runtime="python3.12", Role="arn:aws:iam::000000000000:role/any", Handler="app.handler",
            Code={"ZipFile": zipped("def handler(event, context):\n    return 1\n")}, Tags=tags,
        )  # fmt: skip


def test_what_another_machine_made_is_removed_when_its_run_must_be_over(account, lambdatune) -> None:
    today = f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}-aaaa"
    owner = {"lambdatune:owner": "ci-7:4711:1"}
    before = everything(account)
    make_clone(account, "lambdatune-old-20260101-000000-bbbb", {"lambdatune:run": "20260101-000000-bbbb", **owner})
    make_clone(account, "lambdatune-other-20260101-000000-cccc", {"lambdatune:run": "20260101-000000-dddd", **owner})
    make_clone(account, f"lambdatune-new-{today}", {"lambdatune:run": today, **owner})
    done = lambdatune("restore", "--all", "--endpoint-url", account)
    assert done.code == 0, done.err
    assert "removed       function `lambdatune-old-20260101-000000-bbbb`" in done.out
    assert f"in use        function `lambdatune-new-{today}`" in done.out
    assert f"run {today} on ci-7 may still be going; if it is not: aws lambda delete-function" in done.out
    assert "1 change was undone; 1 in use by a run that is, or may be, still going; nothing is left" in done.out
    after = everything(account)
    assert set(after) - set(before) == {f"lambdatune-new-{today}", "lambdatune-other-20260101-000000-cccc"}


def test_a_run_of_another_host_that_shares_the_directory_is_only_undone_when_it_is_named(
    account, start, lambdatune, tmp_path
) -> None:
    before = everything(account)
    pid_file = tmp_path / "pid"
    published = last_publishing(account, lambdatune, "clone", tmp_path / "whole")
    with FaultyProxy(account, **published, do="kill-after", pid_file=str(pid_file)) as proxy:
        assert is_killed_at(proxy, start, "clone", tmp_path / "runs", pid_file)
        (journal,) = tmp_path.glob("runs/*/journal.jsonl")
        first, _, rest = journal.read_text().partition("\n")
        journal.write_text(f'{{"event":"begun","owner":"ci-7:4711:1"}}\n{rest}')
        assert '"begun"' in first
        done = lambdatune("restore", "--all")
        assert done.code == 0, done.err
        assert f"on ci-7 may still be going; if it is not: lambdatune restore {journal.parent}" in done.out
        assert everything(account) != before
        done = lambdatune("restore", str(journal.parent))
    assert done.code == 0, done.err
    assert done.out.count("removed ") == 1
    assert "2 changes were undone; nothing is left" in done.out
    assert everything(account) == before


def test_where_to_search_belongs_to_all(lambdatune) -> None:
    done = lambdatune("restore", "latest", "--region", "us-east-1")
    assert done.code == 2
    assert "say where --all searches" in done.err
