"""The alias of the clone that everything points to, and who may call it."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdatune.aws.functions import LATEST
from lambdatune.aws.modes.protocol import ALIAS
from lambdatune.aws.provisioned import provide, take_away
from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.site import Site

_KNOWN_EVERYWHERE_S = 2.0
"""AWS's data plane follows a moved alias within about a second."""

_EXISTS = "ResourceConflictException"


class Alias:
    """The alias; it goes with the clone.

    It is made before there is a version, pointing to `$LATEST`, because what invokes the clone by it wants it to be
    there. Nothing is sent before it points to a version.

    Args:
        site: the run.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ledger: Ledger | None = None
        self._watcher: Watcher | None = None
        self._is_provisioned = False

    async def make(self, ledger: Ledger, watcher: Watcher) -> None:
        """Make it, if it is not there.

        Args:
            ledger: where its provisioned concurrency is written before it is put.
            watcher: may have had enough of waiting for that.

        Raises:
            AwsRefused: when AWS refuses.
        """
        self._ledger, self._watcher = ledger, watcher
        client = await self._site.access.functions()
        with refused(f"creating alias `{ALIAS}` of `{self._site.clone}`"):
            try:
                await client.create_alias(FunctionName=self._site.clone, Name=ALIAS, FunctionVersion=LATEST)
            except ClientError as error:
                if error_code(error) != _EXISTS:
                    raise

    async def move(self, version: Version) -> None:
        """Let it point to `version`; on return it does, for whoever calls.

        Raises:
            AwsRefused: when AWS refuses, or says something else afterwards.
        """
        assert version.version is not None
        client = await self._site.access.functions()
        if self._is_provisioned:
            # Kept while it moves, calls would reach the environments of the version before until the new ones are up.
            await take_away(self._site.access, self._site.clone, ALIAS)
            self._is_provisioned = False
        with refused(f"moving alias `{ALIAS}` of `{self._site.clone}` to version {version.version}"):
            await client.update_alias(FunctionName=self._site.clone, Name=ALIAS, FunctionVersion=version.version)
            if self._site.is_aws:
                await asyncio.sleep(_KNOWN_EVERYWHERE_S)
            now = await client.get_alias(FunctionName=self._site.clone, Name=ALIAS)
        if now["FunctionVersion"] != version.version:
            raise AwsRefused(
                f"alias `{ALIAS}` of `{self._site.clone}` points to version {now['FunctionVersion']}, not to "
                f"{version.version}: something else moves it",
                hint="run it again, and leave functions named lambdatune-* alone meanwhile",
            )

        await self._provide()

    async def _provide(self) -> None:
        """Give the alias its provisioned environments, if it is to have any."""
        site = self._site
        if not site.provisioned_concurrency:
            return
        assert self._ledger is not None, "nothing is moved before `make`"
        assert self._watcher is not None
        self._is_provisioned = True
        await provide(
            site.access, site.clone, ALIAS, site.provisioned_concurrency,
            ledger=self._ledger, place=site.place, is_stopped=self._watcher.is_stopped,
        )  # fmt: skip

    async def allow(self, principal: str, source_arn: str, **rest: Any) -> None:
        """Let a service of AWS invoke the alias for one of its resources.

        Raises:
            AwsRefused: when AWS refuses.
        """
        # One statement per source: what is there already is the same one.
        statement = f"{principal.partition('.')[0]}-{hashlib.sha256(source_arn.encode()).hexdigest()[:8]}"
        await self.permit(statement, Action="lambda:InvokeFunction", Principal=principal, SourceArn=source_arn, **rest)

    async def permit(self, statement_id: str, **members: Any) -> None:
        """Add a statement to the alias's resource policy, if it is not there.

        Raises:
            AwsRefused: when AWS refuses.
        """
        client: Any = await self._site.access.functions()
        with refused(f"adding a permission to invoke `{self._site.clone}`"):
            try:
                await client.add_permission(
                    FunctionName=self._site.clone, Qualifier=ALIAS, StatementId=statement_id, **members
                )
            except ClientError as error:
                if error_code(error) != _EXISTS:
                    raise
