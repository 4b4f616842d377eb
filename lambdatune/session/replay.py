"""A recorded run, made ready to be shown: from run.json, or from its rows when it was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdatune.model.cell import Cell
from lambdatune.model.errors import UsageError
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import FunctionSource, Limits, Payload, Plan
from lambdatune.model.target import parse_target
from lambdatune.pricing.cost import Tariff
from lambdatune.recommend.evidence import gather
from lambdatune.session.measure import Outcome
from lambdatune.session.results import Facts, compose
from lambdatune.session.row_file import read_rows

if TYPE_CHECKING:
    from lambdatune.model.result import RunResult
    from lambdatune.session.run_directory import RunDirectory
    from lambdatune.stats.rows import Rows


def open_run(run: RunDirectory) -> RunResult:
    """Return the result of a recorded run.

    A run that was killed has rows that its run.json does not know of yet: its result is made from them.

    Raises:
        UsageError: when the directory holds no run, or its files cannot be read.
    """
    result = run.read()
    if result.finished is not None:
        return result
    plan = plan_of(result.plan)
    cells = cells_of(result)
    environment = result.environment
    tariff = Tariff.of(environment["region"], result.function.architecture, environment["ephemeral_storage_mb"])
    evidence = gather(cells, plan, tariff)
    rows = recorded_rows(run, result)
    for index, cell in enumerate(evidence):
        cell.add(rows[rows["cell"] == index])
    facts = Facts(result.id, result.started, None, result.function, environment)
    return compose(plan, evidence, facts, "interrupted", Outcome())


def recorded_rows(run: RunDirectory, result: RunResult) -> Rows:
    """Return every call of a recorded run."""
    return read_rows(run.rows_path, cells_of(result))


def cells_of(result: RunResult) -> list[Cell]:
    """Return the cells of a result, in the order that its rows count them."""
    return [Cell(cell.function, cell.memory_mb, cell.architecture, cell.runtime, cell.mode) for cell in result.cells]


def plan_of(record: dict[str, Any]) -> Plan:
    """Return the plan that run.json holds, without the payloads' bytes, which are not recorded.

    Raises:
        UsageError: when the record is not a plan.
    """
    try:
        return Plan(
            function=FunctionSource(**record["function"]),
            memory=parse_memory(record["memory"]),
            targets=tuple(map(parse_target, record["targets"])),
            mode=record["mode"],
            confidence=record["confidence"],
            concurrency=record["concurrency"],
            cold_starts=record["cold_starts"],
            cold_rate=record["cold_rate"],
            limits=Limits(**record["limits"]),
            payloads=tuple(Payload(b"", payload["weight"]) for payload in record["payloads"]),
            endpoint_url=record["endpoint_url"],
            region=record["region"],
            aws_profile=record["aws_profile"],
            seed=record["seed"],
        )
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"the plan in run.json is not complete: {error}", hint="use the version that wrote it"
        ) from error
