"""Starts an S3 server that is not ours (s3rver, from npm) and a proxy that makes it fail, for tests of --objects."""
import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import boto3
from botocore.config import Config

from harness import BUILD, REGION, ReservedPort

S3RVER = os.path.join(BUILD, "js-client", "node_modules", ".bin", "s3rver")
# This is another service that runs already, with the keys of the environment (tools/try-ceph.sh), or else s3rver, whose keys are fixed.
RUNNING = os.environ.get("VEDETTE_OTHER_S3")
KEYS = {name: os.environ[name] if RUNNING else "S3RVER" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}


class OtherS3:
    def __init__(self):
        self.process = self.folder = None
        if RUNNING:
            self.url, self.port = RUNNING, int(RUNNING.rsplit(":", 1)[1])
            return
        self.folder = tempfile.mkdtemp(prefix="s3rver-")
        self.reserved = ReservedPort()
        self.port = self.reserved.number
        self.url = f"http://127.0.0.1:{self.port}"
        atexit.register(self.destroy)
        self.start()

    def start(self):
        self.process = subprocess.Popen([S3RVER, "-d", self.folder, "-a", "127.0.0.1", "-p", str(self.port), "--silent", "--no-vhost-buckets"], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("s3rver did not start")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def destroy(self):
        self.stop()
        if self.folder:
            self.reserved.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def client(self):
        return boto3.client("s3", endpoint_url=self.url, region_name=REGION, aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"], aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
                            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3}))


class Proxy:
    """Listens on a free port, and hands each connection to `serve` in a thread of its own. Whoever derives from it calls __init__ last."""

    def __init__(self):
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    @staticmethod
    def read_message(stream, is_head=False):
        """Returns the bytes of one message that has a Content-Length or is chunked. Returns nothing at the end of the connection."""
        head = b""
        while True:
            line = stream.readline()
            if not line:
                return b""
            head += line
            if line in (b"\r\n", b"\n"):
                break
        fields = {k.strip().lower(): v.strip() for k, _, v in (l.partition(b":") for l in head.split(b"\r\n")[1:])}
        if is_head or b" 304 " in head[:20] or b" 204 " in head[:20]:
            return head
        if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
            body = b""
            while True:
                size = stream.readline()
                body += size
                length = int(size.split(b";")[0], 16)
                body += stream.read(length + 2)
                if length == 0:
                    return head + body
        return head + stream.read(int(fields.get(b"content-length", 0)))


class FaultyProxy(Proxy):
    """Passes HTTP on to a port. `plan(number)` says what happens to a request: "stall" (no answer until the connection ends), "cut" (half of
    the answer), "drop" (the connection ends before an answer), "500" or "503"; None passes it on. Requests are counted over all connections."""

    def __init__(self, port, plan):
        self.upstream, self.plan = port, plan
        self.count, self.faults = 0, {}
        super().__init__()

    def serve(self, connection):
        with connection, socket.create_connection(("127.0.0.1", self.upstream)) as upstream:
            requests, answers = connection.makefile("rb"), upstream.makefile("rb")
            try:
                while True:
                    request = self.read_message(requests)
                    if not request:
                        return
                    with self.lock:
                        self.count += 1
                        fault = self.plan(self.count)
                        self.faults[fault] = self.faults.get(fault, 0) + 1
                    if fault == "stall":
                        connection.recv(1)  # This returns when the client gives up.
                        return
                    if fault == "drop":
                        return
                    if fault in ("500", "503"):
                        body = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
                        connection.sendall(b"HTTP/1.1 %s Oops\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % (fault.encode(), len(body)) + (b"" if request.startswith(b"HEAD") else body))
                        continue
                    upstream.sendall(request)
                    answer = self.read_message(answers, request.startswith(b"HEAD"))
                    if not answer:
                        return
                    if fault == "cut":
                        connection.sendall(answer[:len(answer) // 2])
                        return
                    connection.sendall(answer)
            except (OSError, ValueError):
                return
