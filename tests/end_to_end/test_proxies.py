"""Tests the server behind HAProxy and nginx, with the configurations that docs/proxies.md shows: signatures stay valid, a refused call does no
harm to the next one, and policies, limits and audit see the address of the client."""
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from harness import BUILD, REGION, ROOT, ReservedPort, Server
from test_doors import user
from test_tls import make_certificate, setUpModule as make_tls_folder, tearDownModule as remove_tls_folder

SERVER = FOLDER = CERTIFICATE = KEY = DEAD = None
HERE = os.path.dirname(os.path.abspath(__file__))


def setUpModule():
    global SERVER, FOLDER, CERTIFICATE, KEY, DEAD
    make_tls_folder()
    FOLDER = tempfile.mkdtemp(prefix="vedette-proxies-")
    CERTIFICATE, KEY = make_certificate("proxy", 0x55)
    SERVER = Server(extra=["--trusted-proxy", "127.0.0.1"])
    DEAD = ReservedPort()


def tearDownModule():
    SERVER.destroy()
    DEAD.close()
    shutil.rmtree(FOLDER)
    remove_tls_folder()


def documented(language):
    """Returns the example of docs/proxies.md whose code block has this language."""
    with open(os.path.join(ROOT, "docs", "proxies.md"), encoding="utf-8") as file:
        return re.search(rf"^```{language}\n(.*?)^```", file.read(), re.M | re.S).group(1)


def with_these(text, *pairs):
    """Returns the text with the words of each pair replaced. Fails if the text lacks one of them."""
    for old, new in pairs:
        if old not in text:
            raise RuntimeError(f"docs/proxies.md no longer says {old}")
        text = text.replace(old, new)
    return text


