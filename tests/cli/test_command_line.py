"""What the command line says: help, errors, exit codes; never a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import click
import pytest

from lambdatune.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
TUNED = "https://lambda-power-tuning.show/#AAQABgAI;3t2NQUREREFERExB;ilmiNADhrzRWgeo0"
BIN = Path(sys.executable).parent / "lambdatune"


@pytest.fixture
def said(capsys):
    """Run a command line in this process; return its exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        captured = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return code, captured.out, captured.err

    return run


def test_without_a_command_the_usage_goes_to_stderr_and_the_code_is_2(said) -> None:
    code, out, err = said()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: lambdatune")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_line_in_the_list_of_commands_is_that_of_the_command(said, command) -> None:
    code, out, _ = said(command, "--help")
    assert code == 0
    assert COMMANDS[command].rstrip(".").split(";")[0].split(":")[0] in re.sub(r"\s+", " ", out)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["rnu"], "there is no command `rnu`: did you mean run?", "`lambdatune --help`"),
        (["run", "--memry", "1"], "no such option", "`lambdatune run --help`"),
        (["run"], "no function is given", "lambdatune demo"),
        (["run", "--function", "x", "--memory", "64"], "--memory: memory size 64 MB is out of range", "128"),
        (["run", "--function", "x", "--traffic", "much"], "--traffic: `much` is not a rate", "200/s"),
        (["run", "--function", "x", "--target", "p95<=1"], "--target: `1` is not a duration", "write 1ms"),
        (["run", "--function", "x", "--target", "cool.p95<=1s"], "does not know `cool`", "did you mean cold?"),
        (["run", "--function", "x", "--json", "/nonexistent/x.json"], "--json: `/nonexistent/x.json`", "exists"),
        (["run", "nope.toml"], "profile `nope.toml` does not exist", "quickstart"),
        (["run", "--continue", "20990101"], "run `20990101` was not found", "lambdatune runs"),
        (["run", "--continue", "x", "--memory", "128"], "own plan: --memory cannot be another one", "--max-usd"),
        (["run", "quickstart", "--continue", "x"], "a profile is given as well: `quickstart`", "leave the profile out"),
        (["run", "--power-tuning-input", "nope.json"], "--power-tuning-input: `nope.json` cannot be read", ""),
        (["run", "quickstart", "--power-tuning-input", "x"], "and profile `quickstart` is another", "leave one"),
        (["show", "20990101"], "run `20990101` was not found", "lambdatune runs"),
        (["show", "x", "--tag", "y"], "format text has no tags", "hgrm"),
        (["run", "--power-tuning-input", "https://x/#ab"], "is no visualization URL", "stateMachine.visualization"),
        (["run", "--power-tuning-input", TUNED], "does not tell which function", "--function NAME"),
        (["run", "--function", "sample:checkout", "--apply", "--yes"], "is code on this machine", "--change sam"),
        (["run", "--function", "shop", "--apply"], "--apply changes your function, and there is no", "--yes"),
        (["show", "https://x/#ab"], "is no visualization URL", "stateMachine.visualization"),
        (["show", TUNED, "--format", "csv"], "--format says nothing to a visualization URL", "leave it out"),
        (["show", "x", "--change", "sam", "--format", "csv"], "--change does one thing, and --format", "leave one"),
        (["show", "x", "--change", "sam", "--tag", "y"], "--tag says nothing to --change", "leave it out"),
        (["show", "x", "--apply", "--to", "y"], "--to says nothing to --apply", "leave it out"),
        (["show", "x", "--undo-apply", "--target", "p95<=1s"], "says nothing to --undo-apply", "leave it out"),
        (["show", "x", "--yes"], "--yes says nothing to --format", "leave it out"),
        (["show", "x", "--change", "pulumi"], "'pulumi' is not one of", "`lambdatune show --help`"),
        (["restore"], "expected either a RUN or --all", "restore --all"),
        (["restore", "x", "--all"], "expected either a RUN or --all", "restore --all"),
    ],
)
def test_a_usage_error_is_a_sentence_with_a_hint_and_exits_2(said, arguments, message, hint) -> None:
    code, out, err = said(*arguments)
    assert (code, out) == (2, "")
    first, _, rest = err.partition("\n\nhint: ")
    assert first.startswith("error: ")
    assert message in first
    assert hint in rest


def test_no_region_is_an_error_that_says_where_one_is_set(said, monkeypatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    code, _, err = said("run", "--function", "shop")
    assert code == 2
    assert "no AWS region is set" in err


def test_an_unknown_aws_profile_is_a_usage_error(said, monkeypatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    code, _, err = said("run", "--function", "shop", "--aws-profile", "nope", "--region", "us-east-1")
    assert code == 2
    assert "nope" in err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_does_not_wait_for_heavy_imports(command) -> None:
    program = "import sys; from lambdatune.cli.main import _run; _run(sys.argv[1:]); print(*sys.modules)"
    arguments = [command, "--help"] if command else ["--help"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"aioboto3", "botocore", "numpy", "scipy", "aiohttp", "rich", "hdrh", "psutil", "asyncio"}


def test_a_bare_endpoint_and_shard_load_only_what_they_need() -> None:
    for module, never in (
        ("lambdatune.local.server", {"numpy", "botocore", "rich", "scipy", "click"}),
        ("lambdatune.load.shard", {"botocore", "aiohttp", "rich", "scipy", "hdrh", "click"}),
    ):
        program = f"import sys, {module}; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert not set(done.stdout.split()) & never, module


def test_the_output_in_the_documentation_is_what_the_commands_print() -> None:
    program = (
        "import sys; sys.path.insert(0, 'docs'); import generate\n"
        "stale = [str(page) for page in generate.PAGES"
        " if generate.filled(page.read_text(encoding='utf-8'), everything=False) != page.read_text(encoding='utf-8')]\n"
        "print(*stale); sys.exit(bool(stale))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run `python docs/generate.py`: {done.stdout}{done.stderr}"


def test_colour_is_used_on_a_terminal_only(said, monkeypatch) -> None:
    _, _, err = said("rnu")
    assert "\x1b[" not in err


def test_a_defect_is_told_in_a_sentence_and_its_trace_goes_to_a_file(said, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    planted = types.ModuleType("planted")
    planted.command = click.Command("planted", callback=lambda: {}["missing"])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lambdatune.cli.commands.planted", planted)
    monkeypatch.setitem(COMMANDS, "planted", "A command with a defect.")
    code, out, err = said("planted")
    assert (code, out) == (1, "")
    assert err.startswith("error: this is a defect in lambdatune: KeyError: 'missing'")
    assert "Traceback" not in err
    (trace,) = tmp_path.glob("lambdatune-*.txt")
    assert "Traceback" in trace.read_text()


def test_python_dash_m_is_not_needed_for_the_console_script() -> None:
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run([str(BIN), "--version"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lambdatune, version ")
