"""Every command that the documentation shows is run, or there is a reason why not; links and files are there."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from support.documented_commands import (
    EXCEPTIONS,
    PAGES,
    ROOT,
    Shell,
    commands_of,
    has_known_options,
    mentioned_in,
)
from support.program import make_function, running_endpoint, sdk
from support.run_json import undescribed
from support.signing import KEY

from lambdatune.model.errors import ExitCode, LambdatuneError

if TYPE_CHECKING:
    from collections.abc import Iterator

HANDLER = "def handler(event, context):\n    return {'ok': True}\n"
BY_NAME = ("my-function", "shop")
ENDED = {ExitCode.OK, ExitCode.TARGET_MISSED, ExitCode.REGRESSION, ExitCode.UNPROVEN, ExitCode.INVALID}
"""How a run may end that is cut short: what it proves in thirty calls is not the documentation's matter."""
BUILDS_ON = {"first-run-on-aws.md": "getting-started.md"}
"""Page to the page whose files its reader has."""


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_endpoint() as local:
        yield local.url


@pytest.fixture
def page_directory(tmp_path, monkeypatch) -> Path:
    """Return the current directory of a reader, with an event and a zip of code."""
    where = tmp_path / "reader"
    where.mkdir()
    (where / "event.json").write_text("{}")
    with zipfile.ZipFile(where / "shop.zip", "w") as package:
        package.writestr("app.py", HANDLER)
    monkeypatch.chdir(where)
    for name in ("GITHUB_STEP_SUMMARY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    return where


def have_functions(url: str, commands: list[str]) -> None:
    """Have those functions on the endpoint that a page names and does not create."""
    client = sdk().create_client(
        "lambda", "us-east-1", endpoint_url=url, aws_access_key_id=KEY, aws_secret_access_key=KEY
    )
    there = {function["FunctionName"] for function in client.list_functions()["Functions"]}
    for name in BY_NAME:
        if any("create-function" in command and f" {name} " in command for command in commands):
            if name in there:
                client.delete_function(FunctionName=name)
        elif name not in there:
            make_function(url, name, HANDLER, memory_mb=1024)
    client.close()


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)], ids=page_name)
def test_every_command_of_a_page_runs(page, page_directory, url) -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    from generate import write_files  # noqa: PLC0415

    commands = commands_of(page)
    if page.name in BUILDS_ON:
        write_files(page.with_name(BUILDS_ON[page.name]).read_text(encoding="utf-8"), page_directory)
    write_files(page.read_text(encoding="utf-8"), page_directory)
    have_functions(url, commands)
    shell = Shell(url)
    for command in commands:
        if command in EXCEPTIONS:
            EXCEPTIONS[command].check(command)
            continue
        code, ran = shell.run(command)
        may_fail = command.startswith(("lambdatune run", "lambdatune compare"))
        assert code in (ENDED if may_fail else {ExitCode.OK}), f"{command}\nwas run as {ran}\nand ended with {code}"
    directories = [rows.parent for rows in page_directory.parent.rglob("invocations.csv")]
    made = {where.parent if (where.parent / "variants.json").exists() else where for where in directories}
    assert len(made) == shell.measured
    runs = [json.loads((where / "run.json").read_text()) for where in directories]
    assert all(run["status"] == "complete" and run["spend"]["invocations"] > 0 for run in runs)
    assert all(undescribed(run) == set() for run in runs)


def test_every_exception_has_a_reason_and_is_still_shown() -> None:
    shown = {command for page in PAGES for command in commands_of(page)}
    assert EXCEPTIONS.keys() <= shown
    assert all(exempt.reason for exempt in EXCEPTIONS.values())


def test_a_command_that_is_wrong_is_noticed(page_directory, url) -> None:
    with pytest.raises((click.ClickException, LambdatuneError)):
        EXCEPTIONS["lambdatune tui shop.toml"].check("lambdatune tui --memry 128")
    with pytest.raises(AssertionError, match="--formt"):
        has_known_options("lambdatune show RUN --formt csv")
    assert Shell(url).run("lambdatune show latest")[0] == ExitCode.USAGE


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_commands_within_sentences_have_options_that_exist(page) -> None:
    for command in mentioned_in(page):
        has_known_options(command)


@pytest.mark.parametrize("page", [page for page in PAGES if page.suffix == ".md"], ids=page_name)
def test_every_link_leads_to_a_file_and_a_heading(page) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def anchors(file: Path) -> set[str]:
    """Return the anchors of a page's headings as GitHub makes them."""
    text = re.sub(r"```.*?```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in PAGES:
        if page.parent == ROOT / "docs" and page.name != "README.md":
            assert f"({page.name})" in index, page.name
