"""Functions, versions and aliases, and how the API writes them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.local.events.invoke_settings import EventInvokeConfig
    from lambdatune.local.image import ImageConfig
    from lambdatune.local.names import Naming
    from lambdatune.local.package import Package

from lambdatune.local.names import LATEST


@dataclass(frozen=True, slots=True)
class Logging:
    """LoggingConfig of a function.

    Attributes:
        log_format: Text or JSON.
        application_level: AWS's ApplicationLogLevel; JSON only.
        system_level: AWS's SystemLogLevel; JSON only.
        group: the log group.
    """

    log_format: str
    application_level: str
    system_level: str
    group: str

    def to_api(self) -> dict[str, str]:
        """Return the API's LoggingConfig."""
        config = {"LogFormat": self.log_format, "LogGroup": self.group}
        if self.log_format == "JSON":
            config["ApplicationLogLevel"] = self.application_level
            config["SystemLogLevel"] = self.system_level
        return config


@dataclass(frozen=True, slots=True)
class Configuration:
    """What UpdateFunctionConfiguration can change.

    `tracing` and `kms_key_arn` are kept and given back, and change nothing here: there is no X-Ray to send to, and
    variables are in clear text in the memory of the endpoint. `image` is None for functions of PackageType Zip;
    those of PackageType Image have neither runtime nor handler.
    """

    runtime: str
    handler: str
    role: str
    description: str
    timeout_s: int
    memory_mb: int
    environment: Mapping[str, str]
    ephemeral_mb: int
    tracing: str
    logging: Logging
    snap_start: str = "None"
    kms_key_arn: str = ""
    dead_letter_arn: str = ""
    image: ImageConfig | None = None


@dataclass(frozen=True, slots=True)
class State:
    """State of a function or a version.

    Attributes:
        name: AWS's State: Pending, Active or Failed.
        reason: AWS's StateReason, where there is one.
        code: AWS's StateReasonCode.
    """

    name: str
    reason: str | None = None
    code: str | None = None


ACTIVE = State("Active")
PENDING = State("Pending", "The function is being created.", "Creating")


@dataclass(frozen=True, slots=True)
class Version:
    """Code and configuration as they were at one moment; $LATEST is replaced, published versions stay.

    Attributes:
        function_name: bare name.
        version: ``$LATEST`` or a number.
        configuration: everything but the code.
        package: the code.
        architecture: x86_64 or arm64; recorded, not emulated.
        last_modified: ISO 8601 as AWS writes it.
        revision_id: changes with every change.
    """

    function_name: str
    version: str
    configuration: Configuration
    package: Package
    architecture: str
    last_modified: str
    revision_id: str

    def changed(self, **changes: Any) -> Version:
        """Return a copy with changes, a new revision and the time of now."""
        return replace(self, last_modified=timestamp(), revision_id=str(uuid.uuid4()), **changes)

    def same_content(self, other: Version) -> bool:
        """Whether publishing this after `other` would publish nothing new."""
        return (
            self.configuration == other.configuration
            and self.package.sha256 == other.package.sha256
            and self.architecture == other.architecture
        )

    def to_api(self, naming: Naming, *, qualifier: str | None, state: State, update_status: str) -> dict[str, Any]:
        """Return the API's FunctionConfiguration; `qualifier` ends the ARN."""
        config = self.configuration
        is_optimised = config.snap_start != "None" and self.version != LATEST and state.name == "Active"
        answer: dict[str, Any] = {
            "FunctionName": self.function_name,
            "FunctionArn": naming.function_arn(self.function_name, qualifier),
            "Role": config.role,
            "CodeSize": self.package.size,
            "Description": config.description,
            "Timeout": config.timeout_s,
            "MemorySize": config.memory_mb,
            "LastModified": self.last_modified,
            "CodeSha256": self.package.sha256,
            "Version": self.version,
            "TracingConfig": {"Mode": config.tracing},
            "RevisionId": self.revision_id,
            "State": state.name,
            "LastUpdateStatus": update_status,
            "PackageType": "Zip" if config.image is None else "Image",
            "Architectures": [self.architecture],
            "EphemeralStorage": {"Size": config.ephemeral_mb},
            "SnapStart": {"ApplyOn": config.snap_start, "OptimizationStatus": "On" if is_optimised else "Off"},
            "LoggingConfig": config.logging.to_api(),
        }
        if config.image is None:
            answer |= {"Runtime": config.runtime, "Handler": config.handler}
        elif config.image.to_api():
            answer["ImageConfigResponse"] = {"ImageConfig": config.image.to_api()}
        if config.kms_key_arn:
            answer["KMSKeyArn"] = config.kms_key_arn
        if config.dead_letter_arn:
            answer["DeadLetterConfig"] = {"TargetArn": config.dead_letter_arn}
        if config.environment:
            answer["Environment"] = {"Variables": dict(config.environment)}
        if state.code is not None:
            answer |= {"StateReason": state.reason, "StateReasonCode": state.code}
        if update_status == "InProgress":
            answer["LastUpdateStatusReasonCode"] = "Creating"
            answer["LastUpdateStatusReason"] = "The function is being created."
        return answer