class Proxy:
    """Starts a proxy and waits until it accepts connections."""

    def __init__(self, name, configuration, words):
        self.reserved = ReservedPort()
        self.port = self.reserved.number
        self.folder = os.path.join(FOLDER, name)
        os.makedirs(self.folder)
        path = os.path.join(self.folder, name + ".conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(configuration(self))
        self.log = open(os.path.join(self.folder, "log"), "w+b")
        self.process = subprocess.Popen([*words, path], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.log.seek(0)
                    raise RuntimeError(f"{name} did not start: {self.log.read().decode()}") from None
                time.sleep(0.02)

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()
        self.reserved.close()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


def haproxy_configuration(proxy):
    pem = os.path.join(proxy.folder, "plant.pem")
    with open(pem, "w", encoding="utf-8") as out:
        for path in (CERTIFICATE, KEY):
            with open(path, encoding="utf-8") as file:
                out.write(file.read())
    return with_these(documented("haproxy"), ("bind :443", "bind " + proxy.address), ("/etc/haproxy/plant.pem", pem), ("10.0.0.5:8420", SERVER.address))


def nginx_configuration(proxy):
    server = with_these(documented("nginx"), ("listen 443", "listen " + proxy.address), ("/etc/nginx/plant.crt", CERTIFICATE), ("/etc/nginx/plant.key", KEY),
                        ("10.0.0.5:8420", SERVER.address))
    return nginx_file(proxy, server)


def nginx_file(proxy, server):
    folders = "".join(f"{kind}_temp_path {proxy.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"daemon off;\nmaster_process off;\npid {proxy.folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}{server}}}\n"


def of_nodes(text, dead):
    """Returns an example for three nodes, of which the first and the last are the server, and nobody listens at the address of the second."""
    return with_these(text, ("10.0.0.5:8420", SERVER.address), ("10.0.0.6:8420", f"127.0.0.1:{dead.number}"), ("10.0.0.7:8420", SERVER.address))


def haproxy_of_nodes(proxy):
    front = haproxy_configuration(proxy).split("\nbackend vedette")[0] + "\n"
    return front + of_nodes(documented("haproxy-nodes"), DEAD)


def nginx_of_nodes(proxy):
    server = with_these(documented("nginx"), ("listen 443", "listen " + proxy.address), ("/etc/nginx/plant.crt", CERTIFICATE), ("/etc/nginx/plant.key", KEY),
                        ("http://10.0.0.5:8420", "http://vedette"))
    return nginx_file(proxy, of_nodes(documented("nginx-nodes"), DEAD) + server)


def call(address, path="/2020-11-20/projects", credentials=None, source="127.0.0.1", tls=True, headers=None, payload_hash=None):
    """Sends a signed GET from an address of this machine, with additional headers that are not signed. Returns status and text."""
    keys = credentials or SERVER.credentials()
    request = AWSRequest(method="GET", url=f"http://{address}{path}")
    if payload_hash:
        request.headers["X-Amz-Content-SHA256"] = payload_hash
    SigV4Auth(Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), "lookoutvision", REGION).add_auth(request)
    host, port = address.split(":")
    options = {"timeout": 60, "source_address": (source, 0)}
    if tls:
        connection = http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context(cafile=CERTIFICATE), **options)
    else:
        connection = http.client.HTTPConnection(host, int(port), **options)
    try:
        connection.request("GET", path, headers={**dict(request.headers.items()), **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Behind:
    """Holds the tests that every proxy must pass."""
    name = proxy = None

    @classmethod
    def tearDownClass(cls):
        if cls.proxy:
            cls.proxy.close()

    def client(self, service, credentials=None):
        # All calls use one connection, one after the other.
        config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, read_timeout=60, max_pool_connections=1, signature_version="s3v4" if service == "s3" else None)
        return boto3.client(service, endpoint_url="https://" + self.proxy.address, region_name=REGION, verify=CERTIFICATE, config=config, **(credentials or SERVER.credentials()))

    def test_signatures_stay_whole(self):
        s3, api, bucket = self.client("s3"), self.client("lookoutvision"), self.name + "-bucket"
        s3.create_bucket(Bucket=bucket)
        body = os.urandom(3_000_000)
        keys = ["plain", "a//b", "a/./b", "ä + %2F&=?;,'()*!~$@:#", "spaces  and\ttabs", "%", "/leading"]
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), Metadata={"line-no_7": "a  b"})
        self.assertEqual(sorted(o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]), sorted(keys))
        for key in keys:
            got = s3.get_object(Bucket=bucket, Key=key)
            self.assertEqual((got["Body"].read(), got["Metadata"]), (key.encode(), {"line-no_7": "a  b"}))
        s3.put_object(Bucket=bucket, Key="large", Body=body)
        self.assertEqual(s3.get_object(Bucket=bucket, Key="large", Range="bytes=1000000-")["Body"].read(), body[1_000_000:])
        upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
        part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=body)["ETag"]
        s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
        self.assertEqual(s3.head_object(Bucket=bucket, Key="parts")["ContentLength"], len(body))
        api.create_project(ProjectName=self.name)
        self.assertEqual(api.describe_project(ProjectName=self.name)["ProjectDescription"]["ProjectName"], self.name)
        self.assertEqual(len(api.list_projects(MaxResults=1)["Projects"]), 1)

    def test_the_call_after_a_refused_one_works(self):
        s3, api, bucket = self.client("s3"), self.client("lookoutvision"), self.name + "-refused"
        s3.create_bucket(Bucket=bucket)
        for length in (0, 10, 60_000, 70_000, 3_000_000):
            with self.assertRaises(ClientError) as caught:
                s3.put_object(Bucket="no-such-bucket", Key="k", Body=b"x" * length)
            self.assertEqual(caught.exception.response["Error"]["Code"], "NoSuchBucket", length)
            s3.put_object(Bucket=bucket, Key="k", Body=b"y" * length)
            self.assertEqual(len(s3.get_object(Bucket=bucket, Key="k")["Body"].read()), length)
            with self.assertRaises(ClientError) as caught:
                api.detect_anomalies(ProjectName="none", ModelVersion="1", ContentType="image/png", Body=b"x" * max(1, length))
            self.assertEqual(caught.exception.response["Error"]["Code"], "ResourceNotFoundException")
            api.list_projects()

    def test_policies_and_audit_see_the_client(self):
        keys = user(SERVER, self.name, {"Effect": "Allow", "Action": "*", "Resource": "*"},
                    {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.2/32"}}},
                    {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}})
        def status(address, **options):
            return call(address, credentials=keys, **options)[0]
        forged = {"X-Forwarded-For": "127.0.0.3", "X-Forwarded-Proto": "https"}
        self.assertEqual(status(self.proxy.address, source="127.0.0.4"), 200)
        self.assertEqual(status(self.proxy.address, source="127.0.0.2"), 403)
        self.assertEqual(status(self.proxy.address, source="127.0.0.2", headers=forged), 403)
        # This call goes directly to the server, without TLS, and its address is not one of the trusted proxies.
        self.assertEqual(status(SERVER.address, tls=False, source="127.0.0.4"), 403)
        self.assertEqual(status(SERVER.address, tls=False, source="127.0.0.4", headers=forged), 403)
        lines = []
        for name in os.listdir(os.path.join(SERVER.data, "audit")):
            with open(os.path.join(SERVER.data, "audit", name), encoding="utf-8") as file:
                lines += [json.loads(line) for line in file]
        seen = [(line["sourceIPAddress"], line.get("errorCode", "")) for line in lines if line["userIdentity"]["userName"] == self.name]
        self.assertEqual(seen, [("127.0.0.4", "")] + [("127.0.0.2", "AccessDeniedException")] * 2 + [("127.0.0.4", "AccessDeniedException")] * 2)

    def test_wrong_signatures_are_counted_by_client(self):
        wrong = {**SERVER.credentials(), "aws_secret_access_key": "x" * 40}
        statuses = [call(self.proxy.address, credentials=wrong, source="127.0.1.5")[0]]
        while statuses[-1] == 403 and len(statuses) < 100:
            statuses.append(call(self.proxy.address, credentials=wrong, source="127.0.1.5")[0])
        self.assertEqual(statuses[-1], 429)
        self.assertEqual(call(self.proxy.address, credentials=wrong, source="127.0.1.6")[0], 403)

    def test_javascript_sends_streams(self):
        self.assertEqual(detect_bodies("https://" + self.proxy.address), dict.fromkeys(("bytes", "stream", "generated", "blob", "file"), "ResourceNotFoundException"))


