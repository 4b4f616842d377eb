"""The functions of the endpoint: create, update, publish, delete, and the short waits that AWS has too."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, conflict, invalid, not_found
from lambdatune.local.names import LATEST
from lambdatune.local.records import ACTIVE, PENDING, Function, State, Version, timestamp
from lambdatune.local.snapshot import SnapshotError

if TYPE_CHECKING:
    from lambdatune.local.fleet import Fleet
    from lambdatune.local.names import Naming
    from lambdatune.local.package import Package, PackageStore
    from lambdatune.local.records import Alias, Configuration


class Functions:
    """The registry.

    Args:
        naming: makes ARNs.
        packages: the deployment packages.
        fleet: told when environments are to end.
        settle_s: how long Pending and InProgress last, in seconds.
    """

    def __init__(self, naming: Naming, packages: PackageStore, fleet: Fleet, settle_s: float) -> None:
        self._naming = naming
        self._packages = packages
        self._fleet = fleet
        self._settle_s = settle_s
        self._functions: dict[str, Function] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Any:
        """Iterate over the functions by name."""
        return iter(sorted(self._functions.values(), key=lambda function: function.name))

    def provisioned_total(self, function: Function) -> int:
        """Return the provisioned concurrency that is asked for, of all versions and aliases of a function."""
        return self._fleet.provisioned.requested_total(function.name)

    def held_total(self, *, without: str | None = None) -> int:
        """Return the concurrency that other functions cannot use, of all but `without`: reserved, or provisioned."""
        return sum(
            self._fleet.provisioned.requested_total(f.name) if f.reserved is None else f.reserved
            for f in self._functions.values()
            if f.name != without
        )

    def move_alias(self, function: Function, alias: Alias, version: str) -> None:
        """Point an alias to another version; its provisioned concurrency moves with it.

        Raises:
            ApiError: InvalidParameterValueException when that would be provisioned concurrency of $LATEST.
        """
        current = self._fleet.provisioned.find(function.name, alias.name)
        if current is not None:
            if version == LATEST:
                raise invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
            self._fleet.provisioned.put(function.name, alias.name, function.versions[version], current.requested)
        alias.version = version

    def delete_alias(self, function: Function, name: str) -> None:
        """Remove an alias and its provisioned concurrency; one that is not there is no error, as on AWS."""
        if function.aliases.pop(name, None) is not None:
            self._fleet.provisioned.release(function.name, name)

    def get(self, name: str, qualifier: str | None = None) -> Function:
        """Return a function.

        Raises:
            ApiError: ResourceNotFoundException.
        """
        function = self._functions.get(name)
        if function is None:
            raise not_found(f"Function not found: {self._naming.function_arn(name, qualifier)}")
        return function

    def find(self, name: str) -> Function | None:
        """Return a function, None when there is none of that name."""
        return self._functions.get(name)

    def version(self, name: str, qualifier: str | None) -> tuple[Function, Version]:
        """Return a function and the version that a qualifier stands for.

        Raises:
            ApiError: ResourceNotFoundException.
        """
        function = self.get(name, qualifier)
        version = function.find(qualifier)
        if version is None:
            raise not_found(f"Function not found: {self._naming.function_arn(name, qualifier)}")
        return function, version

    def check_absent(self, name: str) -> None:
        """Refuse a name that is taken.

        Raises:
            ApiError: ResourceConflictException.
        """
        if name in self._functions:
            raise conflict(f"Function already exist: {name}")

    def create(
        self, name: str, configuration: Configuration, package: Package, architecture: str, tags: dict[str, str]
    ) -> Function:
        """Add a function in state Pending; it becomes Active soon."""
        self.check_absent(name)
        latest = Version(name, LATEST, configuration, package, architecture, timestamp(), str(uuid.uuid4()))
        function = self._functions[name] = Function(name, latest, latest, tags=tags)
        self._later(function, self._activate)
        return function

    def check_idle(self, function: Function) -> None:
        """Refuse a change while another is under way.

        Raises:
            ApiError: ResourceConflictException.
        """
        if function.state == PENDING:
            raise conflict(
                "The operation cannot be performed at this time. "
                "The function is currently in the following state: Pending"
            )
        if function.update_status == "InProgress":
            arn = self._naming.function_arn(function.name)
            raise conflict(
                f"The operation cannot be performed at this time. An update is in progress for resource: {arn}"
            )

    def update(self, function: Function, revision_id: object, **changes: Any) -> Version:
        """Replace members of $LATEST; calls get the new one when LastUpdateStatus is Successful.

        Raises:
            ApiError: ResourceConflictException, PreconditionFailedException.
        """
        self.check_idle(function)
        check_revision(revision_id, function.latest.revision_id)
        function.latest = function.latest.changed(**changes)
        function.update_status = "InProgress"
        self._later(function, self._updated)
        return function.latest

    def publish(self, function: Function, revision_id: object, code_sha256: object, description: str | None) -> Version:
        """Publish $LATEST; returns the last published version when nothing has changed since.

        Raises:
            ApiError: ResourceConflictException, PreconditionFailedException, InvalidParameterValueException.
        """
        self.check_idle(function)
        check_revision(revision_id, function.latest.revision_id)
        if code_sha256 and code_sha256 != function.latest.package.sha256:
            raise ApiError(
                "InvalidParameterValueException",
                f"CodeSHA256 ({code_sha256}) is different from current CodeSHA256 in $LATEST "
                f"({function.latest.package.sha256}). Please try again with the CodeSHA256 in $LATEST.",
            )
        return self._publish(function, description)

    def _publish(self, function: Function, description: str | None) -> Version:
        last = function.versions.get(str(function.next_version - 1))
        if last is not None and self._unchanged(function, last):
            return last
        number = str(function.next_version)
        version = function.latest.changed(version=number)
        if description:
            version = version.changed(configuration=_described(version.configuration, description))
        function.versions[number] = version
        function.next_version += 1
        if version.configuration.snap_start != "None":
            function.version_states[number] = PENDING
            task = asyncio.get_running_loop().create_task(self._take_snapshot(function, version))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return version

    async def _take_snapshot(self, function: Function, version: Version) -> None:
        """Initialise a version for SnapStart; it is Pending until then."""
        state = ACTIVE
        try:
            await self._fleet.take_snapshot(version)
        except SnapshotError as error:
            state = State("Failed", f"The function could not be initialised: {error.reason}", error.code)
        if function.versions.get(version.version) is version:
            function.version_states[version.version] = state

    def publish_first(self, function: Function) -> Version:
        """Publish what was just created or updated (the Publish member of CreateFunction and UpdateFunctionCode)."""
        return self._publish(function, None)

    def delete(self, function: Function, qualifier: str | None) -> None:
        """Remove a function, or one published version.

        Raises:
            ApiError: InvalidParameterValueException for $LATEST, ResourceConflictException for a version with aliases.
        """
        if qualifier is None:
            del self._functions[function.name]
            self._fleet.retire(function.name, set())
        else:
            self._delete_version(function, qualifier)
        self._forget_packages()

    def _delete_version(self, function: Function, qualifier: str) -> None:
        if qualifier == LATEST:
            raise ApiError(
                "InvalidParameterValueException", "$LATEST version cannot be deleted without deleting the function."
            )
        users = sorted(alias.name for alias in function.aliases.values() if alias.version == qualifier)
        if users:
            raise conflict(f"Unable to delete version because the following aliases reference it: [{', '.join(users)}]")
        function.version_states.pop(qualifier, None)
        if function.versions.pop(qualifier, None) is not None:
            self._retire_old(function)

    def _unchanged(self, function: Function, last: Version) -> bool:
        described = _described(function.latest.configuration, last.configuration.description)
        return function.latest.changed(configuration=described).same_content(last)

    def _activate(self, function: Function) -> None:
        function.state = ACTIVE

    def _updated(self, function: Function) -> None:
        function.serving = function.latest
        function.update_status = "Successful"
        self._retire_old(function)
        self._forget_packages()

    def _retire_old(self, function: Function) -> None:
        keep = {version.revision_id for version in (function.serving, *function.versions.values())}
        self._fleet.retire(function.name, keep)

    def _forget_packages(self) -> None:
        self._packages.keep_only(
            {
                version.package.key
                for function in self._functions.values()
                for version in (function.latest, function.serving, *function.versions.values())
            }
            | self._fleet.packages_in_use()
        )

    def _later(self, function: Function, change: Any) -> None:
        asyncio.get_running_loop().call_later(self._settle_s, self._if_still_there, function, change)

    def _if_still_there(self, function: Function, change: Any) -> None:
        if self._functions.get(function.name) is function:
            change(function)


def check_revision(given: object, current: str) -> None:
    """Refuse a change that was made for another revision.

    Raises:
        ApiError: PreconditionFailedException (412).
    """
    if given and given != current:
        raise ApiError(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
            412,
        )


def _described(configuration: Configuration, description: str) -> Configuration:
    return replace(configuration, description=description)
