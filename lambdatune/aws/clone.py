"""The clone: a copy of a function that may be changed and invoked without touching the original."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
from botocore.exceptions import ClientError

from lambdatune.aws.clone_settings import CloneSettings, has_snap_start
from lambdatune.aws.functions import wait_ready
from lambdatune.aws.isolation import Version
from lambdatune.aws.marks import NONCE_VARIABLE, OWNER_TAG, RUN_TAG, SOURCE_TAG, clone_name, log_group_of
from lambdatune.aws.provisioned import change_of, provide, take_away
from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.change import Change
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdatune.aws.access import AwsAccess
    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.aws.isolation import Ledger, Watcher
    from lambdatune.aws.marks import Maker
    from lambdatune.model.change import Place

MAX_UPLOAD_BYTES = 50 * 1024 * 1024
"""AWS's limit of a zip that is uploaded directly, which is how a clone gets its code (AWS docs, quotas)."""

_COPIED = (
    "Role", "Description", "Timeout", "MemorySize", "Architectures", "EphemeralStorage", "TracingConfig", "KMSKeyArn",
)  # fmt: skip
_COPIED_WITH_ZIP = ("Runtime", "Handler")
_MAX_TAGS = 50
_OWN_TAGS = 3


class Clone:
    """One function that a run creates: makes versions of it.

    Not copied, so that nothing but the run calls it or is called by it: triggers, function URL, aliases, resource
    policy, reserved and provisioned concurrency, destinations and the dead-letter queue.

    Args:
        access: where the clone is.
        source: what it is a copy of.
        maker: the run.
        place: where changes are made, for the journal.
        settings: in what it is to differ.

    Attributes:
        source: what it is a copy of, with `settings` applied.
    """

    def __init__(
        self,
        access: AwsAccess,
        source: FunctionDescription,
        maker: Maker,
        place: Place,
        settings: CloneSettings | None = None,
    ) -> None:
        self._found = source
        self._wanted = settings or CloneSettings()
        self.source = self._wanted.applied_to(source)
        self.name = clone_name(source.name, maker.run)
        self._access = access
        self._maker = maker
        self._place = place
        self._versions_made = 0
        self._ledger: Ledger | None = None
        self._is_stopped: Callable[[], bool] = lambda: False

    @property
    def log_group(self) -> str:
        """The clone's own, which is deleted with it."""
        return log_group_of(self.name)

    @property
    def changes(self) -> tuple[str, ...]:
        """What is created, and that it is deleted."""
        changes = [
            f"create function {self.name}, a clone with a published version per size; deleted at the end",
            f"its log group {log_group_of(self.name)}; deleted at the end",
        ]
        if _hides_reports(self.source):
            changes.append("the clone logs at system log level INFO: at WARN, the function's, it writes no REPORT line")
        return (*changes, *self._wanted.changes(self._found))

    @property
    def warnings(self) -> tuple[str, ...]:
        """How the clone differs from the function."""
        warnings = list(self._wanted.warnings(self._found))
        if self.source.configuration.get("SigningProfileVersionArn"):
            warnings.append("the function's code signing configuration is not copied: the clone's code is not checked")
        dropped = len(self._source_tags()) - len(self._source_tags()[: _MAX_TAGS - _OWN_TAGS])
        if self.source.are_tags_hidden:
            warnings.append(
                "the function's tags are not copied: AWS does not give them (lambda:ListTags is not permitted)"
            )
        if dropped:
            warnings.append(f"{dropped} of the function's tags are not copied: AWS allows {_MAX_TAGS}")
        return tuple(warnings)

    async def prepare(
        self,
        ledger: Ledger,
        sizes_mb: Sequence[int],  # noqa: ARG002  of the protocol: a clone makes its versions when they are asked for
        watcher: Watcher,
    ) -> None:
        """Copy the source's code and configuration into a new function, and wait until it is active.

        Raises:
            AwsRefused: when the source cannot be copied faithfully, or AWS refuses.
        """
        self._ledger, self._is_stopped = ledger, watcher.is_stopped
        settings = await self._settings()
        # Undone last first: Lambda writes to the log group until the function is gone.
        changes = [
            Change("create-log-group", log_group_of(self.name), self._place),
            Change("create-function", self.name, self._place),
        ]
        for change in changes:
            ledger.intend(change)
        watcher.narrate(f"cloning {self.source.shown_name} as {self.name}")
        client = await self._access.functions()
        with refused(f"creating the clone `{self.name}`"):
            try:
                await client.create_function(FunctionName=self.name, **settings)
            except ClientError as error:
                # An answer that was lost is asked for again, and finds the clone that the first request made.
                if error_code(error) != "ResourceConflictException":
                    raise
                if not await self._is_ours():
                    for change in reversed(changes):
                        ledger.undone(change)
                    raise
        made = await wait_ready(client, self.name)
        if _runtime_version(made) != _runtime_version(self.source.configuration):
            watcher.narrate("warning: AWS gave the clone another patch version of the runtime than the function has")

    async def version(self, memory_mb: int) -> Version:
        """Publish a version of `memory_mb` MB that no environment serves yet.

        Raises:
            AwsRefused: when AWS refuses.
        """
        client = await self._access.functions()
        self._versions_made += 1
        with refused(f"publishing a version of `{self.name}` at {memory_mb} MB"):
            await client.update_function_configuration(
                FunctionName=self.name,
                MemorySize=memory_mb,
                Environment={"Variables": self._variables()},
            )
            await wait_ready(client, self.name)
            answer = await client.publish_version(FunctionName=self.name)
            version = answer["Version"]
            await wait_ready(client, self.name, version)
        await self._provide(version)
        return Version(self.name, version, memory_mb)

    async def discard(self, version: Version) -> None:
        """Delete a version that is not needed any more, and its environments with it.

        Raises:
            AwsRefused: when AWS refuses.
        """
        assert version.version is not None
        if self._wanted.provisioned_concurrency:
            assert self._ledger is not None, "no version is made before `prepare`"
            await take_away(self._access, self.name, version.version)
            self._ledger.undone(change_of(self.name, version.version, self._place))
        client = await self._access.functions()
        with refused(f"deleting version {version.version} of `{self.name}`"):
            await client.delete_function(FunctionName=self.name, Qualifier=version.version)

    async def _provide(self, version: str) -> None:
        """Give a version its provisioned environments, where versions have them."""
        if not self._wanted.provisioned_concurrency:
            return
        assert self._ledger is not None, "no version is made before `prepare`"
        await provide(
            self._access, self.name, version, self._wanted.provisioned_concurrency,
            ledger=self._ledger, place=self._place, is_stopped=self._is_stopped,
        )  # fmt: skip

    async def _settings(self) -> dict[str, Any]:
        """Return the members of CreateFunction that make the copy."""
        configuration = self.source.configuration
        is_image = configuration.get("PackageType") == "Image"
        names = _COPIED if is_image else (*_COPIED, *_COPIED_WITH_ZIP)
        settings: dict[str, Any] = {key: configuration[key] for key in names if configuration.get(key)}
        settings |= _networking(configuration)
        settings["PackageType"] = "Image" if is_image else "Zip"
        if is_image:
            settings["Code"] = {"ImageUri": self.source.code.get("ResolvedImageUri") or self.source.code["ImageUri"]}
            image = configuration.get("ImageConfigResponse", {}).get("ImageConfig")
            settings |= {"ImageConfig": image} if image else {}
        else:
            key = self.source.code.get("SourceKMSKeyArn")
            settings["Code"] = {"ZipFile": await _download(self.source)} | ({"SourceKMSKeyArn": key} if key else {})
            layers = [layer["Arn"] for layer in configuration.get("Layers", [])]
            settings |= {"Layers": layers} if layers else {}
        if has_snap_start(self.source):
            settings["SnapStart"] = {"ApplyOn": configuration["SnapStart"]["ApplyOn"]}
        settings["Environment"] = {"Variables": self._variables()}
        settings["LoggingConfig"] = _logging(self.source)
        kept = dict(self._source_tags()[: _MAX_TAGS - _OWN_TAGS])
        settings["Tags"] = kept | {
            RUN_TAG: self._maker.run, SOURCE_TAG: self.source.name, OWNER_TAG: self._maker.owner,
        }  # fmt: skip
        return settings

    def _source_tags(self) -> list[tuple[str, str]]:
        """Return the source's tags that may be copied: those of AWS may not, ours are about another run."""
        return [
            (key, value)
            for key, value in sorted(self.source.tags.items())
            if not key.lower().startswith("aws:") and key not in {RUN_TAG, SOURCE_TAG, OWNER_TAG}
        ]

    def _variables(self) -> dict[str, str]:
        return {**self.source.variables, NONCE_VARIABLE: str(self._versions_made)}

    async def _is_ours(self) -> bool:
        client = await self._access.functions()
        tags: dict[str, str] = (await client.get_function(FunctionName=self.name)).get("Tags", {})
        return tags.get(RUN_TAG, "") == self._maker.run


