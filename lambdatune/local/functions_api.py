"""Functions, versions and code over HTTP (AWS API reference, Lambda)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import invalid, not_implemented
from lambdatune.local.image import parse_uri
from lambdatune.local.names import LATEST, check_name, parse_reference
from lambdatune.local.reply import Reply, json_body, page
from lambdatune.local.validate import changed_configuration, check_architecture, check_tags, new_configuration

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.functions import Functions
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming
    from lambdatune.local.package import Package, PackageStore
    from lambdatune.local.records import Function, Version
    from lambdatune.local.runtimes import Runtimes


class FunctionsApi:
    """Serves the routes of functions and versions.

    Args:
        functions: the registry.
        packages: the deployment packages.
        runtimes: checks runtimes.
        naming: makes ARNs.
        endpoint_url: returns the URL of the endpoint, where code can be downloaded.
    """

    def __init__(
        self,
        functions: Functions,
        packages: PackageStore,
        runtimes: Runtimes,
        naming: Naming,
        endpoint_url: Callable[[], str],
    ) -> None:
        self._functions = functions
        self._packages = packages
        self._runtimes = runtimes
        self._naming = naming
        self._endpoint_url = endpoint_url
        self._unpacking = asyncio.Lock()

    async def create(self, _name: str, request: Request) -> Reply:
        """CreateFunction."""
        body = json_body(request)
        name = check_name(str(body.get("FunctionName") or ""))
        self._functions.check_absent(name)
        configuration = new_configuration(body, name, self._runtimes)
        architecture = check_architecture(body)
        tags = check_tags(body.get("Tags") or {})
        package = await self._package(body.get("Code") or {}, is_image=configuration.image is not None)
        try:
            await asyncio.to_thread(self._runtimes.program_of, configuration, package.root)
            function = self._functions.create(name, configuration, package, architecture, tags)
        finally:
            self._packages.release(package)
        if body.get("Publish"):
            return Reply(201, self._view(function, self._functions.publish_first(function), with_version=True))
        return Reply(201, self._view(function, function.latest))

    async def list(self, _name: str, request: Request) -> Reply:
        """ListFunctions; with FunctionVersion=ALL every version."""
        query = request.query
        entries: list[tuple[Function, Version]] = []
        for function in self._functions:
            entries.append((function, function.latest))
            if query.get("FunctionVersion") == "ALL":
                entries += [(function, version) for version in function.versions.values()]
        every = query.get("FunctionVersion") == "ALL"
        chosen, marker = page(
            entries,
            lambda entry: f"{entry[1].function_name}:{entry[1].version}",
            query.get("Marker"),
            query.get("MaxItems"),
            default=50,
            most=50,
        )
        views = [self._view(function, version, with_version=every) for function, version in chosen]
        return Reply(200, _paged("Functions", views, marker))

    async def get(self, reference: str, request: Request) -> Reply:
        """GetFunction."""
        name, qualifier = parse_reference(reference, request.query.get("Qualifier"))
        function, version = self._functions.version(name, qualifier)
        document: dict[str, Any] = {
            "Configuration": self._view(function, version, qualifier),
            "Code": self._location(version.package),
        }
        if function.tags:
            document["Tags"] = dict(function.tags)
        if function.reserved is not None:
            document["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
        return Reply(200, document)

    async def get_configuration(self, reference: str, request: Request) -> Reply:
        """GetFunctionConfiguration."""
        name, qualifier = parse_reference(reference, request.query.get("Qualifier"))
        function, version = self._functions.version(name, qualifier)
        return Reply(200, self._view(function, version, qualifier))

    async def update_configuration(self, reference: str, request: Request) -> Reply:
        """UpdateFunctionConfiguration."""
        function = self._functions.get(parse_reference(reference)[0])
        body = json_body(request)
        self._functions.check_idle(function)
        configuration = changed_configuration(function.latest.configuration, body, self._runtimes)
        await asyncio.to_thread(self._runtimes.check_host, configuration)
        version = self._functions.update(function, body.get("RevisionId"), configuration=configuration)
        return Reply(200, self._view(function, version))

    async def update_code(self, reference: str, request: Request) -> Reply:
        """UpdateFunctionCode."""
        function = self._functions.get(parse_reference(reference)[0])
        body = json_body(request)
        self._functions.check_idle(function)
        architecture = check_architecture(body, function.latest.architecture)
        package = await self._package(body, is_image=function.latest.configuration.image is not None)
        try:
            if body.get("DryRun"):
                return Reply(200, self._view(function, function.latest))
            version = self._functions.update(
                function, body.get("RevisionId"), package=package, architecture=architecture
            )
        finally:
            self._packages.release(package)
        if body.get("Publish"):
            version = self._functions.publish_first(function)
            return Reply(200, self._view(function, version, with_version=True))
        return Reply(200, self._view(function, version))

    async def delete(self, reference: str, request: Request) -> Reply:
        """DeleteFunction, of the whole function or of one version."""
        name, qualifier = parse_reference(reference, request.query.get("Qualifier"))
        self._functions.delete(self._functions.get(name, qualifier), qualifier)
        return Reply(204)

    async def publish(self, reference: str, request: Request) -> Reply:
        """PublishVersion."""
        function = self._functions.get(parse_reference(reference)[0])
        body = json_body(request)
        version = self._functions.publish(
            function, body.get("RevisionId"), body.get("CodeSha256"), body.get("Description")
        )
        return Reply(201, self._view(function, version, with_version=True))

    async def code_signing(self, reference: str, _request: Request) -> Reply:
        """GetFunctionCodeSigningConfig: there is none, which AWS says by leaving the ARN out."""
        return Reply(200, {"FunctionName": self._functions.get(parse_reference(reference)[0]).name})

    async def runtime_management(self, reference: str, request: Request) -> Reply:
        """GetRuntimeManagementConfig: the host's interpreter, whatever its version, is Auto."""
        name, qualifier = parse_reference(reference, request.query.get("Qualifier"))
        self._functions.version(name, qualifier)
        return Reply(200, {"UpdateRuntimeOn": "Auto", "FunctionArn": self._naming.function_arn(name, qualifier)})

    async def list_versions(self, reference: str, request: Request) -> Reply:
        """ListVersionsByFunction: $LATEST and the published versions in order."""
        function = self._functions.get(parse_reference(reference)[0])
        versions = [function.latest, *function.versions.values()]
        query = request.query
        chosen, marker = page(
            versions, lambda version: version.version, query.get("Marker"), query.get("MaxItems"), default=50, most=50
        )
        views = [self._view(function, version, with_version=True) for version in chosen]
        return Reply(200, _paged("Versions", views, marker))

    def code(self, file_name: str) -> Reply | None:
        """Return the zip of a package, where GetFunction's Code.Location points; None when there is none."""
        package = self._packages.find(file_name.removesuffix(".zip"))
        if package is None or package.archive is None:
            return None
        return Reply(200, body=package.archive.read_bytes(), content_type="application/zip")

    async def _package(self, code: dict[str, Any], *, is_image: bool) -> Package:
        if code.get("S3Bucket"):
            raise not_implemented("code from S3Bucket; send ZipFile")
        other, wanted = ("ZipFile", "ImageUri") if is_image else ("ImageUri", "ZipFile")
        if code.get(other):
            raise invalid(
                f"{other} is not for a function of PackageType {'Image' if is_image else 'Zip'}; send {wanted}."
            )
        async with self._unpacking:
            if is_image:
                return await asyncio.to_thread(self._packages.add_image, parse_uri(code.get("ImageUri")))
            return await asyncio.to_thread(self._packages.add, code.get("ZipFile"))

    def _location(self, package: Package) -> dict[str, str]:
        """Return where code is, as GetFunction tells it."""
        if package.image is not None:
            resolved = package.image.resolved(package.sha256)
            return {"RepositoryType": "ECR", "ImageUri": package.image.uri, "ResolvedImageUri": resolved}
        return {"RepositoryType": "S3", "Location": f"{self._endpoint_url()}/_lambdatune/code/{package.key}.zip"}

    def _view(
        self, function: Function, version: Version, qualifier: str | None = None, *, with_version: bool = False
    ) -> dict[str, Any]:
        published = version.version != LATEST
        return version.to_api(
            self._naming,
            qualifier=version.version if with_version else qualifier,
            state=function.state_of(version),
            update_status="Successful" if published else function.update_status,
        )


def _paged(member: str, items: list[Any], marker: str | None) -> dict[str, Any]:
    document: dict[str, Any] = {member: items}
    if marker is not None:
        document["NextMarker"] = marker
    return document