def detect_bodies(url):
    folder = os.path.join(BUILD, "js-client")
    shutil.copy(os.path.join(HERE, "js", "detect_bodies.mjs"), folder)
    picture = os.path.join(FOLDER, "picture.png")
    with open(picture, "wb") as file:
        file.write(os.urandom(100_000))
    environment = SERVER.client_environment(AWS_ENDPOINT_URL=url, NODE_EXTRA_CA_CERTS=CERTIFICATE)
    done = subprocess.run([shutil.which("node") or "/usr/bin/node", os.path.join(folder, "detect_bodies.mjs"), picture], env=environment, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


@unittest.skipUnless(shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin"), "haproxy is not installed")
class HaProxy(Behind, unittest.TestCase):
    name = "haproxy"

    @classmethod
    def setUpClass(cls):
        cls.proxy = Proxy("haproxy", haproxy_configuration, ["/usr/sbin/haproxy", "-db", "-f"])


@unittest.skipUnless(shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "nginx is not installed")
class Nginx(Behind, unittest.TestCase):
    name = "nginx"

    @classmethod
    def setUpClass(cls):
        cls.proxy = Proxy("nginx", nginx_configuration, ["/usr/sbin/nginx", "-c"])


@unittest.skipUnless(shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin"), "haproxy is not installed")
class HaProxyOfNodes(Behind, unittest.TestCase):
    name = "haproxy-nodes"

    @classmethod
    def setUpClass(cls):
        cls.proxy = Proxy(cls.name, haproxy_of_nodes, ["/usr/sbin/haproxy", "-db", "-f"])


@unittest.skipUnless(shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "nginx is not installed")
class NginxOfNodes(Behind, unittest.TestCase):
    name = "nginx-nodes"

    @classmethod
    def setUpClass(cls):
        cls.proxy = Proxy(cls.name, nginx_of_nodes, ["/usr/sbin/nginx", "-c"])


class Ports(unittest.TestCase):
    def test_a_reserved_port_is_only_for_who_names_it(self):
        reserved = ReservedPort()
        self.addCleanup(reserved.close)
        with socket.socket() as other:
            with self.assertRaises(OSError):
                other.bind(("127.0.0.1", reserved.number))
        for _ in range(2):  # The second round is a restart.
            with socket.create_server(("127.0.0.1", reserved.number)) as listener:
                with socket.create_connection(listener.getsockname(), timeout=5):
                    listener.accept()[0].close()


class NoProxy(unittest.TestCase):
    def test_javascript_sends_streams_on_this_machine(self):
        self.assertEqual(detect_bodies(SERVER.url), dict.fromkeys(("bytes", "stream", "generated", "blob", "file"), "ResourceNotFoundException"))

    def test_an_unsigned_payload_is_refused_where_it_could_be_changed(self):
        def send(scheme, client="203.0.113.9", source="127.0.0.1"):
            headers = {"X-Forwarded-For": client, **({"X-Forwarded-Proto": scheme} if scheme else {})}
            return call(SERVER.address, tls=False, source=source, payload_hash="UNSIGNED-PAYLOAD", headers=headers)
        status, text = send("http")
        self.assertEqual(status, 403)
        self.assertIn("unsigned payload", text)
        self.assertEqual(send("https,http")[0], 403)
        for accepted in (send("https"), send(None), send("http", client="127.0.0.1"), send("http", source="127.0.0.7")):
            self.assertEqual(accepted[0], 200, accepted)

    def test_a_server_with_a_wrong_proxy_address_does_not_start(self):
        for bad in ("proxy.example", "10.0.0.0/33", "10.0.0.1:80"):
            with self.assertRaises(RuntimeError) as caught:
                Server(extra=["--trusted-proxy", bad])
            self.assertIn(f'--trusted-proxy: "{bad}" is neither', str(caught.exception))


if __name__ == "__main__":
    unittest.main()
