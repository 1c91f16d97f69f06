"""Tests `vedette doctor`: a node on PostgreSQL and S3 that is well, and seeded faults, each of which it finds."""
import email.utils
import http.client
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from harness import ROOT, VEDETTE, Server

sys.path.insert(0, os.path.join(ROOT, "tests"))
from postgresql import PgBouncer, Postgresql


def doctor(*options, environment=None):
    """Returns the exit status, the findings, and the counts."""
    done = subprocess.run([VEDETTE, "doctor", "--json", *options], capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})})
    *findings, counts = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == (2 if counts["failed"] else 1 if counts["warnings"] else 0), done
    return done.returncode, findings, counts


class WrongClock:
    """Stands before an S3 service and says that it is another time."""

    def __init__(self, address, shift):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                connection = http.client.HTTPConnection(address)
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                content = answer.read()
                self.send_response_only(answer.status)
                self.send_header("date", email.utils.formatdate(time.time() + shift, usegmt=True))
                for name, value in answer.getheaders():
                    if name.lower() not in ("date", "content-length") or self.command == "HEAD":
                        if name.lower() != "date":
                            self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("content-length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)
                connection.close()

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Doctor(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vedette-doctor-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def expect(self, findings, result, check, words):
        said = [f for f in findings if f["result"] == result]
        self.assertTrue(any(f["check"] == check and words in f["message"] for f in said), f"no {result} of {check} with {words!r} in {json.dumps(findings, indent=1)}")

    def certificate(self, days):
        key, request, certificate = (os.path.join(self.folder, f"{days}{suffix}") for suffix in (".key", ".csr", ".crt"))
        subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", request], check=True, capture_output=True)
        subprocess.run(["openssl", "x509", "-req", "-in", request, "-signkey", key, "-days", str(days), "-out", certificate], check=True, capture_output=True)
        return certificate, key

    def test_a_server_on_its_own_folder(self):
        server = Server()
        self.addCleanup(server.destroy)
        before = sorted(os.listdir(server.data))
        _, findings, counts = doctor("--data", server.data)
        self.assertEqual(counts["failed"], 0, findings)
        self.expect(findings, "ok", "database", "metadata.sqlite is whole")
        self.expect(findings, "ok", "master key", "opens the access keys")
        self.assertEqual(sorted(os.listdir(server.data)), before)

        os.chmod(os.path.join(server.data, "master-key"), 0o644)
        status, findings, _ = doctor("--data", server.data)
        self.assertEqual(status, 2)
        self.expect(findings, "failed", "files", "master-key (mode 644) is open to every user of the machine")
        os.chmod(os.path.join(server.data, "master-key"), 0o600)

        certificate, key = self.certificate(-1)
        status, findings, _ = doctor("--data", server.data, "--tls-cert", certificate, "--tls-key", key)
        self.assertEqual(status, 2)
        self.expect(findings, "failed", "TLS", "expired")
        other, _ = self.certificate(90)
        status, findings, _ = doctor("--data", server.data, "--tls-cert", other, "--tls-key", key)
        self.assertEqual(status, 2)
        self.expect(findings, "failed", "TLS", "does not belong to the certificate")

        shutil.copy(os.path.join(ROOT, "README.md"), os.path.join(self.folder, "metadata.sqlite"))
        status, findings, _ = doctor("--data", self.folder)
        self.assertEqual(status, 2)
        self.expect(findings, "failed", "database", "metadata.sqlite")

    def test_a_node_on_postgresql_and_s3(self):
        database, s3 = Postgresql(durable=True), Server()
        self.addCleanup(database.destroy)
        self.addCleanup(s3.destroy)
        s3.client("s3").create_bucket(Bucket="plant")
        keys = {name.upper(): value for name, value in s3.credentials().items()}
        master_key = os.path.join(self.folder, "master-key")
        with open(os.open(master_key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(32))

        def options(metadata=database.url, endpoint=s3.url):
            return ["--metadata", metadata, "--objects", "s3://plant/server", "--objects-endpoint", endpoint, "--master-key", master_key]

        # Before the first start, nothing is there yet, and nothing is made.
        data = os.path.join(self.folder, "node")
        status, findings, counts = doctor("--data", data, *options(), environment=keys)
        self.assertEqual(counts["failed"], 0, findings)
        self.expect(findings, "ok", "database", "There are no tables yet")
        self.assertEqual(database.sql("SELECT COUNT(*) FROM pg_namespace WHERE nspname = 'vedette'"), "0")
        self.assertFalse(os.path.exists(data))

        node = Server(data=data, extra=options(), environment=keys)
        self.addCleanup(node.destroy)
        status, findings, counts = doctor("--data", data, *options(), environment=keys)
        self.assertEqual(counts["failed"], 0, findings)
        for check, words in (("database", "reached directly"), ("database", "on the server's disk"), ("clock", "that of the database"), ("clock", "that of the S3 service"),
                             ("objects", "sent in parts"), ("objects", "gone at once"), ("access keys", "There are 1 access keys"), ("master key", "opens the access keys")):
            self.expect(findings, "ok", check, words)
        live = [f for f in findings if f["check"].startswith("node ")]
        self.assertEqual(len(live), 1)
        self.assertIn(f"It answers at {node.url}.", live[0]["message"])
        self.assertEqual([o["Key"] for o in s3.client("s3").list_objects_v2(Bucket="plant").get("Contents", []) if "doctor" in o["Key"]], [])

        self.expect(doctor("--data", data, "--account", "210987654321", *options(), environment=keys)[1], "failed", "account", "Start it with --account 123456789012")
        refused = subprocess.run([VEDETTE, "backup", "--data", data, "--out", os.path.join(self.folder, "copy")], capture_output=True, text=True, check=False)
        self.assertIn("Metadata in PostgreSQL are backed up there", refused.stderr)

        pooler = PgBouncer(database)
        self.addCleanup(pooler.destroy)
        self.expect(doctor("--data", data, *options(metadata=pooler.url), environment=keys)[1], "ok", "database", "in transaction mode")

        clock = WrongClock(s3.address, -3600)
        self.addCleanup(clock.close)
        status, findings, _ = doctor("--data", data, *options(endpoint=clock.url), environment=keys)
        self.assertEqual(status, 2)
        self.expect(findings, "failed", "clock", "ahead of that of the S3 service")

        # A node that is stopped is asked in vain, as long as its row is fresh.
        node.process.send_signal(19)
        try:
            status, findings, _ = doctor("--data", data, *options(), environment=keys)
            self.expect(findings, "failed", live[0]["check"], "cannot be reached from here")
        finally:
            node.process.send_signal(18)

        database.sql("CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA vedette TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA vedette TO reader")
        reader = database.url.replace("user=vedette", "user=reader")
        self.expect(doctor("--data", data, *options(metadata=reader), environment=keys)[1], "failed", "database", "The role may not read and write all tables")
        node.kill()
        database.stop()
        status, findings, _ = doctor("--data", data, *options(), environment=keys)
        self.assertEqual(status, 2)
        self.expect(findings, "failed", "database", "cannot be used")
        s3.kill()
        self.expect(doctor("--data", data, *options(), environment=keys)[1], "failed", "objects", "cannot be used")


if __name__ == "__main__":
    unittest.main()
