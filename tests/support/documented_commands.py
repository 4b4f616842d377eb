"""The commands that the documentation shows: found in its pages, and run as they stand but for limits and the endpoint.

Every line of a fence ``sh`` or ``console`` is a command. It is run for real, unless `EXCEPTIONS` says why it is not and
what is checked instead.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml

from lambdatune.cli.main import cli, main
from lambdatune.cli.plan_options import comparison_from
from lambdatune.session.settings import build_plan
from lambdatune.session.variants.settings import is_comparison, variants_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(EXAMPLES.glob("*.yml")))
SHOWN_URL = "http://127.0.0.1:9001"

_FENCE = re.compile(
    r"(?P<file><!-- file [^\n]+ -->\n)?^```(?:sh|console)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_GENERATED = re.compile(r"<!-- (?:aws )?\$ ([^\n]+?) -->")
_INLINE = re.compile(r"`(lambdatune(?: [^`]+)?)`")
_LAST = "latest"
_LIMITS = ("--memory=512", "--cold-starts=1", "--confidence=0.5", "--max-invocations=30", "--quiet")


@dataclass(frozen=True)
class Exempt:
    """A command that is not run.

    Attributes:
        reason: why.
        check: what is looked at instead; raises when it is wrong.
    """

    reason: str
    check: Callable[[str], None]


def commands_of(page: Path) -> list[str]:
    """Return the commands that a page shows, in their order, each on one line and without its comment."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".yml":
        return _commands_of_example(yaml.safe_load(text))
    blocks = [match["text"] for match in _FENCE.finditer(text) if not match["file"]]
    return [command for block in blocks for command in _lines(block)]


def _lines(block: str) -> Iterator[str]:
    for line in block.replace("\\\n", " ").splitlines():
        command = re.sub(r"\s+", " ", re.sub(r"\s+#\s.*$", "", line)).strip()
        if command:
            yield command.replace(".venv/bin/lambdatune", "lambdatune")


def _commands_of_example(document: dict[str, object]) -> list[str]:
    """Return the commands of an example, each once: lines of GitLab's scripts, uses of the action on GitHub."""
    found: list[str] = []
    jobs = document.get("jobs")
    for job in jobs.values() if isinstance(jobs, dict) else document.values():
        if not isinstance(job, dict):
            continue
        for part in ("before_script", "script", "after_script"):
            found += [command for line in job.get(part, ()) for command in _lines(line)]
        for step in job.get("steps", ()):
            if "/lambdatune@" in step.get("uses", ""):
                found.append(_command_of_action(step["with"]))
    return list(dict.fromkeys(found))


def _command_of_action(given: dict[str, str]) -> str:
    """Return the command that the action makes of its inputs."""
    known = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"]
    assert given.keys() <= known.keys(), given
    words = ["lambdatune", "run", "--plain", "--yes"]
    words += [f"--function={given['function']}"] if "function" in given else []
    words += [f"--target={line}" for line in given.get("targets", "").splitlines()]
    words += [f"--baseline={_LAST}"] if "baseline" in given else []
    words += given.get("args", "").splitlines()
    words += [given["profile"]] if "profile" in given else []
    return shlex.join(words)


def mentioned_in(page: Path) -> set[str]:
    """Return the commands that stand within sentences of a page, and those whose output it shows."""
    text = page.read_text(encoding="utf-8")
    return {re.sub(r"\s+", " ", command) for command in (*_GENERATED.findall(text), *_INLINE.findall(text))}


def parses(command: str) -> None:
    """Have click read a command of ours, and the plan be made of it: every option exists and every value is one."""
    words = shlex.split(command)
    assert words[0] == "lambdatune", command
    root = click.Context(cli, info_name="lambdatune", **cli.context_settings)
    found = cli.get_command(root, words[1])
    assert found is not None, command
    given = dict(found.make_context(words[1], words[2:], parent=root).params)
    if "function" in given:
        described, tables = comparison_from(given.pop("what" if words[1] == "tui" else "profile"), given)
        if is_comparison(described, tables):
            variants_of(described, tables)
        else:
            build_plan(described)


def has_known_options(command: str) -> None:
    """See that a command that is only mentioned, maybe with words for values, is one whose options exist."""
    program, *words = shlex.split(command.partition(" | ")[0])
    root = click.Context(cli, info_name="lambdatune", **cli.context_settings)
    if program != "lambdatune" or not words or words[0].startswith(("-", "[", "COMMAND")):
        return
    found = cli.get_command(root, words[0])
    assert found is not None, command
    known = {name for option in found.get_params(root) for name in (*option.opts, *option.secondary_opts)}
    unknown = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} - known - {"-h"}
    assert not unknown, f"{command}: there is no {', '.join(sorted(unknown))}"


def _is_bash(command: str) -> None:
    subprocess.run(["bash", "-n", "-c", command], check=True)


def _is_target(command: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE)


