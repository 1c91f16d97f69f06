"""Tests TLS: real clients use it, certificates are renewed without a restart, and nothing is served in plain text beyond loopback."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

import boto3
from botocore.config import Config

from harness import REGION, VEDETTE, Server

FOLDER = None


def setUpModule():
    global FOLDER
    FOLDER = tempfile.mkdtemp(prefix="vedette-tls-")


def tearDownModule():
    shutil.rmtree(FOLDER)


def make_certificate(name, serial):
    """Makes a self-signed certificate for 127.0.0.1 and returns the paths of its files."""
    certificate, key = os.path.join(FOLDER, name + ".crt"), os.path.join(FOLDER, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-set_serial", str(serial),
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def served_serial(server):
    host, port = server.address.split(":")
    pem = ssl.get_server_certificate((host, int(port)))
    return subprocess.run(["openssl", "x509", "-noout", "-serial"], input=pem, capture_output=True, text=True, check=True).stdout.strip()


class Tls(unittest.TestCase):
    def test_clients_work_and_a_renewed_certificate_is_taken_up(self):
        certificate, key = make_certificate("first", 0x11)
        server = Server(extra=["--tls-cert", certificate, "--tls-key", key])
        self.addCleanup(server.destroy)
        self.assertEqual(server.scheme, "https")
        def client(service):
            return boto3.client(service, endpoint_url=server.url, region_name=REGION, verify=certificate, config=Config(s3={"addressing_style": "path"}), **server.credentials())
        api, s3 = client("lookoutvision"), client("s3")
        api.create_project(ProjectName="tls")
        s3.create_bucket(Bucket="tls-bucket")
        body = os.urandom(3_000_000)
        s3.put_object(Bucket="tls-bucket", Key="k", Body=body)
        self.assertEqual(s3.get_object(Bucket="tls-bucket", Key="k")["Body"].read(), body)
        for _ in range(20):
            api.describe_project(ProjectName="tls")
        # Nonsense and plain HTTP on the same port harm nobody.
        host, port = server.address.split(":")
        for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05nonsense", b""):
            with socket.create_connection((host, int(port)), timeout=5) as raw:
                raw.sendall(junk)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, OSError)), socket.create_connection((host, int(port)), timeout=5) as raw:
            old.wrap_socket(raw)
        api.describe_project(ProjectName="tls")

        self.assertEqual(served_serial(server), "serial=11")
        second = make_certificate("second", 0x22)
        # A certificate whose key is not there yet is not used, and the old certificate stays in use.
        shutil.copy(second[0], certificate)
        time.sleep(3)
        self.assertEqual(served_serial(server), "serial=11")
        self.assertIn("TLS certificate not reloaded", server.log())
        shutil.copy(second[1], key)
        deadline = time.monotonic() + 20
        while served_serial(server) != "serial=22":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)

    def test_a_stop_closes_idle_connections_and_answers_the_others(self):
        certificate, key = make_certificate("stop", 0x12)
        server = Server(extra=["--tls-cert", certificate, "--tls-key", key])
        self.addCleanup(server.destroy)
        context = ssl.create_default_context(cafile=certificate)
        host, port = server.address.split(":")
        def connect():
            return context.wrap_socket(socket.create_connection((host, int(port)), timeout=60), server_hostname=host)
        with connect() as idle, connect() as busy:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b" 200 ", idle.recv(4096))
            busy.sendall(b"POST /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            self.assertIn(b" 100 ", busy.recv(4096))  # the body is awaited
            server.process.terminate()
            try:
                self.assertEqual(idle.recv(1), b"")
            except (ssl.SSLError, ConnectionError):
                pass  # closed without a farewell
            busy.sendall(b"hello")
            answer = busy.recv(4096)
        self.assertRegex(answer, rb"^HTTP/1.1 \d\d\d ")
        self.assertIn(b"Connection: close", answer)
        self.assertEqual(server.process.wait(30), 0)
        self.assertNotIn("cut off", server.log())

    def test_import_trusts_only_a_given_authority(self):
        certificate, key = make_certificate("demand", 0x33)
        server = Server(extra=["--tls-cert", certificate, "--tls-key", key])
        self.addCleanup(server.destroy)
        kept = os.path.join(FOLDER, "kept")
        os.makedirs(kept)
        words = [VEDETTE, "import", kept, "--project", "p", "--endpoint", server.url, "--data", server.data]
        os.makedirs(os.path.join(kept, "datasets"))
        with open(os.path.join(kept, "datasets", "train.manifest"), "w", encoding="utf-8") as file:
            file.write('{"source-ref":"s3://b/none.png"}')
        self.assertIn("No answer from", self.run_import(words))
        self.assertIn("none of the pictures", self.run_import(words + ["--ca-file", certificate]))

    def run_import(self, words):
        return subprocess.run(words, capture_output=True, text=True).stderr

    def test_plain_http_stays_on_loopback_unless_asked_for(self):
        for extra, reason in ((["--listen", "0.0.0.0:0"], "loopback only"), (["--listen", "127.0.0.1:0", "--tls-cert", "/none", "--tls-key", "/none"], "cannot be used"),
                              (["--listen", "127.0.0.1:0", "--tls-cert", "/none"], "go together")):
            with tempfile.TemporaryDirectory() as data:
                done = subprocess.run([VEDETTE, "serve", "--data", data, *extra], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 1)
            self.assertIn(reason, done.stderr)

    def test_health_and_descriptions_need_no_key(self):
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen
        server = Server()
        self.addCleanup(server.destroy)
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
            self.assertEqual(urlopen(server.url + path).status, 200, path)
        # The page is for browsers: to a program the same path is a list of buckets, which needs a key.
        self.assertEqual(urlopen(Request(server.url + "/", headers={"Accept": "text/html"})).status, 200)
        with self.assertRaises(HTTPError) as caught:
            urlopen(server.url + "/")
        self.assertEqual(caught.exception.code, 403)
        self.assertIn("/2020-11-20/projects", json.load(urlopen(server.url + "/openapi.json"))["paths"])


if __name__ == "__main__":
    unittest.main()
