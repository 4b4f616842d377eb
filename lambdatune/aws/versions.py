"""Versions of the user's own function: for users who may not create functions.

A version can only be published from `$LATEST`, so that each one takes three steps: set the memory size, publish, put
the configuration back. Between the first and the third an unqualified caller gets the other size; nothing else
happens in between. Every write is guarded by the RevisionId, and by a comparison of what is there with what was left
there: someone else's change is never written over.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdatune.aws.functions import variables_of, wait_ready, wait_settled
from lambdatune.aws.isolation import Version
from lambdatune.aws.marks import NONCE_VARIABLE
from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.change import Change
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from types_aiobotocore_lambda import LambdaClient

    from lambdatune.aws.access import AwsAccess
    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.aws.isolation import Ledger, Watcher
    from lambdatune.aws.marks import Maker
    from lambdatune.model.change import Place

REFUSED_SIZE = frozenset({"InvalidParameterValueException", "ValidationException"})
"""AWS's codes for a memory size that the account or the function cannot have."""

_GUARDED = (
    "CodeSha256", "Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize", "Architectures", "Layers",
    "EphemeralStorage", "LoggingConfig", "TracingConfig", "KMSKeyArn", "VpcConfig", "FileSystemConfigs",
    "DeadLetterConfig", "ImageConfigResponse",
)  # fmt: skip
"""Members of the configuration that only a person or a deployment changes; the environment comes to it."""

_TRIES = 3
"""AWS gives a function a new RevisionId also when an update of ours has come through."""


