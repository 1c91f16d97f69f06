"""Tests what strangers can do: send headers that nobody signed, open silent or trickling connections, split answers, sign wrongly, and
invent regions."""
import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import time
import unittest
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

import harness
from harness import REGION, Server, run
from test_tls import make_certificate, setUpModule as make_tls_folder, tearDownModule as remove_tls_folder

SERVER = None


def setUpModule():
    global SERVER
    make_tls_folder()
    SERVER = Server()


def tearDownModule():
    SERVER.destroy()
    remove_tls_folder()


def user(server, name, *statements):
    """Returns the keys of a new user with one policy of these statements."""
    data = ("--data", server.data)
    run("user", "create", name, *data)
    if statements:
        document = os.path.join(server.data, name + "-policy.json")
        with open(document, "w", encoding="utf-8") as file:
            json.dump({"Version": "2012-10-17", "Statement": list(statements)}, file)
        run("policy", "put", name + "-policy", document, *data)
        run("policy", "attach", name + "-policy", "--user", name, *data)
    text = run("key", "create", "--user", name, *data)
    return dict(re.findall(r"(aws_\w+) = (\S+)", text))


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.text = answer.status, answer.headers, answer.read().decode()


def signed(server, service, method, path, body=None, credentials=None, region=REGION, added=None, source=None):
    """Sends a signed request from the address `source`. The headers `added` are added after it was signed."""
    keys = credentials or server.credentials()
    payload = b"" if body is None else json.dumps(body).encode()
    request = AWSRequest(method=method, url=server.url + path, data=payload, headers={"Content-Type": "application/json"})
    if service == "s3":
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(payload).hexdigest()
    SigV4Auth(Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), service, region).add_auth(request)
    host, port = server.address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=60, source_address=(source, 0) if source else None)
    try:
        connection.request(method, path, body=payload, headers={**dict(request.headers.items()), **(added or {})})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def connect(server):
    host, port = server.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=60)


