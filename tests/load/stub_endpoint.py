"""A stand-in for Lambda's Invoke API that misbehaves on request: ``python stub_endpoint.py [--cert F --key F]``.

It shares no code with lambdatune. The name of the function chooses the behaviour, its parts after ``_`` are
arguments: ``ok``, ``delay_20``, ``throttle_CallerRateLimitExceeded``. `GET /stats` tells what it saw,
`/close-idle` closes connections without a call and tells how many, `/release` answers what is held. It prints its
port on one line and ends when standard input ends. The REPORT's Duration is the time that the request spent here,
from the kernel's receive stamp (where there is one) to just before the answer is sent.
"""

import argparse
import base64
import binascii
import heapq
import itertools
import json
import math
import random
import select
import socket
import ssl
import struct
import sys
import time
import uuid

SO_TIMESTAMPNS = 35
RESET, CLOSE, NOTHING = "reset", "close", "nothing"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: keep-alive\r\n"


def report(request_id, residence_ns, extra="", used=64):
    duration_ms = residence_ns / 1e6
    text = (
        f"START RequestId: {request_id} Version: $LATEST\nEND RequestId: {request_id}\n"
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.6f} ms\tBilled Duration: {int(duration_ms) + 1} ms\t"
        f"Memory Size: 128 MB\tMax Memory Used: {used} MB\t{extra}\n"
    )
    return base64.b64encode(text.encode())


