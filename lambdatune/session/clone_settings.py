"""The settings in which a clone differs from its function: architecture, SnapStart and provisioned concurrency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from lambdatune.aws.clone_settings import CloneSettings
from lambdatune.model.errors import UsageError, did_you_mean
from lambdatune.model.plan import Architecture, OnOff

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.model.plan import IsolationName, Plan
    from lambdatune.model.target import Target
    from lambdatune.session.setting_table import Given

CLONE_SETTINGS = ("architecture", "snap-start", "provisioned-concurrency")
"""Settings that only a clone can be given: the function itself is never changed so."""

AWS_NAMES = {"aarch64": "arm64", "AMD64": "x86_64"}
"""What `platform.machine` says of an architecture where AWS says otherwise."""

_ALSO_KNOWN_AS: dict[str, Architecture] = {"x86": "x86_64", "amd64": "x86_64", "arm": "arm64", "aarch64": "arm64"}


def parse_architecture(text: str) -> Architecture:
    """Read the name of an instruction set, as AWS has it.

    Raises:
        UsageError: naming the nearest one.
    """
    for architecture in get_args(Architecture):
        if text == architecture:
            return architecture  # type: ignore[no-any-return]
    meant = _ALSO_KNOWN_AS.get(text.lower())
    raise UsageError(
        f"there is no architecture `{text}`: expected x86_64 or arm64",
        hint=f"did you mean {meant}?" if meant else did_you_mean(text, get_args(Architecture)),
    )


def parse_snap_start(text: str) -> OnOff:
    """Read whether SnapStart is on.

    Raises:
        UsageError: when that is neither on nor off.
    """
    for choice in get_args(OnOff):
        if text == choice:
            return choice  # type: ignore[no-any-return]
    raise UsageError(f"SnapStart is `on` or `off`, not `{text}`", hint="for example --snap-start on")


def clone_settings_of(plan: Plan) -> CloneSettings:
    """Return in what a plan wants the clone to differ from its function."""
    return CloneSettings(plan.architecture, plan.snap_start, plan.provisioned_concurrency)


def refuse_other_processor(plan: Plan, host: dict[str, Any] | None) -> None:
    """Refuse an architecture that the host of an embedded endpoint does not have.

    Args:
        plan: what is asked for.
        host: what an embedded endpoint says of its host; None elsewhere.

    Raises:
        UsageError: naming the one it has.
    """
    machine = (host or {}).get("machine")
    own = AWS_NAMES.get(machine, machine) if machine else None
    if own is not None and plan.architecture not in {None, own}:
        raise UsageError(
            f"--architecture {plan.architecture}: the embedded endpoint runs on this host's processor, which is {own}",
            hint="compare architectures on AWS; here leave the architecture out",
            setting="architecture",
        )


def refuse_what_only_a_clone_can(isolation: IsolationName, given: Mapping[str, Given]) -> None:
    """Refuse settings of a clone where none is made, and those that exclude each other.

    Raises:
        UsageError: naming the setting.
    """
    for name in CLONE_SETTINGS:
        if name in given and isolation != "clone":
            raise UsageError(
                f"{given[name].origin}: only a clone can be given it, and --isolation {isolation} calls the function "
                "itself",
                hint="use --isolation clone, or leave it out: the function is measured as it is",
                setting=name,
            )
    if "provisioned-concurrency" in given and "snap-start" in given and given["snap-start"].value == "on":
        raise UsageError(
            f"{given['provisioned-concurrency'].origin}: AWS has no provisioned concurrency for a function with "
            "SnapStart",
            hint="leave one of them out; measured one after the other, they can be compared",
            setting="provisioned-concurrency",
        )


def refuse_what_provisioned_cannot(given: Mapping[str, Given], targets: tuple[Target, ...]) -> None:
    """Refuse cold starts where every environment is initialised before a call comes.

    Raises:
        UsageError: naming the setting.
    """
    if "provisioned-concurrency" not in given:
        return
    if "cold-starts" in given and given["cold-starts"].value:
        raise UsageError(
            f"{given['cold-starts'].origin}: with provisioned concurrency no call waits for an init, so that none can "
            "be forced to start cold",
            hint="leave it out (or 0): without provisioned concurrency the same function shows its cold starts",
            setting="cold-starts",
        )
    for target in targets:
        if target.population == "cold":
            raise UsageError(
                f"{given['target'].origin}: `{target}` needs cold starts, which there are none of with provisioned "
                "concurrency",
                hint="a target without `cold.` holds for the calls that provisioned environments serve",
                setting="target",
            )
