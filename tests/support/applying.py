"""A user's function on an endpoint, a run that measured it, and an engine that applies in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lambdatune.model.errors import LambdatuneError
from lambdatune.session.apply import apply, plan_apply, undo_apply
from lambdatune.session.live.messages import Applied, Apply, ApplyPlanned, PlanApply, Refused
from lambdatune.session.run_directory import RunDirectory
from lambdatune.tui import app
from support.faults import client
from support.recorded_runs import Recipe, make_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambdatune.session.live.messages import Answer, Question

REGION = "us-east-1"
SHOP = Recipe(function="shop", region=REGION, architecture="x86_64", runtime="python3.12")


@contextmanager
def local_endpoint(*options: str) -> Iterator[str]:
    """Run an embedded endpoint; return its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lambdatune.local", "--port", "0", "--exit-with-stdin", *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["endpoint_url"]
    process.communicate(timeout=20)


def measured_on(url: str, output: Path, function: str = "shop", **plan: Any) -> RunDirectory:
    """Write a recorded run of a function on an endpoint, as its run.json would name it."""
    run = make_run(output, SHOP)
    with client("lambda", url) as functions:
        found = functions.get_function_configuration(FunctionName=function)
    record = json.loads((run.path / "run.json").read_text())
    record["function"] |= {"name": function, "arn": found["FunctionArn"], "memory_mb": found["MemorySize"]}
    record["plan"] |= {"endpoint_url": url, **plan}
    record["plan"]["function"]["name"] = function
    record["environment"] |= {"endpoint_url": url, "code_sha256": found["CodeSha256"]}
    (run.path / "run.json").write_text(json.dumps(record))
    return run


class EngineHere:
    """Answers what is asked about applying, with what the engine process calls for it."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    def tell(self, message: Any) -> None:
        raise AssertionError(message)

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        try:
            match question:
                case PlanApply(number, path, memory_mb):
                    planned = await plan_apply(RunDirectory(Path(path)), memory_mb)
                    return ApplyPlanned(number, *(getattr(planned, name) for name in msgspec_fields(ApplyPlanned)))
                case Apply(number, path, memory_mb, revision_id, undo):
                    run = RunDirectory(Path(path))
                    done = undo_apply(run, revision_id) if undo else apply(run, memory_mb, revision_id)
                    return Applied(number, await done)
        except LambdatuneError as error:
            return Refused(question.question, error.message, error.hint)
        raise AssertionError(question)


def msgspec_fields(kind: type) -> tuple[str, ...]:
    """Return the fields of a message, its number left out."""
    return tuple(field.name for field in msgspec.structs.fields(kind) if field.name != "question")


class ApplyingApp(app.LambdatuneApp):
    """The screens with an engine that applies in this process."""

    CSS_PATH = Path(app.__file__).with_name("lambdatune.tcss")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.engine_here = EngineHere()

    async def engine(self) -> EngineHere:
        return self.engine_here