class OwnVersions:
    """Versions that a run publishes from the user's function.

    Args:
        access: where the function is.
        source: the function, as it was found.
        maker: the run.
        place: where changes are made, for the journal.
    """

    def __init__(self, access: AwsAccess, source: FunctionDescription, maker: Maker, place: Place) -> None:
        self.source = source
        self._access = access
        self._maker = maker
        self._place = place
        self._ledger: Ledger | None = None
        self._stock: dict[int, Version] = {}
        self._refused: dict[int, AwsRefused] = {}
        self._made = 0

    @property
    def log_group(self) -> str:
        """The function's own, which its versions write to as well."""
        return self.source.log_group

    @property
    def changes(self) -> tuple[str, ...]:
        """What happens to the function, and how it is undone."""
        name = self.source.name
        briefly = (
            f"for each version $LATEST of {name} has another memory size and the variable {NONCE_VARIABLE}, briefly"
        )
        return (
            f"{briefly}; put back at once, before calls are made",
            f"a published version of {name} per size, described `{self._maker.description}`; deleted at the end",
            f"the calls write to the function's own log group {self._log_group()}; the lines stay",
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What calls to the unqualified function see meanwhile."""
        name = self.source.name
        warnings = [f"calls to {name} without a version or alias can meet another memory size, and new environments"]
        if self.source.reserved_concurrency is not None:
            reserved = self.source.reserved_concurrency
            warnings.append(f"the calls take their share of the {reserved} executions reserved for the function")
        return tuple(warnings)

    async def prepare(self, ledger: Ledger, sizes_mb: Sequence[int], watcher: Watcher) -> None:
        """Publish a version per size.

        Raises:
            AwsRefused: when AWS refuses, or someone else changes the function meanwhile.
        """
        self._ledger = ledger
        ledger.intend(Change("publish-version", self.source.name, self._place, run=self._maker.run))
        sizes = ", ".join(map(str, sizes_mb))
        watcher.narrate(
            f"publishing versions of {self.source.name} at {sizes} MB: $LATEST changes and is put back, one by one"
        )
        for memory_mb in sizes_mb:
            if watcher.is_stopped():
                break
            try:
                self._stock[memory_mb] = await self._publish(memory_mb)
            except AwsRefused as error:
                if error.code not in REFUSED_SIZE:
                    raise
                self._refused[memory_mb] = error
        watcher.narrate(f"$LATEST of {self.source.name} is as it was")

    async def version(self, memory_mb: int) -> Version:
        """Return a version of `memory_mb` MB that was not called yet.

        Raises:
            AwsRefused: when AWS refuses, or someone else changed the function.
        """
        if memory_mb in self._refused:
            raise self._refused[memory_mb]
        return self._stock.pop(memory_mb, None) or await self._publish(memory_mb)

    async def discard(self, version: Version) -> None:
        """Delete a version that is not needed any more, and its environments with it.

        Raises:
            AwsRefused: when AWS refuses.
        """
        assert version.version is not None
        client = await self._access.functions()
        with refused(f"deleting version {version.version} of `{self.source.name}`"):
            await client.delete_function(FunctionName=self.source.name, Qualifier=version.version)
        self._journal.undone(self._published(version.version))

    async def _publish(self, memory_mb: int) -> Version:
        under_way = asyncio.ensure_future(self._change_and_publish(memory_mb))
        try:
            number = await asyncio.shield(under_way)
        except asyncio.CancelledError:
            # A request that is on its way cannot be called back: given up, it could come through after the undo.
            await asyncio.wait({under_way})
            raise
        client = await self._access.functions()
        await wait_ready(client, self.source.name, number)
        return Version(self.source.name, number, memory_mb)

    async def _change_and_publish(self, memory_mb: int) -> str:
        """Change `$LATEST`, publish it, put it back; return the number of the version."""
        client, name = await self._access.functions(), self.source.name
        with refused(f"publishing a version of `{name}` at {memory_mb} MB"):
            before = await wait_ready(client, name)
            self._check(before, self.source.configuration)
            self._made += 1
            nonce = self._maker.nonce(self._made, before["MemorySize"], memory_mb)
            wanted = _changed(before, memory_mb, {**variables_of(before), NONCE_VARIABLE: nonce})
            change = Change(
                "update-function", name, self._place, run=self._maker.run,
                memory_mb=before["MemorySize"], changed_memory_mb=memory_mb,
            )  # fmt: skip
            self._journal.intend(change)
            try:
                written = await self._write(client, before, wanted)
            except ClientError as error:
                if error_code(error) in REFUSED_SIZE:
                    self._journal.undone(change)
                raise
            number, after = await self._publish_version(client, written)
            await self._write(client, after, before)
            self._journal.undone(change)
            self._journal.intend(self._published(number))
        return number

    async def _write(self, client: LambdaClient, before: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
        """Write what `wanted` differs in from `before`, which is what is there; return what is there then."""
        revision = before["RevisionId"]
        for _ in range(_TRIES):
            try:
                await client.update_function_configuration(
                    FunctionName=self.source.name, MemorySize=wanted["MemorySize"],
                    Environment={"Variables": variables_of(wanted)}, RevisionId=revision,
                )  # fmt: skip
            except ClientError as error:
                if error_code(error) != "PreconditionFailedException":
                    raise
                now = await wait_settled(client, self.source.name)
                if is_same_configuration(now, wanted):
                    return now  # the answer to our first request was lost, and it was made again
                self._check(now, before)
                revision = now["RevisionId"]
                continue
            now = await wait_ready(client, self.source.name)
            self._check(now, wanted)
            return now
        raise self._changed_meanwhile()

    async def _publish_version(self, client: LambdaClient, written: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Publish what is `written` in `$LATEST`; return the version's number and what is in `$LATEST` then."""
        for _ in range(_TRIES):
            try:
                answer = await client.publish_version(
                    FunctionName=self.source.name, Description=self._maker.description,
                    RevisionId=written["RevisionId"],
                )  # fmt: skip
            except ClientError as error:
                if error_code(error) != "PreconditionFailedException":
                    raise
                now = await wait_settled(client, self.source.name)
                self._check(now, written)
                written = now
                continue
            return answer["Version"], written
        raise self._changed_meanwhile()

    @property
    def _journal(self) -> Ledger:
        assert self._ledger is not None, "nothing is changed before `prepare`"
        return self._ledger

    def _published(self, number: str) -> Change:
        return Change("publish-version", self.source.name, self._place, run=self._maker.run, version=number)

    def _log_group(self) -> str:
        configured: str | None = self.source.configuration.get("LoggingConfig", {}).get("LogGroup")
        return configured or f"/aws/lambda/{self.source.name}"

    def _check(self, now: dict[str, Any], expected: dict[str, Any]) -> None:
        if not is_same_configuration(now, expected):
            raise self._changed_meanwhile()

    def _changed_meanwhile(self) -> AwsRefused:
        return AwsRefused(
            f"someone else changed function `{self.source.name}` while it was being tuned: the run stops, and their "
            "change stays",
            hint="run it again when nothing is deployed meanwhile, or use --isolation clone",
        )


def _changed(configuration: dict[str, Any], memory_mb: int, variables: dict[str, str]) -> dict[str, Any]:
    return {**configuration, "MemorySize": memory_mb, "Environment": {"Variables": variables}}


def is_same_configuration(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two configurations are the same in all that a person or a deployment changes."""
    return variables_of(one) == variables_of(other) and all(one.get(key) == other.get(key) for key in _GUARDED)
