"""What the screens ask besides a run, each question answered with one look at AWS."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.functions import list_functions
from lambdatune.session.apply import apply, plan_apply, undo_apply
from lambdatune.session.live.messages import (
    Applied,
    Apply,
    ApplyPlanned,
    CardShown,
    FunctionListed,
    FunctionsListed,
    ListFunctions,
    PlanApply,
)
from lambdatune.session.live.plans import plan_of_settings
from lambdatune.session.plan_card import ASSUMED_BILLED_MS
from lambdatune.session.run_directory import RunDirectory
from lambdatune.session.session import Session

if TYPE_CHECKING:
    from lambdatune.model.plan import Plan
    from lambdatune.session.live.messages import Answer, Question
    from lambdatune.session.plan_card import PlanCard
    from lambdatune.session.subject import Subject


async def answer_to(question: Question) -> Answer:
    """Return the answer to a question.

    Raises:
        LambdatuneError: why there is none.
    """
    if isinstance(question, ListFunctions):
        return await _functions(question)
    if isinstance(question, PlanApply):
        planned = await plan_apply(RunDirectory(Path(question.run_path)), question.memory_mb)
        return ApplyPlanned(question.question, **asdict(planned))
    if isinstance(question, Apply):
        return Applied(question.question, await _apply(question))
    plan = plan_of_settings(question.settings)
    card, subject = await Session(plan, output=Path()).look_up()
    return _card_shown(question.question, plan, card, subject)


async def _apply(question: Apply) -> str:
    run = RunDirectory(Path(question.run_path))
    if question.undo:
        return await undo_apply(run, question.revision_id)
    return await apply(run, question.memory_mb, question.revision_id)


async def _functions(question: ListFunctions) -> FunctionsListed:
    async with AwsAccess(
        region=question.region, aws_profile=question.aws_profile, endpoint_url=question.endpoint_url
    ) as access:
        found = await list_functions(access)
        place = f"{access.region} at {question.endpoint_url}" if question.endpoint_url else access.region
    listed = (
        FunctionListed(each.name, each.runtime, each.architecture, each.memory_mb, each.modified) for each in found
    )
    return FunctionsListed(question.question, place, tuple(listed))


def _card_shown(number: int, plan: Plan, card: PlanCard, subject: Subject) -> CardShown:
    found = subject.description
    per_s = plan.arrivals_per_s or plan.concurrency / (ASSUMED_BILLED_MS / 1000)
    return CardShown(
        question=number,
        function=card.function,
        place=card.place,
        runtime=found.runtime,
        architecture=subject.measured.architecture,
        current_memory_mb=None if plan.function.is_path else found.memory_mb,
        sizes_mb=card.sizes_mb,
        calls=card.calls,
        usd_per_100ms=card.usd_per_100ms,
        minutes=card.calls / per_s / 60,
        currency=card.currency,
        load=card.load,
        costs_money=card.costs_money,
        changes=card.changes,
        warnings=card.warnings,
    )
