"""A program that stands before an endpoint as IAM stands before AWS: some actions are denied, in AWS's words.

Run as ``python policed_endpoint.py TARGET_URL [options]``; prints its own URL.

``--deny ACTION[@NAME-PART]`` denies an action, or only where it names something with NAME-PART in it. ``--policy FILE``
denies whatever that IAM policy does not allow. ``--ahead SECONDS`` shifts the Date of every answer. ``--sloppy`` takes
anything for a zip. ``GET /requests`` lists the requests it has seen, as "METHOD path".
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import re
import sys
import time
import zipfile
from email.utils import formatdate
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import parse_qs, unquote

import aiohttp
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.signing import signed

_OWN_HEADERS = {"transfer-encoding", "content-length", "connection", "content-encoding", "date", "server"}
_IDENTITY = "arn:aws:iam::123456789012:user/embedded-endpoint"
_ROUTES = (
    ("POST", r"/2015-03-31/functions/?", "CreateFunction"),
    ("GET", r"/2015-03-31/functions/?", "ListFunctions"),
    ("GET", r"/2015-03-31/functions/([^/]+)", "GetFunction"),
    ("DELETE", r"/2015-03-31/functions/([^/]+)", "DeleteFunction"),
    ("PUT", r"/2015-03-31/functions/([^/]+)/configuration", "UpdateFunctionConfiguration"),
    ("POST", r"/2015-03-31/functions/([^/]+)/versions", "PublishVersion"),
    ("GET", r"/2015-03-31/functions/([^/]+)/versions", "ListVersionsByFunction"),
    ("POST", r"/2015-03-31/functions/([^/]+)/invocations", "InvokeFunction"),
    ("POST", r"/2017-03-31/tags/(.+)", "TagResource"),
    ("GET", r"/2017-03-31/tags/(.+)", "ListTags"),
    ("GET", r"/2016-08-19/account-settings/?", "GetAccountSettings"),
)


def action_of(method: str, path: str, target: str, body: bytes) -> tuple[str, str]:
    """Return IAM's name of a request's action, and what the request is about."""
    if target.startswith("Logs_"):
        return f"logs:{target.rpartition('.')[2]}", json.loads(body).get("logGroupName", "*")
    for verb, pattern, action in _ROUTES:
        match = re.fullmatch(pattern, unquote(path))
        if verb == method and match:
            name = json.loads(body)["FunctionName"] if action == "CreateFunction" else "".join(match.groups())
            return f"lambda:{action}", name.rpartition(":function:")[2]
    return "", ""


class Police:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.target = arguments.target
        self.denied = [rule.partition("@")[::2] for rule in arguments.deny]
        self.ahead_s = arguments.ahead
        self.simulates = not arguments.no_simulator
        self.policy = json.loads(arguments.policy.read_text())["Statement"] if arguments.policy else None
        self.sloppy = arguments.sloppy
        self.seen: list[str] = []

    def denies(self, action: str, name: str) -> bool:
        if action and self.policy is not None and not self.allows(action, name):
            return True
        return any(action == denied and part in name for denied, part in self.denied)

    def allows(self, action: str, name: str) -> bool:
        kind = "logs" if action.startswith("logs:") else "lambda"
        thing = f"log-group:{name}" if kind == "logs" else f"function:{name}"
        arn = name if name.startswith("arn:") else f"arn:aws:{kind}:us-east-1:123456789012:{thing}"
        return any(
            action in each["Action"] and any(fnmatchcase(arn, resource) for resource in each["Resource"])
            for each in self.policy
        )

    def refusal(self, action: str, name: str, resource: str) -> web.Response:
        said = (
            f"User: {_IDENTITY} is not authorized to perform: {action} on resource: {resource} "
            f"because no identity-based policy allows the {action} action"
        )
        logs = action.startswith("logs:")
        body = {"__type": "AccessDeniedException", "message": said} if logs else {"Message": said}
        return web.json_response(
            body, status=400 if logs else 403, headers={"x-amzn-ErrorType": "AccessDeniedException"}
        )

    async def serve(self, request: web.Request, http: aiohttp.ClientSession) -> web.Response:
        if request.path == "/requests":
            return web.json_response(self.seen)
        if request.path.startswith("/_lambdatune"):
            return web.Response(status=404)
        self.seen.append(f"{request.method} {unquote(request.raw_path)}")
        body = await request.read()
        form = parse_qs(body.decode("latin-1"))
        if form.get("Action") == ["SimulatePrincipalPolicy"] and self.simulates:
            return self.simulate(form)
        action, name = action_of(request.method, request.path, request.headers.get("X-Amz-Target", ""), body)
        if action == "lambda:InvokeFunction" and request.query.get("Qualifier"):
            name = f"{name}:{request.query['Qualifier']}"
        if action == "lambda:CreateFunction" and not self.denies(action, name):
            document = json.loads(body)
            if self.denies("iam:PassRole", document["Role"]):
                return self.refusal("iam:PassRole", name, document["Role"])
            if self.sloppy:
                body = self.as_zip(document)
        if self.denies(action, name):
            kind = "logs" if action.startswith("logs:") else "lambda"
            return self.refusal(action, name, f"arn:aws:{kind}:us-east-1:123456789012:function:{name}")
        return await self.forward(request, http, body)

    def simulate(self, form: dict[str, list[str]]) -> web.Response:
        action, resource = form["ActionNames.member.1"][0], form["ResourceArns.member.1"][0]
        decision = "implicitDeny" if self.denies(action, resource) else "allowed"
        return web.Response(
            text='<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
            "<SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults><member>"
            f"<EvalActionName>{action}</EvalActionName><EvalResourceName>{resource}</EvalResourceName>"
            f"<EvalDecision>{decision}</EvalDecision></member></EvaluationResults></SimulatePrincipalPolicyResult>"
            "</SimulatePrincipalPolicyResponse>",
            content_type="text/xml",
        )

    def as_zip(self, document: dict[str, object]) -> bytes:
        """Return a CreateFunction with code that is a zip, signed anew."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            package.writestr("none.py", "def none(event, context):\n    return None\n")
        document["Code"] = {"ZipFile": base64.b64encode(archive.getvalue()).decode()}
        return json.dumps(document).encode()

    async def forward(self, request: web.Request, http: aiohttp.ClientSession, body: bytes) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN_HEADERS}
        if body != await request.read():
            headers = signed(request.method, self.target + request.raw_path, body)
        url = aiohttp.client.URL(self.target + request.raw_path, encoded=True)
        async with http.request(request.method, url, headers=headers, data=body) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN_HEADERS}
            kept["Date"] = formatdate(time.time() + self.ahead_s, usegmt=True)
            return web.Response(status=answer.status, headers=kept, body=await answer.read())


async def main(arguments: argparse.Namespace) -> None:
    police = Police(arguments)
    async with aiohttp.ClientSession(auto_decompress=False) as http:

        async def handle(request: web.Request) -> web.Response:
            return await police.serve(request, http)

        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.to_thread(sys.stdin.read)  # ends with the test that started it
        await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--deny", action="append", default=[])
    parser.add_argument("--ahead", type=float, default=0.0)
    parser.add_argument("--no-simulator", action="store_true")
    parser.add_argument("--policy", type=Path)
    parser.add_argument("--sloppy", action="store_true")
    asyncio.run(main(parser.parse_args()))