class Doors(unittest.TestCase):
    def test_headers_that_are_not_signed_are_refused(self):
        s3 = SERVER.client("s3", signature_version="s3v4")
        s3.create_bucket(Bucket="signed-only")
        s3.put_object(Bucket="signed-only", Key="secret", Body=b"secret")
        url = s3.generate_presigned_url("put_object", Params={"Bucket": "signed-only", "Key": "new"})
        for name, value in (("x-amz-copy-source", "/signed-only/secret"), ("x-amz-meta-a", "b"), ("x-amz-tagging", "a=b"), ("X-Amz-ACL", "private")):
            with self.assertRaises(HTTPError) as caught:
                urlopen(Request(url, data=b"mine", method="PUT", headers={name: value}))
            self.assertEqual(caught.exception.code, 403)
            text = caught.exception.read().decode()
            self.assertIn("<Code>AccessDenied</Code>", text)
            self.assertIn(f"<HeadersNotSigned>{name.lower()}</HeadersNotSigned>", text)
        with self.assertRaises(ClientError):
            s3.head_object(Bucket="signed-only", Key="new")
        urlopen(Request(url, data=b"mine", method="PUT", headers={"X-Amzn-Trace-Id": "Root=1", "User-Agent": "x"}))
        self.assertEqual(s3.get_object(Bucket="signed-only", Key="new")["Body"].read(), b"mine")
        # The same holds with the Authorization header, in every service.
        for service, method, path in (("s3", "GET", "/signed-only/secret"), ("lookoutvision", "GET", "/2020-11-20/projects"), ("vedette", "GET", "/2026-11-01/users")):
            self.assertEqual(signed(SERVER, service, method, path).status, 200)
            self.assertEqual(signed(SERVER, service, method, path, added={"x-amz-extra": "1"}).status, 403, service)

    def test_a_presigned_url_is_good_for_its_method_and_its_words_alone(self):
        s3 = SERVER.client("s3", signature_version="s3v4")
        s3.create_bucket(Bucket="presigned")
        s3.put_object(Bucket="presigned", Key="a", Body=b"content")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "a"})

        def status(url, method="GET"):
            try:
                with urlopen(Request(url, method=method, data=b"x" if method in ("PUT", "POST") else None)) as answer:
                    return answer.status
            except HTTPError as error:
                error.close()
                return error.code
        self.assertEqual(status(url), 200)
        for method in ("HEAD", "PUT", "POST", "DELETE", "PATCH", "get"):
            self.assertEqual(status(url, method), 403, method)
        for other in (url + "&versionId=null", url + "&acl", url + "&uploads", url + "&response-content-type=text/html", url + "&X-Amz-Signature=" + "0" * 64,
                      url.replace("/presigned/a?", "/presigned/b?"), url.replace("/presigned/a?", "/presigned/x/../a?"), url.replace("/presigned/a?", "//presigned/a?"),
                      re.sub(r"X-Amz-Expires=\d+", "X-Amz-Expires=604800", url)):
            self.assertEqual(status(other), 403, other)
        self.assertEqual(s3.get_object(Bucket="presigned", Key="a")["Body"].read(), b"content")

    def test_no_answer_is_split(self):
        s3 = SERVER.client("s3", signature_version="s3v4")
        s3.create_bucket(Bucket="split")
        s3.put_bucket_versioning(Bucket="split", VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket="split", Key="k", Body=b"b")
        evil = "x\r\nset-cookie: stolen=1"
        for call in (s3.delete_object, s3.get_object, s3.get_object_tagging, s3.head_object):
            with self.assertRaises(ClientError) as caught:
                call(Bucket="split", Key="k", VersionId=evil)
            self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 400)
            self.assertNotIn("set-cookie", caught.exception.response["ResponseMetadata"]["HTTPHeaders"])
        answer = s3.get_object(Bucket="split", Key="k", ResponseContentDisposition=evil, ResponseContentType="a\r\nb: c")
        self.assertNotIn("set-cookie", answer["ResponseMetadata"]["HTTPHeaders"])
        self.assertNotIn("b", answer["ResponseMetadata"]["HTTPHeaders"])

    def test_no_request_is_hidden_in_another(self):
        s3 = SERVER.client("s3", signature_version="s3v4")
        s3.create_bucket(Bucket="smuggled")
        def target(call, key):
            return s3.generate_presigned_url(call, Params={"Bucket": "smuggled", "Key": key}).removeprefix(SERVER.url)
        hidden = f"DELETE {target('delete_object', 'kept')} HTTP/1.1\r\nHost: {SERVER.address}\r\n\r\n"
        s3.put_object(Bucket="smuggled", Key="kept", Body=b"kept")
        host = f"Host: {SERVER.address}\r\n"
        def answers(version, headers, body):
            with connect(SERVER) as raw:
                raw.sendall(f"PUT {target('put_object', 'new')} {version}\r\n{headers}\r\n{body}{hidden}".encode())
                raw.shutdown(socket.SHUT_WR)
                heard = b""
                while some := raw.recv(65536):
                    heard += some
            return heard
        chunked, attempts = host + "Transfer-Encoding: chunked\r\n", []
        for coding in ("xchunked", "identity", "chunked, identity", "gzip", "gzip, chunked", "chunked, chunked", "\x0bchunked"):
            attempts.append(("HTTP/1.1", host + f"Transfer-Encoding: {coding}\r\n", "0\r\n\r\n"))
        for length in ("0, 0", "+0", "-0", "0x0", "0 0", "9223372036854775808", "0\r\nContent-Length: 0", "0\r\nContent-Length: 1"):
            attempts.append(("HTTP/1.1", host + f"Content-Length: {length}\r\n", ""))
        attempts += [
            ("HTTP/1.0", chunked + "Connection: keep-alive\r\n", "0\r\n\r\n"), ("HTTP/1.1", chunked + "Content-Length: 5\r\n", "0\r\n\r\n"),
            ("HTTP/1.1", chunked + "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), ("HTTP/1.1", host + "Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
            ("HTTP/1.1", "", ""), ("HTTP/1.1", "Host:\r\n", ""), ("HTTP/1.1", host + "a: b\rc: d\r\n", ""), ("HTTP/1.1", host + "a: b\x00\r\n", ""),
            ("HTTP/1.1", chunked, "2;" + "a" * 2_000_000 + "\r\nhi\r\n0\r\n\r\n"), ("HTTP/1.1", chunked, "2\r\nhi\r\n0\r\n" + "a: b\r\n" * 100_000 + "\r\n"),
            ("HTTP/1.1", chunked, "2;a=\"\n\"\r\nhi\r\n0\r\n\r\n"), ("HTTP/1.1", chunked, "0x2\r\nhi\r\n0\r\n\r\n"),
        ]
        for attempt in attempts:
            heard = answers(*attempt)
            self.assertRegex(heard, rb"^HTTP/1\.1 (400|501) ", attempt[1])
            self.assertIn(b"\r\nConnection: close\r\n", heard, attempt[1])
            self.assertEqual(len(re.findall(rb"HTTP/1\.1 \d{3} ", heard)), 1, (attempt[1], heard))
        self.assertEqual([o["Key"] for o in s3.list_objects_v2(Bucket="smuggled")["Contents"]], ["kept"])
        # A request that is plain is followed by the next one on its connection.
        heard = answers("HTTP/1.1", chunked, "2\r\nhi\r\n0\r\na: b\r\n\r\n")
        self.assertRegex(heard, rb"(?s)^HTTP/1\.1 200 .*HTTP/1\.1 204 ")
        self.assertEqual([o["Key"] for o in s3.list_objects_v2(Bucket="smuggled")["Contents"]], ["new"])

    def test_silent_connections_shut_nobody_out(self):
        server = Server(extra=["--most-connections", "50"])
        self.addCleanup(server.destroy)
        silent = [connect(server) for _ in range(120)]
        for raw in silent[60:]:
            raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")  # The end of the head is never sent.
        self.assertEqual(server.client("lookoutvision").list_projects()["Projects"], [])
        # Connections whose body nobody has checked are closed in favour of others, too.
        key = server.credentials()["aws_access_key_id"]
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        head = (f"POST /2020-11-20/projects HTTP/1.1\r\nHost: x\r\nX-Amz-Date: {stamp}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={key}/{stamp[:8]}/us-east-1/lookoutvision/aws4_request, "
                f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}\r\nContent-Length: 900000\r\n\r\n" + "{").encode()
        slow = [connect(server) for _ in range(60)]
        for raw in slow:
            raw.sendall(head)
        self.assertEqual(server.client("lookoutvision").list_projects()["Projects"], [])
        for raw in silent + slow:
            raw.close()

    def test_the_limit_of_open_files_is_raised(self):
        program, harness.VEDETTE = harness.VEDETTE, os.path.join(SERVER.data, "limited")
        try:
            with open(harness.VEDETTE, "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\nulimit -S -n 256\nexec '{program}' \"$@\"\n")
            os.chmod(harness.VEDETTE, 0o755)
            server = Server()
        finally:
            harness.VEDETTE = program
        self.addCleanup(server.destroy)
        with open(f"/proc/{server.process.pid}/limits", encoding="utf-8") as file:
            soft, hard = re.search(r"Max open files\s+(\d+)\s+(\d+)", file.read()).groups()
        self.assertGreaterEqual(int(soft), min(int(hard), 1024 + 512))

    def test_a_deny_by_an_ipv4_block_holds_on_a_dual_stack_socket(self):
        server = Server(listen="[::]:0", extra=["--insecure-http"])
        self.addCleanup(server.destroy)
        server.address = "127.0.0.1:" + server.address.rsplit(":", 1)[1]
        keys = user(server, "line7", {"Effect": "Allow", "Action": "*", "Resource": "*"},
                    {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.2/32"}}})
        self.assertEqual(signed(server, "lookoutvision", "GET", "/2020-11-20/projects", credentials=keys, source="127.0.0.2").status, 403)
        self.assertEqual(signed(server, "lookoutvision", "GET", "/2020-11-20/projects", credentials=keys).status, 200)
        self.assertNotIn("::ffff", server.log())

    def test_invented_regions_leave_no_trace(self):
        server = Server(extra=["--requests-per-second", "1"])
        self.addCleanup(server.destroy)
        keys = user(server, "nobody")
        for i in range(150):
            self.assertEqual(signed(server, "lookoutvision", "GET", "/2020-11-20/projects/none", credentials=keys, region=f"invented-{i}").status, 403)
        self.assertEqual(signed(server, "lookoutvision", "GET", "/2020-11-20/projects", region="Not_A_Region").status, 403)
        # Calls in another region count towards the same rate.
        statuses = [signed(server, "lookoutvision", "GET", "/2020-11-20/projects", region=f"other-{i}").status for i in range(4)]
        self.assertIn(429, statuses)
        server.client("lookoutvision").create_project(ProjectName="line7")
        metrics = urlopen(server.url + "/metrics").read().decode()
        self.assertNotIn("invented", metrics)
        self.assertNotIn("other-", metrics)
        self.assertIn('project="line7"', metrics)
        server.stop()
        lines = []
        for name in os.listdir(os.path.join(server.data, "audit")):
            with open(os.path.join(server.data, "audit", name), encoding="utf-8") as file:
                lines += [json.loads(line) for line in file]
        of_nobody = [line for line in lines if line["userIdentity"]["userName"] == "nobody"]
        left_out = sum(line["additionalEventData"]["callsLeftOut"] for line in of_nobody if line["eventName"] == "RefusedCallsLeftOut")
        self.assertGreater(left_out, 0)
        self.assertEqual(left_out + sum(line["eventName"] != "RefusedCallsLeftOut" for line in of_nobody), 150)

    def test_wrong_signatures_are_limited_and_logged_as_claims(self):
        for service, path, status, word in (("lookoutvision", "/2020-11-20/projects", 429, "ThrottlingException"), ("s3", "/", 503, "SlowDown")):
            server = Server()
            self.addCleanup(server.destroy)
            wrong = {**server.credentials(), "aws_secret_access_key": "x" * 40}
            answers = []
            while not answers or answers[-1].status == 403 and len(answers) < 100:
                answers.append(signed(server, service, "GET", path, credentials=wrong))
            self.assertEqual(answers[0].status, 403)
            self.assertEqual(answers[-1].status, status)
            self.assertIn(word, answers[-1].text + str(answers[-1].headers))
            # Calls with the right signature are not held up, from this address or from another.
            self.assertEqual(signed(server, service, "GET", path).status, 200)
            self.assertEqual(signed(server, service, "GET", path, source="127.0.0.9").status, 200)
            refused = [line for line in server.log().splitlines() if "status=403" in line]
            self.assertTrue(refused)
            for line in refused:
                self.assertIn("caller=- claimed=admin", line)

    def test_metrics_can_be_kept_from_strangers(self):
        token = os.path.join(SERVER.data, "token")
        with open(token, "w", encoding="utf-8") as file:
            file.write("a-long-enough-token\n")
        server = Server(extra=["--metrics-access", "token", "--metrics-token-file", token])
        self.addCleanup(server.destroy)
        with self.assertRaises(HTTPError) as caught:
            urlopen(server.url + "/metrics")
        self.assertEqual(caught.exception.code, 401)
        self.assertEqual(urlopen(Request(server.url + "/metrics", headers={"Authorization": "Bearer a-long-enough-token"})).status, 200)
        self.assertEqual(urlopen(server.url + "/healthz").status, 200)

    def test_tls_speaks_no_cbc(self):
        certificate, key = make_certificate("aead", 0x44)
        server = Server(extra=["--tls-cert", certificate, "--tls-key", key])
        self.addCleanup(server.destroy)
        def speaks(*arguments):
            done = subprocess.run(["openssl", "s_client", "-connect", server.address, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
            return done.returncode == 0 and "Cipher is (NONE)" not in done.stdout
        for cipher in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"):
            self.assertTrue(speaks("-tls1_2", "-cipher", cipher), cipher)
        for cipher in ("ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-CCM8"):
            self.assertFalse(speaks("-tls1_2", "-cipher", cipher + ":@SECLEVEL=0"), cipher)
        self.assertTrue(speaks("-tls1_3"))


if __name__ == "__main__":
    unittest.main()