@dataclass(slots=True)
class Alias:
    """A name for a version."""

    name: str
    version: str
    description: str
    revision_id: str

    def to_api(self, naming: Naming, function_name: str) -> dict[str, Any]:
        """Return the API's AliasConfiguration."""
        return {
            "AliasArn": naming.function_arn(function_name, self.name),
            "Name": self.name,
            "FunctionVersion": self.version,
            "Description": self.description,
            "RevisionId": self.revision_id,
        }


@dataclass(slots=True)
class Function:
    """A function: what the API shows, and what calls are served with.

    Attributes:
        name: bare name.
        latest: $LATEST as the API shows it.
        serving: $LATEST as calls get it; follows `latest` when an update has come through.
        state: of $LATEST.
        update_status: InProgress or Successful.
        versions: published versions by number, in order.
        version_states: states of those that are not simply Active.
        next_version: number of the next published version.
        aliases: by name.
        reserved: reserved concurrent executions, or None.
        tags: key to value.
        policies: statements of the resource policy by qualifier, an empty text for none.
        policy_revision: changes with every statement.
        event_invoke: settings of asynchronous invocation by qualifier, ``$LATEST`` for none.
    """

    name: str
    latest: Version
    serving: Version
    state: State = PENDING
    update_status: str = "Successful"
    versions: dict[str, Version] = field(default_factory=dict)
    version_states: dict[str, State] = field(default_factory=dict)
    next_version: int = 1
    aliases: dict[str, Alias] = field(default_factory=dict)
    reserved: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    policies: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    policy_revision: str = ""
    event_invoke: dict[str, EventInvokeConfig] = field(default_factory=dict)

    def state_of(self, version: Version) -> State:
        """Return the state of $LATEST or of a published version."""
        return self.state if version.version == LATEST else self.version_states.get(version.version, ACTIVE)

    def find(self, qualifier: str | None) -> Version | None:
        """Return the version that a qualifier stands for, as the API shows it."""
        if qualifier is None or qualifier == LATEST:
            return self.latest
        alias = self.aliases.get(qualifier)
        return self.versions.get(alias.version if alias else qualifier) if self._is_published(alias) else self.latest

    def find_serving(self, qualifier: str | None) -> Version | None:
        """Return the version that calls with a qualifier are served with."""
        found = self.find(qualifier)
        return self.serving if found is self.latest else found

    @staticmethod
    def _is_published(alias: Alias | None) -> bool:
        return alias is None or alias.version != LATEST


def timestamp() -> str:
    """Return now as AWS writes LastModified, for example 2026-11-23T15:16:37.123+0000."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
