"""The entry point: finds the command, and turns what goes wrong into a sentence and an exit code."""

from __future__ import annotations

import importlib
import os
import sys

import click

import lambdatune
from lambdatune.model.errors import ExitCode, LambdatuneError, did_you_mean

COMMANDS = {
    "demo": "Tune a bundled function on the embedded endpoint; no account needed.",
    "run": "Tune a function: measure memory sizes, recommend the cheapest that meets the targets.",
    "tui": "Tune on screens: set up, run and steer, results, what-if, comparison.",
    "compare": "Hold recorded runs side by side: verdicts, the best of all; --gate for CI.",
    "show": "Render a recorded run.",
    "runs": "List recorded runs.",
    "local": "Serve the embedded AWS-compatible endpoint by itself.",
    "restore": "Undo what an interrupted run left behind.",
    "doctor": "Check credentials, permissions, limits and host; print the IAM policy to ask for.",
}
"""Command to its line in the help; the help needs no command's module, so that it answers at once."""


class _LazyGroup(click.Group):
    """Imports ``lambdatune.cli.commands.<name>`` when that command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"lambdatune.cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and name not in COMMANDS:
            raise click.UsageError(f"there is no command `{name}`: {did_you_mean(name, COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(lambdatune.__version__, prog_name="lambdatune")
@click.pass_context
def cli(context: click.Context) -> None:
    """Find the cheapest memory size of a Lambda function that meets your latency target.

    The answer comes with the evidence to believe it. stdout is the result, stderr the narration.

    Without a command: the screens on a terminal (as `lambdatune tui`), this text elsewhere.
    """
    if context.invoked_subcommand is None:
        if sys.stdin.isatty() and sys.stdout.isatty():
            from lambdatune.cli.surface import show_screens  # noqa: PLC0415  only when the screens are shown

            context.exit(show_screens())
        click.echo(context.get_help(), err=True)
        context.exit(ExitCode.USAGE)


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit; the console script."""
    code = _run(argv)
    _let_go_of_closed_streams()
    sys.exit(code)


def _let_go_of_closed_streams() -> None:
    """Send what a closed terminal or pipe did not take to nowhere: Python would try again, and exit with 120 for it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except ValueError:
            continue  # closed already
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _run(argv: list[str] | None) -> int:
    try:
        code = cli.main(argv, prog_name="lambdatune", standalone_mode=False)
    except click.ClickException as error:
        _say_usage(error)
        return error.exit_code
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted", None)
        return ExitCode.INTERRUPTED
    except LambdatuneError as error:
        _say(error.message, error.hint)
        return error.exit_code
    except BrokenPipeError:
        # The reader of stdout went away: that is its right, and nothing more can be told there.
        sys.stderr.close()
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001  the border of the program: the user gets a sentence, a file the trace
        _say(*_told_to_a_file(error))
        return ExitCode.INTERNAL
    return code if isinstance(code, int) else ExitCode.OK


def _told_to_a_file(error: Exception) -> tuple[str, str]:
    """Write the trace of a defect to a file; return a sentence and a hint for the user."""
    import tempfile  # noqa: PLC0415  only a defect needs these
    import traceback  # noqa: PLC0415

    with tempfile.NamedTemporaryFile("w", prefix="lambdatune-", suffix=".txt", delete=False) as file:
        traceback.print_exception(error, file=file)
    sentence = f"this is a defect in lambdatune: {type(error).__name__}: {error}"
    return sentence, f"please report it with {file.name}; `lambdatune restore --all` undoes what a run left"


def _say_usage(error: click.ClickException) -> None:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "lambdatune"
    message = error.format_message()
    _say(message[:1].lower() + message[1:].rstrip("."), f"`{path} --help` lists what it takes")


def _say(message: str, hint: str | None) -> None:
    click.echo(f"{click.style('error', fg='red')}: {message}", err=True)
    if hint:
        click.echo(f"\n{click.style('hint', fg='cyan')}: {hint}", err=True)