def event(kind, payload):
    """Return a message of an event stream, of kind PayloadChunk, InvokeComplete or exception."""
    named = {":message-type": "event", ":event-type": kind}
    if kind == "exception":
        named = {":message-type": "exception", ":exception-type": "ServiceException"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\7" + struct.pack("!H", len(value)) + value.encode()
        for name, value in named.items()
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + payload
    return body + struct.pack("!I", binascii.crc32(body))


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Client:
    def __init__(self, sock):
        self.sock, self.data, self.out, self.got_ns = sock, b"", b"", 0
        self.handshaking = isinstance(sock, ssl.SSLSocket)
        self.closing = None
        self.seen = 0


class Stub:
    def __init__(self, listener, context):
        self.listener, self.context = listener, context
        self.epoll = select.epoll()
        self.epoll.register(listener.fileno(), select.EPOLLIN)
        self.epoll.register(0, select.EPOLLIN)
        self.clients, self.heap, self.order = {}, [], itertools.count()
        self.stats = {
            "connections": 0,
            "requests": {},
            "bodies": {},
            "last": "",
            "keys": [],
            "in_flight": 0,
            "most_in_flight": 0,
            "last_call_s": 0.0,
            "throttled_ms": [],
        }
        self.ids = itertools.count()
        self.held = []
        self.randomness = random.Random(0)

    def serve(self):
        while True:
            timeout = -1
            if self.heap:
                timeout = max(self.heap[0][0] - time.monotonic(), 0)
            for fd, mask in self.epoll.poll(timeout):
                if fd == 0:
                    if not sys.stdin.buffer.raw.read(4096):
                        return
                elif fd == self.listener.fileno():
                    self.accept()
                elif fd in self.clients:
                    self.on_event(self.clients[fd], mask)
            now = time.monotonic()
            while self.heap and self.heap[0][0] <= now:
                _, _, client, make = heapq.heappop(self.heap)
                self.act(client, make)

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            else:
                sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self.stats["connections"] += 1
            self.clients[sock.fileno()] = Client(sock)
            self.epoll.register(sock.fileno(), select.EPOLLIN)

    def drop(self, client, reset=False):
        fd = client.sock.fileno()
        if fd < 0:
            return
        self.clients.pop(fd, None)
        self.epoll.unregister(fd)
        if reset:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sock.close()

    def on_event(self, client, mask):
        try:
            if client.handshaking:
                client.sock.do_handshake()
                client.handshaking = False
            if mask & select.EPOLLOUT:
                self.push(client)
            if mask & ~select.EPOLLOUT:
                self.read(client)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            self.drop(client)

    def read(self, client):
        while True:
            if self.context:
                data, stamp = client.sock.recv(1 << 16), time.time_ns()
            else:
                data, ancillary, _, _ = client.sock.recvmsg(1 << 16, 64)
                stamp = time.time_ns()
                if ancillary:
                    seconds, ns = struct.unpack("@ll", ancillary[0][2])
                    stamp = seconds * 1_000_000_000 + ns
            if not data:
                self.drop(client)
                return
            client.data += data
            client.got_ns = stamp
            self.parse(client)
            if client.sock.fileno() < 0 or len(data) < 1 << 16:
                return

    def parse(self, client):
        end = client.data.find(b"\r\n\r\n")
        if end < 0:
            return
        at = client.data.find(b"Content-Length: ")
        length = int(client.data[at + 16 : client.data.index(b"\r\n", at)]) if 0 <= at < end else 0
        path = client.data[: client.data.index(b"\r\n")].split(b" ")[1]
        name = path.split(b"/")[3].decode() if path.startswith(b"/2015") else path.decode()
        if name.startswith("early") and not client.seen:
            client.seen = 1
            self.after(
                client,
                0,
                lambda _ns: (
                    b"HTTP/1.1 413 Too Large\r\nConnection: close\r\n"
                    b"x-amzn-ErrorType: RequestTooLargeException\r\nContent-Length: 0\r\n\r\n"
                ),
            )
            self.after(client, 300, lambda _ns: CLOSE)
            return
        if len(client.data) < end + 4 + length:
            return
        body = client.data[end + 4 : end + 4 + length]
        if not name.startswith("/"):
            self.stats["last_call_s"] = time.time()
            self.stats["last"] = client.data[:end].decode()
            key = self.stats["last"].partition("Credential=")[2].partition("/")[0]
            if not self.stats["keys"] or self.stats["keys"][-1][0] != key:
                self.stats["keys"].append([key, 0])
            self.stats["keys"][-1][1] += 1
        client.data = client.data[end + 4 + length :]
        client.seen += 1
        self.respond(client, name, body)

    def respond(self, client, name, body):
        if name.startswith("/"):
            payload = json.dumps(self.control(client, name)).encode()
            self.act(client, lambda _ns: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(payload) + payload)
            return
        requests = self.stats["requests"]
        requests[name] = requests.get(name, 0) + 1
        if len(body) < 64:
            bodies = self.stats["bodies"]
            bodies[body.decode()] = bodies.get(body.decode(), 0) + 1
        self.stats["in_flight"] += 1
        self.stats["most_in_flight"] = max(self.stats["most_in_flight"], self.stats["in_flight"])
        kind, *arguments = name.split("_")
        got_ns = client.got_ns
        steps = getattr(self, "do_" + kind.replace("-", "_"))(client, *arguments)
        for delay_ms, make in steps:
            self.after(client, delay_ms, make, got_ns)

    def control(self, asking, path):
        if path == "/close-idle":
            idle = [
                each for each in self.clients.values() if each.seen and each is not asking and each not in self.held
            ]
            for client in idle:
                self.drop(client)
            return len(idle)
        if path == "/release":
            held, self.held = self.held, []
            for client in held:
                self.act(client, lambda _ns, got_ns=client.got_ns: self.answer(time.time_ns() - got_ns))
            return len(held)
        return {**self.stats, "held": len(self.held)}

    def after(self, client, delay_ms, make, got_ns=0):
        def run(_ns):
            return make(time.time_ns() - got_ns) if callable(make) else make

        if delay_ms:
            heapq.heappush(self.heap, (time.monotonic() + delay_ms / 1000, next(self.order), client, run))
        else:
            self.act(client, run)

    def act(self, client, make):
        what = make(0)
        if client.sock.fileno() < 0 or what is NOTHING:
            return
        if what is RESET or what is CLOSE:
            if what is CLOSE and client.out:
                client.closing = what
            else:
                self.drop(client, reset=what is RESET)
            return
        client.out += what
        self.push(client)

    def push(self, client):
        try:
            while client.out:
                client.out = client.out[client.sock.send(client.out[:262144]) :]
            self.epoll.modify(client.sock.fileno(), select.EPOLLIN)
            if client.closing:
                self.drop(client)
        except (BlockingIOError, ssl.SSLWantWriteError):
            self.epoll.modify(client.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        except OSError:
            self.drop(client)

    # Behaviours: lists of (delay in ms, bytes or what makes them from the residence in ns)

    def answer(self, ns, body=b'"ok"', extra=b"", report_extra="", used=64, head=HEAD):
        request_id = f"00000000-0000-4000-8000-{next(self.ids):012x}"
        tail = report(request_id, ns, report_extra, used)
        self.stats["in_flight"] -= 1
        lines = (
            b"x-amzn-RequestId: " + request_id.encode(),
            b"X-Amz-Executed-Version: $LATEST",
            b"X-Stub-Residence-Ns: %d" % ns,
            extra + b"X-Amz-Log-Result: " + tail,
            b"Content-Length: %d" % len(body),
        )
        return head + b"\r\n".join(lines) + b"\r\n\r\n" + body

    def error(self, status, kind, fields):
        body = json.dumps(fields).encode()
        self.stats["in_flight"] -= 1
        return b"HTTP/1.1 %d Error\r\nx-amzn-RequestId: %s\r\nx-amzn-ErrorType: %s\r\nContent-Length: %d\r\n\r\n%s" % (
            int(status), str(uuid.uuid4()).encode(), kind.encode(), len(body), body,
        )  # fmt: skip

    def do_ok(self, client):
        return [(0, self.answer)]

    def do_delay(self, client, ms):
        return [(float(ms), self.answer)]

    def do_vary(self, client, ms, slow="0", throttled="0", which="any"):
        """Answer after about `ms`, of a thousand calls `slow` after five times that, and throttle `throttled`.

        Which ones: `any`, or those that would have taken longest. What they would have taken is kept.
        """
        share = int(throttled) / 1000
        rank = 1 - self.randomness.random()
        took_ms = float(ms) * (1 - math.log(rank) / 5)
        if self.randomness.random() < int(slow) / 1000:
            took_ms *= 5
        if (rank if which == "slow" else self.randomness.random()) < share:
            self.stats["throttled_ms"].append(took_ms)
            return self.do_throttle(client, "ConcurrentInvocationLimitExceeded")
        return [(took_ms, self.answer)]

    def do_cold(self, client):
        """Begin with an init of 123.45 ms, which the caller waits for and which is no part of Duration."""
        if client.seen > 1:
            return self.do_ok(client)
        extra = "Init Duration: 123.45 ms\t"
        return [(130, lambda ns: self.answer(ns - 123_450_000, report_extra=extra))]

    def do_ahead(self, client):
        """Tell of an init of 123.45 ms that was over before the caller came."""
        extra = "Init Duration: 123.45 ms\t" if client.seen == 1 else ""
        return [(0, lambda ns: self.answer(ns, report_extra=extra))]

    def do_restored(self, client):
        extra = "Restore Duration: 51.25 ms\tBilled Restore Duration: 30 ms\t"
        return [(0, lambda ns: self.answer(ns, report_extra=extra))]

    def do_lower(self, client):
        def make(ns):
            head, _, body = self.answer(ns).partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            named = [line.partition(b": ") for line in lines[1:]]
            return b"\r\n".join([lines[0], *(n.upper() + b":\t" + v + b" " for n, _, v in named)]) + b"\r\n\r\n" + body

        return [(0, make)]

    def do_throttle(self, client, reason):
        fields = {"Reason": reason, "Type": "User", "message": "Rate Exceeded."}
        return [(0, lambda ns: self.error(429, "TooManyRequestsException", fields))]

    def do_http(self, client, status, kind="ServiceException"):
        return [(0, lambda ns: self.error(status, kind + ":http://internal.amazon.com/x/", {"Message": "told so"}))]

    def do_fnerror(self, client, kind="ValueError"):
        body = json.dumps({"errorType": kind, "errorMessage": "went wrong"}).encode()
        return [(0, lambda ns: self.answer(ns, body, b"X-Amz-Function-Error: Unhandled\r\n"))]

    def do_timeout(self, client):
        body = (
            b'{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: x Error: Task timed out after 3.00 seconds"}'
        )
        extra = b"X-Amz-Function-Error: Unhandled\r\n"
        return [(0, lambda ns: self.answer(ns, body, extra, "Status: timeout"))]

    def do_oom(self, client):
        body = b'{"errorType":"Runtime.ExitError","errorMessage":"Runtime exited with error: signal: killed"}'
        extra = b"X-Amz-Function-Error: Unhandled\r\n"
        return [(0, lambda ns: self.answer(ns, body, extra, "Status: error\tError Type: Runtime.ExitError", 128))]

    def do_reset(self, client):
        return [(0, RESET)]

    def do_close(self, client):
        return [(0, lambda ns: self.answer(ns, head=HEAD.replace(b"keep-alive", b"close"))), (0, CLOSE)]

    def do_drop(self, client, ms):
        """Answer as if the connection stayed open, then close it."""
        return [(0, self.answer), (float(ms), CLOSE)]

    def do_wave(self, client, size):
        """Answer all but the last of `size` calls at once; the last one when `/release` is asked for."""
        if self.stats["requests"][f"wave_{size}"] % int(size):
            return [(0, self.answer)]
        self.held.append(client)
        return []

    def do_truncated(self, client):
        return [(0, lambda ns: self.answer(ns, b'"a longer answer"')[:-5]), (20, CLOSE)]

    def do_halfhead(self, client):
        return [(0, lambda ns: self.answer(ns)[:100]), (20, CLOSE)]

    def do_garbage(self, client):
        return [(0, b"SSH-2.0-OpenSSH_9.6\r\n"), (50, CLOSE)]

    def do_chunked(self, client):
        def make(ns):
            head, _, _ = self.answer(ns).partition(b"\r\nContent-Length")
            return head + b'\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n"ab\r\n'

        return [(0, make), (5, b"2\r\ncd\r\n"), (10, b'1\r\n"\r\n0\r\nX-Trailer: 1\r\n\r\n')]

    def do_slow(self, client):
        answer = self.answer(0)
        return [(0.2 * number, answer[number : number + 16]) for number in range(0, len(answer), 16)]

    def do_huge(self, client):
        return [(0, lambda ns: self.answer(ns, b'"' + b"x" * (6 * 1024 * 1024 - 2) + b'"'))]

    def do_stream(self, client, ms="0", ending="whole"):
        """Begin at once, send two payload chunks after `ms` each, and InvokeComplete after another: `whole`, or not."""
        request_id = f"00000000-0000-4000-8000-{next(self.ids):012x}"
        self.stats["in_flight"] -= 1
        wait = float(ms)

        def last(ns):
            complete = {"LogResult": report(request_id, ns, "Init Duration: 0.01 ms\t").decode()}
            if ending == "error":
                complete |= {"ErrorCode": "KeyError", "ErrorDetails": '{"errorType": "KeyError"}'}
            data = event("exception", b'{"message": "told so"}')
            if ending != "exception":
                data = event("InvokeComplete", json.dumps(complete).encode())
            if ending == "damaged":
                data = data[:-1] + bytes([data[-1] ^ 1])
            return chunk(data[:-9] if ending == "cut" else data) + b"0\r\n\r\n" * (ending != "dropped")

        head = (
            b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: %s\r\nContent-Type: application/vnd.amazon.eventstream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" % request_id.encode()
        )
        empty = ending == "empty"
        one, other = ((chunk(event("PayloadChunk", text)), NOTHING)[empty] for text in (b"one", b"other"))
        steps = [(0, head), (wait, one), (2 * wait, other), (3 * wait, last)]
        return [*steps, (3 * wait + 1, CLOSE)] if ending == "dropped" else steps

    def do_never(self, client):
        return [(0, NOTHING)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    options = parser.parse_args()
    context = None
    if options.cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.cert, options.key)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    listener.listen(1024)
    listener.setblocking(False)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    Stub(listener, context).serve()


if __name__ == "__main__":
    main()
