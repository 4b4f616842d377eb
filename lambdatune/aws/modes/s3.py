"""`s3`: objects are put into a bucket of the run's own, which notifies the clone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from lambdatune.aws.modes.asynchronous import Asynchronous
from lambdatune.aws.modes.forms import check_bytes
from lambdatune.aws.modes.waiting import let_settle, once_known, until
from lambdatune.aws.refusals import error_code, refused
from lambdatune.model.change import Change
from lambdatune.model.request_form import BodyPart, RequestForm

if TYPE_CHECKING:
    from lambdatune.aws.isolation import Ledger, Version, Watcher
    from lambdatune.aws.modes.site import Site
    from lambdatune.model.modes import Mode

_MAX_BYTES = 6 * 1024 * 1024
"""Far below S3's own limit: what every payload of a run has at the most."""

_PRINCIPAL = "s3.amazonaws.com"
_WHERE_ALL_BEGAN = "us-east-1"
"""Its buckets are made without naming a region (AWS API reference, S3, CreateBucket)."""

_NOTIFICATION = "lambdatune"
_IN_FORCE_S = 300.0
"""AWS docs, "Using Amazon SQS, Amazon SNS, and Lambda": "it usually takes about five minutes for the changes to take
effect". What is put before may be told to nobody, and would count as lost."""

_NOT_SERVED = frozenset({"NotImplemented", "MethodNotAllowed"})


class S3(Asynchronous):
    """A bucket.

    Args:
        site: the run.
    """

    mode: Mode = "s3"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._bucket = site.bucket
        self._base_url: str | None = None

    @property
    def changes(self) -> tuple[str, ...]:
        """What is made, and that it is deleted."""
        return (
            *super().changes,
            f"create bucket {self._bucket}, which notifies the clone; deleted at the end with its objects",
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """That S3 takes its time."""
        slow = "S3 takes about five minutes until a new notification is in force: the run waits for that first"
        return (*super().warnings, slow) if self._site.is_aws else super().warnings

    async def _provide(self, ledger: Ledger, watcher: Watcher) -> None:
        ledger.intend(Change("create-bucket", self._bucket, self._site.place))
        client = await self._site.access.service("s3")
        region = self._site.region
        where: dict[str, Any] = (
            {} if region == _WHERE_ALL_BEGAN else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        )
        with refused(f"creating bucket `{self._bucket}`"):
            try:
                await client.create_bucket(Bucket=self._bucket, **where)
            except ClientError as error:
                if error_code(error) != "BucketAlreadyOwnedByYou":
                    raise
        await self._tag(client)
        arn = f"arn:{self._site.source.arn.split(':')[1]}:s3:::{self._bucket}"
        await self._alias.allow(_PRINCIPAL, arn, SourceAccount=self._site.account)
        await self._notify(client, watcher)
        self._base_url = self._url(client)

    async def _tag(self, client: Any) -> None:
        with refused(f"tagging bucket `{self._bucket}`"):
            try:
                await client.put_bucket_tagging(Bucket=self._bucket, Tagging={"TagSet": self._site.tag_list()})
            except ClientError as error:
                # The tags are for people: an endpoint that has none for buckets serves the run as well.
                if self._site.is_aws or error_code(error) not in _NOT_SERVED:
                    raise

    async def _notify(self, client: Any, watcher: Watcher) -> None:
        wanted = {"Id": _NOTIFICATION, "LambdaFunctionArn": self._site.function_arn(), "Events": ["s3:ObjectCreated:*"]}
        with refused(f"setting the notification of bucket `{self._bucket}`"):
            await once_known(
                lambda: client.put_bucket_notification_configuration(
                    Bucket=self._bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [wanted]}
                ),
                frozenset({"InvalidArgument"}), "S3 to be allowed to invoke the clone", watcher, words="Unable to",
            )  # fmt: skip

        async def state() -> str:
            with refused(f"reading the notification of bucket `{self._bucket}`"):
                now = await client.get_bucket_notification_configuration(Bucket=self._bucket)
            arns = [each["LambdaFunctionArn"] for each in now.get("LambdaFunctionConfigurations", [])]
            return "set" if wanted["LambdaFunctionArn"] in arns else "not set"

        await until("set", state, f"the notification of bucket {self._bucket}", watcher, patience_s=120)
        if self._site.is_aws:
            minutes = round(_IN_FORCE_S / 60)
            sentence = f"waiting for {minutes} minutes: S3 takes so long until a notification is in force, as AWS says"
            await let_settle(_IN_FORCE_S, sentence, watcher)

    def _url(self, client: Any) -> str | None:
        """Return where objects are put: on AWS the bucket has a host of its own."""
        base = self._site.base_url_of(client)
        return f"https://{self._bucket}.{urlsplit(base).netloc}" if base and self._site.is_aws else base

    def request(self, version: Version, payload: bytes, *, tokens: bool) -> RequestForm:  # noqa: ARG002  by the alias
        """Return a PutObject with a key of its own for every message.

        Raises:
            UsageError: when the payload is too large.
        """
        check_bytes(self.mode, payload, _MAX_BYTES, "an object of a run has 6 MB at the most", tokens=tokens)
        prefix = "" if self._site.is_aws else f"/{self._bucket}"
        return RequestForm(
            f"{prefix}/lambdatune/{{{{uuid}}}}.json",
            method="PUT",
            headers=(("Content-Type", "application/json"),),
            body=(BodyPart(payload, tokens),),
            service="s3",
            base_url=self._base_url,
            answer="accept",
            id_header="x-amz-request-id",
        )

    def _message_id(self, record: dict[str, Any]) -> object:
        return record["requestPayload"]["Records"][0]["responseElements"]["x-amz-request-id"]