def _is_extra(command: str) -> None:
    assert re.search(r"^dask = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)


def _is_policy(command: str) -> None:
    """Have the AWS CLI read a command without sending anything, and see that IAM has room for its policy."""
    subprocess.run(
        f"{Path(sys.executable).parent}/{command} --generate-cli-skeleton", shell=True, check=True,
        stdout=subprocess.DEVNULL, env={**os.environ, "AWS_PAGER": "", "AWS_DEFAULT_REGION": "us-east-1"},
    )  # fmt: skip
    policy = Path(command.rpartition("file://")[2]).read_text(encoding="utf-8")
    assert json.loads(policy)["Version"] == "2012-10-17"
    assert len(re.sub(r"\s", "", policy)) <= 6_144  # IAM quotas: a managed policy, without white space


_INSTALLS = Exempt("installs, as the Makefile does before any test", _is_bash)
_SERVED = Exempt("the endpoint of these tests is that very command, on a free port", parses)
_IAM = Exempt("the embedded endpoint has no IAM", _is_policy)

EXCEPTIONS: dict[str, Exempt] = {
    "make demo": Exempt("takes a minute; its command is `lambdatune demo`, tried in tests/e2e", _is_target),
    "make test": Exempt("is what runs this test", _is_target),
    "pip install .": _INSTALLS,
    'pip install --quiet "$LAMBDATUNE"': _INSTALLS,
    "pip install 'lambdatune[dask]'": Exempt("installed for the tests", _is_extra),
    "python3 -m venv ~/.local/lambdatune": _INSTALLS,
    "~/.local/lambdatune/bin/pip install .": _INSTALLS,
    'export PATH="$HOME/.local/lambdatune/bin:$PATH"': Exempt("of the reader's shell", _is_bash),
    "export AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=us-east-1": Exempt(
        "the AWS CLI of these tests has them", _is_bash
    ),
    "lambdatune local --port 9001 &": Exempt(_SERVED.reason, lambda command: parses(command.rstrip("& "))),
    "lambdatune tui shop.toml": Exempt("needs a terminal: tests/e2e/test_tui.py drives the screens in one", parses),
    "lambdatune run --function shop --concurrency 200 --dask tls://scheduler.example:8786": Exempt(
        "needs a cluster: tests/e2e/test_cluster_run.py has one", parses
    ),
    "aws iam create-policy --policy-name lambdatune-shop --policy-document file://policy.json": _IAM,
    "aws iam create-policy --policy-name lambdatune-my-function --policy-document file://policy.json": _IAM,
    'printf %s "$AWS_TOKEN" > "$AWS_WEB_IDENTITY_TOKEN_FILE"': Exempt("the token is GitLab's", _is_bash),
}
"""Command to why it is not run. What is in no page any more is found out."""


@dataclass
class Shell:
    """Runs commands of a page in the current directory.

    Attributes:
        url: of the embedded endpoint that stands where the documentation shows 127.0.0.1:9001, and for AWS.
        measured: runs that were made.
    """

    url: str
    measured: int = field(default=0)

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; return its exit code, and as what it was run."""
        here = command.replace(SHOWN_URL, self.url)
        if command.startswith("lambdatune "):
            return self._run_ours(here)
        environment = {
            **os.environ, "AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": "",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }  # fmt: skip
        return subprocess.run(
            ["bash", "-ec", here], env=environment, check=False, stdout=subprocess.DEVNULL
        ).returncode, here

    def _run_ours(self, command: str) -> tuple[int, str]:
        """Run a command of ours in this process, with limits where it calls, and never towards AWS itself."""
        command, _, file = command.partition(" > ")
        words = [name for word in shlex.split(command)[1:] for name in _expanded(word)]
        if words[0] == "run":
            words += [limit for limit in _LIMITS if not (limit.startswith("--cold-starts") and _is_provisioned(words))]
        if words[0] in {"run", "doctor"} and _is_named(words):
            words += [f"--endpoint-url={self.url}", "--region=us-east-1"]
        if "--apply" in words or "--undo-apply" in words:
            words.append("--yes")
        if words[0] == "restore" and "--region" in words:
            words.append(f"--endpoint-url={self.url}")
        code = _ended(words, Path(file) if file else None)
        self.measured += words[0] == "run"
        return code, shlex.join(words)


def _expanded(word: str) -> list[str]:
    """Return the files that a word with an asterisk means, as a shell does."""
    return sorted(map(str, Path().glob(word))) if "*" in word else [word]


def _is_named(words: list[str]) -> bool:
    """Whether a function is given by its name, and so would be looked for on AWS."""
    given = [after for word, after in itertools.pairwise(words) if word == "--function"]
    given += [word.partition("=")[2] for word in words if word.startswith("--function=")]
    return bool(given) and not given[0].startswith("sample:") and {"--runtime", "--entry-point"}.isdisjoint(words)


def _is_provisioned(words: list[str]) -> bool:
    """Whether a plan has provisioned concurrency, which leaves no call to start cold."""
    profiles = [Path(word) for word in words if word.endswith(".toml")]
    return any("provisioned-concurrency" in text for text in (*words, *(path.read_text() for path in profiles)))


def _ended(words: list[str], file: Path | None) -> int:
    """Run a command of ours in this process, its stdout to a file or nowhere, and return its exit code."""
    with (file or Path(os.devnull)).open("w", encoding="utf-8") as out, contextlib.redirect_stdout(out):
        try:
            main(words)
        except SystemExit as leave:
            return int(leave.code or 0)
    raise AssertionError("main returned")
