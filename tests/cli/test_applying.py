"""`show --apply`, `show --undo-apply` and what `run --apply` does at its end, on a real endpoint."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.applying import local_endpoint, measured_on
from support.faults import client, users_function

from lambdatune.cli import headless
from lambdatune.cli.main import main
from lambdatune.model.errors import ExitCode
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Plan
from lambdatune.session.apply import journal_of, require_permission
from lambdatune.session.replay import open_run
from lambdatune.session.run_directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with local_endpoint("--settle-ms", "20") as url:
        users_function(url)
        yield url


@pytest.fixture(scope="module")
def measured(url, tmp_path_factory) -> RunDirectory:
    set_mb(url, 1024)
    return measured_on(url, tmp_path_factory.mktemp("measured"))


@pytest.fixture
def shop(url, measured, tmp_path) -> RunDirectory:
    """Return the run of the user's function, which has 1024 MB and is advised to have 512."""
    if mb(url) != 1024:
        set_mb(url, 1024)
    return RunDirectory(Path(shutil.copytree(measured.path, tmp_path / measured.id)))


@pytest.fixture
def said(capsys):
    """Run a command line in this process; return its exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


class Terminal(io.StringIO):
    """A terminal on which someone has typed."""

    def isatty(self) -> bool:
        return True


def set_mb(url: str, memory_mb: int) -> None:
    with client("lambda", url) as functions:
        functions.update_function_configuration(FunctionName="shop", MemorySize=memory_mb)
        functions.get_waiter("function_updated_v2").wait(FunctionName="shop", WaiterConfig={"Delay": 0.1})


def mb(url: str) -> int:
    with client("lambda", url) as functions:
        return functions.get_function_configuration(FunctionName="shop")["MemorySize"]


def amend_advice(run: RunDirectory, advice: dict[str, str]) -> None:
    path = run.path / "run.json"
    record = json.loads(path.read_text())
    record["recommendation"] |= advice
    path.write_text(json.dumps(record))


def test_the_advice_is_applied_read_back_and_put_back(said, shop, url) -> None:
    code, out, err = said("show", str(shop.path), "--apply", "--yes")
    assert (code, mb(url)) == (0, 512)
    assert out == (
        f"function `shop` in us-east-1 at {url} now has 512 MB in $LATEST; it had 1024 MB; "
        f"`lambdatune show {shop.path} --undo-apply` puts it back\n"
    )
    first, call, *warnings = err.splitlines()
    assert first == "function `shop`: 1024 MB becomes 512 MB"
    assert "update-function-configuration --function-name shop --memory-size 512 --revision-id" in call
    assert any("keep their size, and calls through them do too" in warning for warning in warnings)
    (change,) = journal_of(shop).pending()
    assert (change.memory_mb, change.changed_memory_mb) == (1024, 512)

    code, out, _ = said("show", str(shop.path), "--apply", "--yes")
    assert (code, out) == (0, "function `shop` has 512 MB already: nothing was changed\n")

    code, out, err = said("show", str(shop.path), "--undo-apply", "--yes")
    assert (code, mb(url)) == (0, 1024)
    assert "has 1024 MB in $LATEST again, as before 512 MB was applied" in out
    assert "512 MB becomes 1024 MB" in err
    code, _, err = said("show", str(shop.path), "--undo-apply", "--yes")
    assert (code, mb(url)) == (2, 1024)
    assert "there is nothing to put back" in err


def test_what_was_decided_anew_is_applied(said, shop, url) -> None:
    code, _, err = said("show", str(shop.path), "--apply", "--yes", "--strategy", "fastest")
    assert (code, mb(url)) == (0, 768)
    assert "! the run itself does not advise 768 MB: Use 512 MB" in err


@pytest.mark.parametrize(("typed", "size"), [("y\n", 512), ("n\n", 1024), ("\n", 1024)])
def test_on_a_terminal_it_asks(said, shop, url, monkeypatch, typed, size) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    code, out, err = said("show", str(shop.path), "--apply")
    assert (code, mb(url)) == (0, size)
    assert "Change it? [y/N]" in err
    assert ("nothing was changed" in out) == (size == 1024)


def test_without_a_terminal_it_needs_to_be_told(said, shop, url) -> None:
    for option in ("--apply", "--undo-apply"):
        code, _, err = said("show", str(shop.path), option)
        assert (code, mb(url)) == (2, 1024)
        assert f"{option} changes your function, and there is no terminal to ask on\n\nhint: add --yes" in err


def test_a_change_by_someone_else_between_question_and_answer_is_left(said, shop, url, monkeypatch) -> None:
    class Slow(Terminal):
        def readline(self, *_: int) -> str:  # type: ignore[override]
            set_mb(url, 640)
            return "y\n"

    monkeypatch.setattr(sys, "stdin", Slow())
    code, _, err = said("show", str(shop.path), "--apply")
    assert (code, mb(url)) == (7, 640)
    assert "was changed by someone else since it was looked at: nothing was changed" in err
    assert journal_of(shop).pending() == ()


def test_a_size_that_someone_else_has_set_since_is_not_undone(said, shop, url) -> None:
    said("show", str(shop.path), "--apply", "--yes")
    set_mb(url, 2048)
    code, _, err = said("show", str(shop.path), "--undo-apply", "--yes")
    assert (code, mb(url)) == (8, 2048)
    assert "someone else changed it since, and their choice stays" in err
    assert "--memory-size 1024" in err


@pytest.mark.parametrize("status", ["missed", "unproven", "invalid"])
def test_a_run_that_advises_nothing_changes_nothing(said, shop, url, status) -> None:
    amend_advice(shop, {"status": status})
    code, out, err = said("show", str(shop.path), "--apply", "--yes")
    assert (code, out, mb(url)) == (2, "", 1024)
    assert "advises no size, so that there is nothing to apply" in err


@pytest.mark.parametrize(
    ("advice", "why"),
    [
        ({"architecture": "arm64"}, "a size alone does not follow it"),
        ({"function": "other"}, "is for function `other`"),
    ],
)
def test_an_advice_that_is_more_than_a_size_is_not_applied_by_halves(said, shop, url, advice, why) -> None:
    amend_advice(shop, advice)
    code, _, err = said("show", str(shop.path), "--apply", "--yes")
    assert (code, mb(url)) == (2, 1024)
    assert why in err
    assert "--change TOOL" in err


def test_a_function_that_a_tag_gives_to_a_tool_is_changed_with_a_warning(said, shop, url) -> None:
    with client("lambda", url) as functions:
        arn = functions.get_function(FunctionName="shop")["Configuration"]["FunctionArn"]
        functions.tag_resource(Resource=arn, Tags={"managed-by": "Terraform"})
        code, _, err = said("show", str(shop.path), "--apply", "--yes")
        functions.untag_resource(Resource=arn, TagKeys=["managed-by"])
    assert (code, mb(url)) == (0, 512)
    assert "! its tag managed-by=Terraform says what deploys it: the next deployment sets its own size again" in err


@pytest.mark.parametrize("code", [ExitCode.UNPROVEN, ExitCode.TARGET_MISSED, ExitCode.INVALID, ExitCode.TERMINATED])
def test_a_run_that_did_not_end_well_applies_nothing(shop, url, code) -> None:
    told = headless._apply(shop, open_run(shop), code, assume_yes=True, quiet=False)
    assert told == f"--apply: the run ends with exit code {int(code)}: nothing was changed"
    assert mb(url) == 1024


def test_a_run_that_may_not_apply_its_advice_ends_before_its_first_call(said, shop, url, tmp_path) -> None:
    policed = Path(__file__).parents[1] / "support" / "policed_endpoint.py"
    process = subprocess.Popen(
        [sys.executable, str(policed), url, "--deny", "lambda:UpdateFunctionConfiguration@shop"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        place = ["--endpoint-url", process.stdout.readline().strip(), "--region", "us-east-1"]
        code, _, err = said("run", "--function", "shop", *place, "--apply", "--yes", "--output", str(tmp_path / "out"))
    finally:
        process.kill()
        process.communicate()
    assert (code, mb(url)) == (7, 1024)
    assert "setting the memory size of function `shop` was denied" in err
    assert "lambda:UpdateFunctionConfiguration" in err.partition("hint:")[2]
    assert not (tmp_path / "out").exists()


def test_finding_out_whether_it_may_be_applied_changes_nothing(url, shop) -> None:
    with client("lambda", url) as functions:
        before = functions.get_function_configuration(FunctionName="shop")["RevisionId"]
        asyncio.run(
            require_permission(Plan(FunctionSource("shop"), parse_memory("512"), region="us-east-1", endpoint_url=url))
        )
        assert functions.get_function_configuration(FunctionName="shop")["RevisionId"] == before
