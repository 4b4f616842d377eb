"""The clone: a copy of a function that may be changed and invoked without touching the original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from botocore.exceptions import ClientError

from lambdatune.aws.functions import wait_ready
from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.errors import AwsRefused

if TYPE_CHECKING:
    from lambdatune.aws.access import AwsAccess
    from lambdatune.aws.functions import FunctionDescription

CLONE_PREFIX = "lambdatune-"
RUN_TAG = "lambdatune:run"
SOURCE_TAG = "lambdatune:source"
NONCE_VARIABLE = "LAMBDATUNE_NONCE"
"""Environment variable of the clone that differs in every published version: without a change AWS
publishes no new version, and a new version has no environments yet, which is what makes a start cold."""

_COPIED = (
    "Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize", "Architectures", "EphemeralStorage",
)  # fmt: skip
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Version:
    """A published version of a clone."""

    function: str
    version: str
    memory_mb: int


def clone_name(source: str, run_id: str) -> str:
    """Return ``lambdatune-<source>-<run>``, shortened in its middle to the 64 characters of a name."""
    room = _MAX_NAME - len(CLONE_PREFIX) - len(run_id) - 1
    return f"{CLONE_PREFIX}{source[:room]}-{run_id}"


def log_group_of(function: str) -> str:
    """Return the log group that Lambda writes the logs of `function` to by default."""
    return f"/aws/lambda/{function}"


class Clone:
    """One function that a run created: makes versions, and removes itself.

    Args:
        access: where the clone is.
        name: its name, known and journalled before it is created.
        source: what it is a copy of.
    """

    def __init__(self, access: AwsAccess, name: str, source: FunctionDescription) -> None:
        self.access = access
        self.name = name
        self.source = source
        self._versions_made = 0

    async def create(self, run_id: str) -> None:
        """Copy the source's code and configuration into a new function, and wait until it is active.

        Raises:
            AwsRefused: when the source cannot be copied faithfully, or AWS refuses.
        """
        _refuse_what_cannot_be_copied(self.source)
        code = await _download(self.source)
        client = await self.access.functions()
        configuration = self.source.configuration
        settings: dict[str, Any] = {key: configuration[key] for key in _COPIED if configuration.get(key)}
        layers = [layer["Arn"] for layer in configuration.get("Layers", [])]
        if layers:
            settings["Layers"] = layers
        with refused(f"creating the clone `{self.name}`"):
            await client.create_function(
                FunctionName=self.name,
                Code={"ZipFile": code},
                PackageType="Zip",
                Environment={"Variables": self._variables()},
                LoggingConfig=_logging(configuration),
                Tags={RUN_TAG: run_id, SOURCE_TAG: self.source.name},
                **settings,
            )
            await wait_ready(client, self.name)

    async def publish(self, memory_mb: int) -> Version:
        """Publish a version of `memory_mb` MB that no environment serves yet."""
        client = await self.access.functions()
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
        return Version(self.name, version, memory_mb)

    async def discard(self, version: Version) -> None:
        """Delete a version that is not needed any more, and its environments with it."""
        client = await self.access.functions()
        with refused(f"deleting version {version.version} of `{self.name}`"):
            await client.delete_function(FunctionName=self.name, Qualifier=version.version)

    def _variables(self) -> dict[str, str]:
        variables: dict[str, str] = self.source.configuration.get("Environment", {}).get("Variables", {})
        return {**variables, NONCE_VARIABLE: str(self._versions_made)}


async def delete_function(access: AwsAccess, name: str) -> bool:
    """Delete a function with all its versions; return whether it was there.

    Raises:
        AwsRefused: when AWS refuses for another reason than that it is not there.
    """
    client = await access.functions()
    with refused(f"deleting function `{name}`"):
        try:
            await client.delete_function(FunctionName=name)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return False
            raise
    return True


async def delete_log_group(access: AwsAccess, name: str) -> bool:
    """Delete a log group; return whether it was there.

    Raises:
        AwsRefused: when AWS refuses for another reason than that it is not there.
    """
    client = await access.logs()
    with refused(f"deleting log group `{name}`"):
        try:
            await client.delete_log_group(logGroupName=name)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return False
            raise
    return True


def _logging(configuration: dict[str, Any]) -> Any:
    """Return the source's logging settings without its log group: the clone has one of its own."""
    settings = {key: value for key, value in configuration.get("LoggingConfig", {}).items() if key != "LogGroup"}
    return settings or {"LogFormat": "Text"}


def _refuse_what_cannot_be_copied(source: FunctionDescription) -> None:
    configuration = source.configuration
    if configuration.get("PackageType", "Zip") != "Zip":
        raise AwsRefused(
            f"function `{source.name}` is a container image: only zip functions can be cloned so far",
            hint="package the function as a zip to tune it",
        )
    for key, name in (
        ("VpcConfig", "is in a VPC"), ("FileSystemConfigs", "mounts a file system"),
        ("KMSKeyArn", "has a KMS key of its own"),
    ):  # fmt: skip
        setting = configuration.get(key)
        if setting and (key != "VpcConfig" or setting.get("SubnetIds")):
            raise AwsRefused(
                f"function `{source.name}` {name}, which a clone does not have yet: its numbers would not be yours",
                hint="tune a copy of the function without that setting",
            )
    if configuration.get("LoggingConfig", {}).get("SystemLogLevel") == "WARN":
        raise AwsRefused(
            f"function `{source.name}` has system log level WARN, which hides the REPORT line",
            hint="set its system log level to INFO",
        )


async def _download(source: FunctionDescription) -> bytes:
    location = source.code.get("Location")
    if not location:
        raise AwsRefused(f"AWS gives no location for the code of `{source.name}`, so it cannot be cloned")
    try:
        async with aiohttp.ClientSession() as http, http.get(location) as answer:
            answer.raise_for_status()
            return await answer.read()
    except aiohttp.ClientError as error:
        # The location is a signed URL: it stays out of the message.
        raise AwsRefused(
            f"downloading the code of `{source.name}` failed: {type(error).__name__}",
            hint="the clone needs lambda:GetFunction and access to the code's S3 location",
        ) from error
