"""The settings of the invocation mode: which one, how it is set up, and what goes together with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from lambdatune.model.errors import UsageError, did_you_mean
from lambdatune.model.modes import MODES, Auth, HttpKind, Mode, ModeOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdatune.model.plan import IsolationName
    from lambdatune.session.setting_table import Given

DEFAULT_RATE_PER_S = 10.0
"""Of messages that are delivered: who sends them does not wait for their execution, so that only a rate is a load."""

_BATCHES: tuple[Mode, ...] = ("sqs", "kinesis", "dynamodb-streams")
TAKEN_BY: dict[str, tuple[Mode, ...]] = {
    "batch-size": _BATCHES,
    "batch-window": _BATCHES,
    "maximum-concurrency": ("sqs",),
    "fifo": ("sqs",),
    "stream-shards": ("kinesis",),
    "parallelization-factor": ("kinesis", "dynamodb-streams"),
    "http-kind": ("http",),
    "auth": ("function-url", "http"),
    "alb-subnets": ("http",),
    "alb-security-groups": ("http",),
    "workflow-role": ("step-functions",),
}
"""Which modes take a setting."""

MODE_SETTINGS = tuple(TAKEN_BY)
"""The settings that only some modes take."""

_MOST_UNWINDOWED = 10


def parse_mode(text: str) -> Mode:
    """Read the name of a mode.

    Raises:
        UsageError: naming the nearest one.
    """
    for mode in MODES:
        if text == mode:
            return mode
    raise UsageError(f"there is no mode `{text}`: expected {', '.join(MODES)}", hint=did_you_mean(text, MODES))


def read_mode_options(mode: Mode, given: Mapping[str, Given]) -> ModeOptions:
    """Return how the mode is set up.

    Raises:
        UsageError: for a setting of another mode, or one that AWS would not take.
    """
    for name, modes in TAKEN_BY.items():
        if name in given and mode not in modes:
            others = " or ".join(modes)
            raise UsageError(
                f"{given[name].origin}: mode {mode} does not take it",
                hint=f"leave it out, or add --mode {others}", setting=name,
            )  # fmt: skip

    def value(name: str, default: Any = None) -> Any:
        return given[name].value if name in given else default

    options = ModeOptions(
        batch_size=value("batch-size"),
        batch_window_s=value("batch-window", 0),
        maximum_concurrency=value("maximum-concurrency"),
        fifo=value("fifo", default=False),
        stream_shards=value("stream-shards", 1),
        parallelization_factor=value("parallelization-factor", 1),
        http_kind=_choice(given, "http-kind", get_args(HttpKind)),
        auth=_choice(given, "auth", get_args(Auth)),
        alb_subnets=_listed(value("alb-subnets", ())),
        alb_security_groups=_listed(value("alb-security-groups", ())),
        role_arn=value("workflow-role"),
    )
    _check_batches(mode, options, given)
    if options.http_kind != "alb":
        for name in ("alb-subnets", "alb-security-groups"):
            if name in given:
                raise UsageError(f"{given[name].origin}: only a load balancer has them", hint="add --http-kind alb",
                                 setting=name)  # fmt: skip
    return options


def _listed(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the names of an option that may be given again, or once with commas."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def _choice(given: Mapping[str, Given], name: str, known: tuple[Any, ...]) -> Any:
    if name not in given:
        return known[0]
    text = given[name].value
    if text not in known:
        raise UsageError(
            f"{given[name].origin}: `{text}` is none: expected {', '.join(known)}",
            hint=did_you_mean(text, known), setting=name,
        )  # fmt: skip
    return text


def _check_batches(mode: Mode, options: ModeOptions, given: Mapping[str, Given]) -> None:
    """Check what AWS asks of batches of a queue (AWS docs, "Creating and configuring an Amazon SQS event source")."""
    if mode != "sqs" or options.batch_size is None:
        return
    if options.fifo and options.batch_window_s:
        raise UsageError(f"{given['batch-window'].origin}: a FIFO queue has no batch window", hint="leave it out",
                         setting="batch-window")  # fmt: skip
    if options.batch_size > _MOST_UNWINDOWED and (options.fifo or not options.batch_window_s):
        hint = "a FIFO queue takes no more" if options.fifo else "add --batch-window 1, or use --batch-size 10"
        raise UsageError(
            f"{given['batch-size'].origin}: batches of {options.batch_size}: expected at most {_MOST_UNWINDOWED} "
            "without a batch window",
            hint=hint, setting="batch-size",
        )  # fmt: skip


def refuse_what_mode_cannot(mode: Mode, isolation: IsolationName, given: Mapping[str, Given]) -> None:
    """Refuse what means nothing in a mode.

    Raises:
        UsageError: naming what is to be used instead.
    """
    if mode not in {"invoke", "stream"} and isolation != "clone":
        raise UsageError(
            f"{given['isolation'].origin}: mode {mode} sets up event sources, which only a clone is given",
            hint="use --isolation clone, or --mode invoke", setting="isolation",
        )  # fmt: skip
    if MODES[mode].is_delivered and "concurrency" in given:
        raise UsageError(
            f"{given['concurrency'].origin}: mode {mode} accepts a message at once: calls in flight are no load",
            hint="use --rate N/s, --ramp or --burst", setting="concurrency",
        )  # fmt: skip


def default_rate_per_s(mode: Mode, given: Mapping[str, Given]) -> float | None:
    """Return the rate of a mode for which no load is given; None for the closed loop."""
    if MODES[mode].is_delivered and not {"rate", "ramp", "burst"} & given.keys():
        return DEFAULT_RATE_PER_S
    return None
