"""Which invocation mode is made by what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.aws.modes.asynchronous import Event
from lambdatune.aws.modes.direct import Invoke, Stream
from lambdatune.aws.modes.dynamodb_streams import DynamoDbStreams
from lambdatune.aws.modes.eventbridge import EventBridge
from lambdatune.aws.modes.function_url import FunctionUrl
from lambdatune.aws.modes.http_api import HttpApi
from lambdatune.aws.modes.kinesis import Kinesis
from lambdatune.aws.modes.load_balancer import LoadBalancer
from lambdatune.aws.modes.rest_api import RestApi
from lambdatune.aws.modes.s3 import S3
from lambdatune.aws.modes.site import Site
from lambdatune.aws.modes.sns import Sns
from lambdatune.aws.modes.sqs import Sqs
from lambdatune.aws.modes.step_functions import StepFunctions

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.aws.access import AwsAccess
    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.aws.marks import Maker
    from lambdatune.aws.modes.protocol import InvocationMode
    from lambdatune.model.change import Place
    from lambdatune.model.modes import HttpKind, Mode, ModeOptions

_BY_HTTP_KIND: dict[HttpKind, Callable[[Site], InvocationMode]] = {
    "http": HttpApi,
    "rest": RestApi,
    "alb": LoadBalancer,
}
_BY_MODE: dict[Mode, Callable[[Site], InvocationMode]] = {
    "invoke": Invoke,
    "stream": Stream,
    "function-url": FunctionUrl,
    "http": lambda site: _BY_HTTP_KIND[site.options.http_kind](site),
    "step-functions": StepFunctions,
    "event": Event,
    "sns": Sns,
    "s3": S3,
    "eventbridge": EventBridge,
    "sqs": Sqs,
    "kinesis": Kinesis,
    "dynamodb-streams": DynamoDbStreams,
}


_NAMING_VERSIONS = frozenset({"invoke", "stream", "step-functions"})


def mode_names_versions(mode: Mode) -> bool:
    """Return whether calls name the version that they are for; in other modes they come by the clone's alias."""
    return mode in _NAMING_VERSIONS


def make_mode(
    mode: Mode,
    options: ModeOptions,
    *,
    access: AwsAccess,
    clone_name: str,
    source: FunctionDescription,
    maker: Maker,
    place: Place,
    provisioned_concurrency: int = 0,
) -> InvocationMode:
    """Return a mode, nothing of which is set up yet.

    Args:
        mode: its name.
        options: how it is set up.
        access: the account.
        clone_name: of the clone that messages reach.
        source: what that is a copy of.
        maker: the run, with which everything is marked.
        place: where changes are made, for the journal.
        provisioned_concurrency: environments that are initialised ahead of calls, where the mode calls by an alias.

    Raises:
        UsageError: when the options do not say enough.
    """
    return _BY_MODE[mode](Site(access, clone_name, source, maker, place, options, provisioned_concurrency))