def _networking(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return the source's VPC and file systems as CreateFunction takes them."""
    vpc = configuration.get("VpcConfig", {})
    settings: dict[str, Any] = {}
    if vpc.get("SubnetIds"):
        settings["VpcConfig"] = {key: value for key, value in vpc.items() if key != "VpcId"}
    if configuration.get("FileSystemConfigs"):
        settings["FileSystemConfigs"] = configuration["FileSystemConfigs"]
    return settings


def _logging(source: FunctionDescription) -> dict[str, str]:
    """Return the source's logging settings without its log group: the clone has one of its own."""
    configured = source.configuration.get("LoggingConfig", {})
    settings = {key: value for key, value in configured.items() if key != "LogGroup"}
    if _hides_reports(source):
        settings["SystemLogLevel"] = "INFO"
    return settings or {"LogFormat": "Text"}


def _hides_reports(source: FunctionDescription) -> bool:
    return bool(source.configuration.get("LoggingConfig", {}).get("SystemLogLevel") == "WARN")


def _runtime_version(configuration: dict[str, Any]) -> str | None:
    version: str | None = configuration.get("RuntimeVersionConfig", {}).get("RuntimeVersionArn")
    return version


async def _download(source: FunctionDescription) -> bytes:
    """Return the source's deployment package.

    Raises:
        AwsRefused: when it cannot be had, or is larger than what can be uploaded again.
    """
    package = bytearray()
    try:
        async with aiohttp.ClientSession() as http, http.get(source.code["Location"]) as answer:
            answer.raise_for_status()
            async for part in answer.content.iter_chunked(1 << 20):
                package += part
                if len(package) > MAX_UPLOAD_BYTES:
                    raise too_large_to_upload(source.name, len(package))
    except (aiohttp.ClientError, TimeoutError) as error:
        # The location is a signed URL: it stays out of the message.
        raise AwsRefused(
            f"downloading the code of `{source.name}` failed: {type(error).__name__}",
            hint="the clone needs lambda:GetFunction and access to the code's S3 location",
        ) from error
    return bytes(package)


def too_large_to_upload(name: str, size_bytes: int) -> AwsRefused:
    """Return the refusal of a package that cannot be uploaded as a clone's code."""
    return AwsRefused(
        f"the package of function `{name}` has {size_bytes / 2**20:.0f} MB: a clone can have 50 MB zipped at the most",
        hint="--isolation version needs no copy; or move what is large into a layer, or package it as an image",
    )
