"""What the screens ask besides a run, each question answered with one look at AWS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lambdatune.aws.access import AwsAccess
from lambdatune.aws.functions import list_functions
from lambdatune.session.live.messages import CardShown, FunctionListed, FunctionsListed, ListFunctions, LookUp
from lambdatune.session.live.plans import plan_of_settings
from lambdatune.session.plan_card import ASSUMED_BILLED_MS
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
    assert isinstance(question, LookUp)
    plan = plan_of_settings(question.settings)
    card, subject = await Session(plan, output=Path()).look_up()
    return _card_shown(question.question, plan, card, subject)


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
        architecture=found.architecture,
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
