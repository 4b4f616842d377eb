"""The fields of the Setup screen: one for every setting of a plan, and how its value is written and read as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdatune.model.errors import UsageError
from lambdatune.model.modes import MODES
from lambdatune.session.mode_settings import DEFAULT_RATE_PER_S
from lambdatune.session.mode_settings import TAKEN_BY as MODES_OF_SETTING
from lambdatune.session.setting_table import DEFAULT_MEMORY, SETTINGS, Given, check_kind
from lambdatune.session.settings import faults_of, is_code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdatune.model.errors import LambdatuneError
    from lambdatune.session.setting_table import Setting

NOT_GIVEN = ""
"""Text of a field whose setting has its default."""

YES = "yes"

Choices = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Field:
    """How a setting is shown.

    Attributes:
        name: of the setting.
        label: beside it.
        placeholder: what an empty field says, which is its default.
        lines: whether it takes several lines, a value each.
        choices: value and word of each choice, the default first (`NOT_GIVEN`); empty for a field to type into.
    """

    name: str
    label: str
    placeholder: str = ""
    lines: bool = False
    choices: Choices = ()


@dataclass(frozen=True, slots=True)
class FieldRow:
    """Fields side by side.

    Attributes:
        name: of the row.
        fields: that stand in it.
    """

    name: str
    fields: tuple[Field, ...]


LOAD = "load"
LOADS: Choices = ((NOT_GIVEN, "in flight"), ("rate", "rate"), ("ramp", "ramp"), ("burst", "burst"))
"""Choices of the load: the closed loop, or which setting says when calls come."""

DELIVERED_LOADS: Choices = ((NOT_GIVEN, f"{DEFAULT_RATE_PER_S:g}/s"), *LOADS[1:])
"""In modes in which messages are delivered: nobody waits, so that calls in flight are no load."""

CODE = "code"
"""The row of what only code on this machine needs."""
IMAGE = "entry-point"
"""The row of what a directory needs that stands in for a container image."""

_NO_YES: Choices = ((NOT_GIVEN, "no"), (YES, "yes"))

COMMON: tuple[FieldRow, ...] = (
    FieldRow("function", (Field("function", "Function", "name, ARN, path or sample:checkout"),)),
    FieldRow(CODE, (
        Field("runtime", "Runtime", "python3.12"), Field("handler", "Handler", "app.handler"),
        Field("timeout", "Timeout s", "60"),
    )),
    FieldRow(IMAGE, (Field("entry-point", "Entry point", "in place of these two: python app.py"),)),
    FieldRow("memory", (Field("memory", "Memory MB", f"{DEFAULT_MEMORY}   or a list: 128,512,1024"),)),
    FieldRow("mode", (
        Field("mode", "Mode", "invoke   or stream, http, event, sns, sqs, ..."),
    )),
    FieldRow("batches", (Field("batch-size", "Batch size", "10 or 100"), Field("batch-window", "window s", "0"))),
    FieldRow("maximum-concurrency", (Field("maximum-concurrency", "At once", "1000 batches"),)),
    FieldRow("fifo", (Field("fifo", "FIFO queue", choices=_NO_YES),)),
    FieldRow("stream-shards", (Field("stream-shards", "Stream shards", "1"),)),
    FieldRow("parallelization-factor", (Field("parallelization-factor", "Per shard", "1 batch at once"),)),
    FieldRow("http-kind", (
        Field("http-kind", "HTTP kind",
              choices=((NOT_GIVEN, "http"), ("rest", "rest"), ("alb", "alb"))),
    )),
    FieldRow("auth", (Field("auth", "Auth", choices=((NOT_GIVEN, "iam"), ("none", "none"))),)),
    FieldRow("alb-subnets", (Field("alb-subnets", "Subnets", "two at least on AWS", lines=True),)),
    FieldRow("alb-security-groups", (Field("alb-security-groups", "Groups", "none", lines=True),)),
    FieldRow("workflow-role", (Field("workflow-role", "Role", "one is created"),)),
    FieldRow("target", (Field("target", "Targets", "none   for example p95<=200ms, cold.p90<=1s", lines=True),)),
    FieldRow(LOAD, (Field(LOAD, "Load", choices=LOADS),)),
    FieldRow("when", (
        Field("concurrency", "In flight", "1"), Field("rate", "Rate", "50/s"),
        Field("ramp", "Ramp", "30s:10/s,60s:50/s"), Field("burst", "Burst", "20/5s"),
    )),
    FieldRow("arrivals", (
        Field("arrivals", "Arrivals", choices=((NOT_GIVEN, "constant"), ("poisson", "poisson"))),
    )),
    FieldRow("payload", (Field("payload", "Payload", "{}   JSON, @FILE or s3://BUCKET/KEY", lines=True),)),
    FieldRow("limits", (
        Field("max-invocations", "End at calls", "no limit"), Field("max-usd", "dollars", "none"),
        Field("max-minutes", "minutes", "none"),
    )),
    FieldRow("cold-starts", (
        Field("cold-starts", "Cold starts", "10"), Field("cold-rate", "cold rate", "1%"),
        Field("traffic", "traffic", "none"),
    )),
    FieldRow("strategy", (
        Field("strategy", "Strategy",
              choices=((NOT_GIVEN, "cheapest"), ("fastest", "fastest"), ("balanced", "balanced"))),
    )),
)  # fmt: skip
"""What most plans say, in this order."""

_MORE: tuple[FieldRow, ...] = (
    FieldRow("isolation", (
        Field("isolation", "Isolation",
              choices=((NOT_GIVEN, "clone"), ("version", "version"), ("current", "current"))),
    )),
    FieldRow("architecture", (
        Field("architecture", "Architecture",
              choices=((NOT_GIVEN, "its own"), ("x86_64", "x86_64"), ("arm64", "arm64"))),
    )),
    FieldRow("snap-start", (
        Field("snap-start", "SnapStart", choices=((NOT_GIVEN, "as it is"), ("on", "on"), ("off", "off"))),
    )),
    FieldRow("provisioned-concurrency", (Field("provisioned-concurrency", "Provisioned", "no environments"),)),
    FieldRow("place", (
        Field("region", "Region", "as the AWS CLI"), Field("aws-profile", "AWS profile", "the standard chain"),
    )),
    FieldRow("endpoint-url", (Field("endpoint-url", "Endpoint", "AWS itself"),)),
    FieldRow("confidence", (Field("confidence", "Confidence", "0.95"), Field("seed", "seed", "0"))),
    FieldRow("concurrency-share", (
        Field("concurrency-share", "Share of AWS", "50%"), Field("shards", "shards", "1"),
    )),
    FieldRow("dask", (Field("dask", "Dask", "this machine sends the load"),)),
    FieldRow("prices", (
        Field("prices", "Prices", choices=((NOT_GIVEN, "by place"), ("live", "live"), ("bundled", "bundled"))),
    )),
    FieldRow("payload-tokens", (Field("payload-tokens", "Fill tokens", choices=_NO_YES),)),
    FieldRow("record-payloads", (Field("record-payloads", "Keep payload", choices=_NO_YES),)),
)  # fmt: skip

_SETTINGS: dict[str, Setting] = {setting.name: setting for setting in SETTINGS}


def fields_of_mode(mode: str, http_kind: str) -> frozenset[str]:
    """Return which of the settings that only some modes take mean something: none in a mode that there is not."""
    balancer = {"alb-subnets", "alb-security-groups"} if http_kind != "alb" else set()
    return frozenset(name for name, modes in MODES_OF_SETTING.items() if mode in modes and name not in balancer)


def is_delivered(mode: str) -> bool:
    """Return whether messages are delivered in a mode, so that only a rate is a load."""
    return any(mode == name and facts.is_delivered for name, facts in MODES.items())


def _others(rows: Sequence[FieldRow]) -> tuple[FieldRow, ...]:
    """Return a row for each setting that no row has."""
    shown = {field.name for row in rows for field in row.fields}
    return tuple(
        FieldRow(setting.name, (Field(setting.name, setting.name.capitalize(), lines=setting.kind == "texts"),))
        for setting in SETTINGS
        if setting.name not in shown
    )


MORE: tuple[FieldRow, ...] = (*_MORE, *_others((*COMMON, *_MORE)))
"""The rest."""

FIELDS: dict[str, Field] = {field.name: field for row in (*COMMON, *MORE) for field in row.fields}

_LOAD_HELP = (
    "When warm calls come: so many in flight at any time, or at a rate, in a ramp or in bursts, whether answers come "
    "or not."
)


def help_of(name: str) -> str:
    """Return what a field means, in a sentence or two."""
    return _LOAD_HELP if name == LOAD else in_words(_SETTINGS[name].help)


_OPTION = re.compile(rf"--({'|'.join(sorted(_SETTINGS, key=len, reverse=True))})\b")


def in_words(text: str) -> str:
    """Return a sentence of the command line with fields in place of its options: ``rate`` for ``--rate``."""
    return _OPTION.sub(r"\1", text)


def fault_sentence(error: LambdatuneError) -> str:
    """Return what is wrong with a field; where it came from, which the field shows, is left out."""
    origin, _, rest = error.message.partition(": ")
    return in_words(rest if origin in _SETTINGS else error.message)


def fault_words(error: LambdatuneError) -> str:
    """Return what is wrong with a field, and its hint on a line of its own."""
    return f"✗ {fault_sentence(error)}" + (f"\n  {in_words(error.hint)}" if error.hint else "")


def text_of(name: str, value: Any) -> str:
    """Return the value of a setting as its field shows it."""
    if isinstance(value, bool):
        return YES if value else NOT_GIVEN
    if isinstance(value, list):
        lines = [" ".join(item.splitlines()) for item in value]
        return ("\n" if name == "payload" else ", ").join(lines)
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return " ".join(str(value).splitlines())


def value_of(name: str, text: str) -> Any:
    """Return the value of a setting from the text of its field; None when it is not given.

    Raises:
        UsageError: with `setting`, when the text is not of the setting's kind.
    """
    text = text.strip()
    if not text:
        return None
    kind = _SETTINGS[name].kind
    if kind == "flag":
        return text == YES
    if kind in ("integer", "number"):
        return check_kind(name, _number(name, text, whole=kind == "integer"), name)
    if kind == "texts":
        parts = text.split("\n") if name == "payload" else re.split(r"[,\n]", text)
        return check_kind(name, [_at_home(part.strip()) for part in parts if part.strip()], name)
    return check_kind(name, _at_home(text), name)


def _number(name: str, text: str, *, whole: bool) -> int | float:
    try:
        return int(text) if whole else float(text)
    except ValueError as error:
        shown = text if len(text) <= 24 else f"{text[:20]}..."
        expected = "a whole number" if whole else "a number"
        raise UsageError(f"expected {expected}, not `{shown}`", hint=_SETTINGS[name].help, setting=name) from error


def _at_home(text: str) -> str:
    """Return a path below ``~`` with the home directory in its place, as a shell would."""
    mark, rest = ("@", text[1:]) if text.startswith("@") else ("", text)
    if not rest.startswith("~/"):
        return text
    try:
        return mark + str(Path(rest).expanduser())
    except RuntimeError:  # no home directory
        return text


def given_values(values: Mapping[str, Any], directory: Path) -> dict[str, Given]:
    """Return values of settings as a plan is built from them."""
    return {name: Given(value, name, directory) for name, value in values.items()}


def faults_of_values(values: Mapping[str, Any], directory: Path) -> dict[str, UsageError]:
    """Return what is wrong with values that are each of the right kind, by the name of the field; reads files."""
    _, faults = faults_of(given_values(values, directory))
    if "function" in faults and "function" not in values:
        faults["function"] = UsageError(
            "no function yet", hint="type a name, an ARN or a path, or choose one from the list", setting="function"
        )
    return faults


def needs_code_fields(text: str, directory: Path) -> bool:
    """Return whether the text of the field of the function is code on this machine."""
    return bool(text.strip()) and is_code(Given(_at_home(text.strip()), "function", directory))
