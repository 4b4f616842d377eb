"""The event source mapping by which Lambda takes messages from a queue or stream to the clone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdatune.aws.modes.protocol import ALIAS
from lambdatune.aws.modes.waiting import once_known, until
from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.change import Change

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Watcher
    from lambdatune.aws.modes.site import Site

_LATER = frozenset({"InvalidParameterValueException"})
_LATER_WORDS = "permission"
"""Lambda tries whether the role may read; the policy that lets it takes a while to be in force."""

_PATIENCE_S = 300.0
"""Mappings of streams take a minute or two on AWS until they are enabled."""


async def map_source(
    site: Site, source_arn: str, ledger: Ledger, watcher: Watcher, *, reading: tuple[str, ...], **members: Any
) -> None:
    """Let Lambda take messages from `source_arn` to the clone's alias; on return it does.

    Args:
        site: the run.
        source_arn: of the queue or stream.
        ledger: where it is written before.
        watcher: is told of waits.
        reading: actions of reading, which the source's policy allows the clone's role.
        **members: further members of CreateEventSourceMapping.

    Raises:
        AwsRefused: when AWS refuses, or it is not enabled after minutes.
    """
    ledger.intend(Change("create-event-source-mapping", site.clone, site.place))
    client: Any = await site.access.functions()
    with refused(f"mapping {source_arn} to `{site.clone}`"):
        try:
            made = await once_known(
                lambda: client.create_event_source_mapping(
                    EventSourceArn=source_arn, FunctionName=f"{site.clone}:{ALIAS}", Tags=site.tags, **members
                ),
                _LATER, "the policy that lets the clone read to be in force", watcher, words=_LATER_WORDS,
                hint=site.role_hint(reading, source_arn),
            )  # fmt: skip
        except ClientError as error:
            # An answer that was lost is asked for again, and finds the mapping that the first request made.
            if error_code(error) != "ResourceConflictException":
                raise
            found = await client.list_event_source_mappings(
                FunctionName=f"{site.clone}:{ALIAS}", EventSourceArn=source_arn
            )
            made = found["EventSourceMappings"][0]

    async def state() -> str:
        with refused(f"reading the event source mapping of `{site.clone}`"):
            return str((await client.get_event_source_mapping(UUID=made["UUID"]))["State"])

    await until("Enabled", state, f"the event source mapping of {site.clone}", watcher, patience_s=_PATIENCE_S)
