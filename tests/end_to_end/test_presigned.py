"""Tests presigned URLs as clients make them: with Signature Version 2, which older clients choose by default, and with headers in the URL."""
import base64
import hashlib
import hmac
import http.client
import os
import shutil
import subprocess
import time
import unittest
from urllib.parse import quote, urlsplit

import boto3
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from harness import REGION, Server, run

SERVER = None
DOMAIN = "s3.plant.example"
KEYS = ["plain.png", "with space", "ü/日本 🙂", "plus+percent%41", "a//b", "tail/", "q?a=b&c", "~!$'()*@,;:="]


def setUpModule():
    global SERVER
    SERVER = Server(extra=["--s3-domain", DOMAIN])
    SERVER.client("s3").create_bucket(Bucket="old")


def tearDownModule():
    SERVER.destroy()


def ask(url, method="GET", body=None, server=None, **headers):
    """Opens a URL as it is, with no headers except the given ones. The connection goes to the server, since no name server knows the host in the URL."""
    parts = urlsplit(url)
    host, port = (server or SERVER).address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    try:
        connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body=body, headers={"Host": parts.netloc, **{k.replace("_", "-"): v for k, v in headers.items()}})
        answer = connection.getresponse()
        answer.text = answer.read()
        return answer
    finally:
        connection.close()


def hand_signed(method, path, expires, headers="", md5="", content_type="", keys=None):
    """Returns the parameters of Version 2, made exactly as the documentation says."""
    keys = keys or SERVER.credentials()
    text = f"{method}\n{md5}\n{content_type}\n{expires}\n{headers}{path}"
    signature = base64.b64encode(hmac.new(keys["aws_secret_access_key"].encode(), text.encode(), hashlib.sha1).digest()).decode()
    return f"AWSAccessKeyId={keys['aws_access_key_id']}&Expires={expires}&Signature={quote(signature, safe='')}"


def soon():
    return int(time.time()) + 60


class Boto3(unittest.TestCase):
    """Tests URLs that boto3 presigns by default in us-east-1, us-west-2 and eu-west-1."""

    def setUp(self):
        self.s3 = SERVER.client("s3")

    def url(self, operation, key="k", **parameters):
        url = self.s3.generate_presigned_url(operation, Params={"Bucket": "old", "Key": key, **parameters}, ExpiresIn=60)
        self.assertIn("AWSAccessKeyId=", url)
        self.assertNotIn("X-Amz-Signature", url)
        return url

    def test_put_get_head_and_delete(self):
        for key in KEYS:
            body = os.urandom(100)
            self.assertEqual(ask(self.url("put_object", key), "PUT", body).status, 200, key)
            self.assertEqual(ask(self.url("get_object", key)).text, body, key)
            self.assertEqual(ask(self.url("head_object", key), "HEAD").getheader("content-length"), "100", key)
            self.assertEqual(ask(self.url("delete_object", key), "DELETE").status, 204, key)
            self.assertEqual(ask(self.url("get_object", key)).status, 404, key)

    def test_headers_that_the_url_carries(self):
        url = self.url("put_object", "described", ContentType="image/png", ContentMD5=base64.b64encode(hashlib.md5(b"body").digest()).decode(), Metadata={"line": "7"}, ACL="private")
        self.assertIn("content-type=image%2Fpng", url)
        self.assertEqual(ask(url, "PUT", b"body").status, 200)
        described = self.s3.head_object(Bucket="old", Key="described")
        self.assertEqual((described["ContentType"], described["Metadata"]), ("image/png", {"line": "7"}))
        self.assertEqual(ask(url, "PUT", b"body", content_type="image/png").status, 200)
        self.assertEqual(ask(url, "PUT", b"body", content_type="text/html").status, 403)
        self.assertIn(b"BadDigest", ask(url, "PUT", b"other").text)

    def test_parameters_that_are_signed(self):
        self.s3.create_bucket(Bucket="old-versions")
        self.s3.put_bucket_versioning(Bucket="old-versions", VersioningConfiguration={"Status": "Enabled"})
        first = self.s3.put_object(Bucket="old-versions", Key="k", Body=b"first")["VersionId"]
        self.s3.put_object(Bucket="old-versions", Key="k", Body=b"second")
        disposition = 'attachment; filename="ü b.png"'
        answer = ask(self.url("get_object", Bucket="old-versions", VersionId=first, ResponseContentDisposition=disposition, ResponseContentType="text/plain; charset=utf-8"))
        self.assertEqual((answer.status, answer.text, answer.getheader("content-type")), (200, b"first", "text/plain; charset=utf-8"))
        self.assertEqual(answer.getheader("content-disposition").encode("latin-1").decode(), disposition)
        self.assertEqual(ask(self.url("get_object", Bucket="old-versions")).text, b"second")
        self.assertEqual(ask(self.url("get_object", Bucket="old-versions").replace("?", f"?versionId={first}&")).status, 403)

    def test_a_browser_that_opens_an_object_runs_nothing_in_it(self):
        disposition = lambda answer: answer.getheader("content-disposition")  # noqa: E731
        for content_type, stored, expected in (("text/html", None, "attachment"), ("text/html", "inline", "attachment"), ("image/svg+xml", 'inline; filename="a;b.svg"', 'attachment; filename="a;b.svg"'),
                                               ("application/pdf", "ATTACHMENT; filename=a.pdf", "ATTACHMENT; filename=a.pdf"), ("image/png, text/html", None, "attachment"),
                                               ("text/xml", "attachment, inline", "attachment"), ("IMAGE/PNG; q=1", None, None), ("image/jpeg", "inline; filename=a.jpg", "inline; filename=a.jpg"),
                                               ("image/gif", None, "attachment")):
            with self.subTest(content_type, stored=stored):
                self.s3.put_object(Bucket="old", Key="page", Body=b"<script>", ContentType=content_type, **({"ContentDisposition": stored} if stored else {}))
                for answer in (ask(self.url("get_object", "page")), ask(self.url("head_object", "page"), "HEAD"), ask(self.url("get_object", "page"), Range="bytes=1-2")):
                    self.assertEqual((answer.getheader("x-content-type-options"), answer.getheader("content-security-policy")), ("nosniff", "sandbox; default-src 'none'"))
                    self.assertEqual(disposition(answer), expected)
                # Programs sign in a header. They get what was stored.
                self.assertEqual(self.s3.head_object(Bucket="old", Key="page").get("ContentDisposition"), stored or expected)
        self.s3.put_object(Bucket="old", Key="page", Body=b"<script>", ContentType="image/png")
        for use, status in (("script", 403), ("worker", 403), ("sharedworker", 403), ("serviceworker", 403), ("style", 403), ("iframe", 403), ("frame", 403), ("embed", 403), ("object", 403),
                            ("image", 200), ("document", 200), ("empty", 200)):
            self.assertEqual(ask(self.url("get_object", "page"), **{"Sec-Fetch-Dest": use}).status, status, use)
        answer = ask(self.url("get_object", "page", ResponseContentType="text/html", ResponseContentDisposition="inline"))
        self.assertEqual((answer.getheader("content-type"), disposition(answer)), ("text/html", "attachment"))

    def test_uploads_by_parts(self):
        upload = self.s3.create_multipart_upload(Bucket="old", Key="parts")["UploadId"]
        answer = ask(self.url("upload_part", "parts", UploadId=upload, PartNumber=1), "PUT", b"part")
        self.assertEqual(answer.status, 200)
        body = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{answer.getheader('etag')}</ETag></Part></CompleteMultipartUpload>"
        self.assertEqual(ask(self.url("complete_multipart_upload", "parts", UploadId=upload), "POST", body).status, 200)
        self.assertEqual(ask(self.url("get_object", "parts")).text, b"part")

    def test_virtual_hosts(self):
        port = SERVER.address.rsplit(":", 1)[1]
        s3 = boto3.client("s3", endpoint_url=f"http://{DOMAIN}:{port}", region_name=REGION, config=Config(s3={"addressing_style": "virtual"}), **SERVER.credentials())
        url = s3.generate_presigned_url("put_object", Params={"Bucket": "old", "Key": "by host/ü"})
        self.assertTrue(url.startswith(f"http://old.{DOMAIN}:{port}/by%20host"), url)
        self.assertEqual(ask(url, "PUT", b"by host").status, 200)
        self.assertEqual(ask(s3.generate_presigned_url("get_object", Params={"Bucket": "old", "Key": "by host/ü"})).text, b"by host")
        self.assertEqual(ask(s3.generate_presigned_url("head_bucket", Params={"Bucket": "old"}), "HEAD").status, 200)
        self.assertEqual(ask(url.replace("//old.", "//older."), "PUT", b"elsewhere").status, 403)
        # This key is also one of the server's own paths.
        self.s3.put_object(Bucket="old", Key="metrics", Body=b"an object")
        self.assertEqual(ask(s3.generate_presigned_url("get_object", Params={"Bucket": "old", "Key": "metrics"})).text, b"an object")

    def test_a_url_gives_no_more_rights_than_its_user_has(self):
        run("user", "create", "reader", "--data", SERVER.data)
        lines = run("key", "create", "--user", "reader", "--data", SERVER.data).splitlines()
        keys = dict(line.split(" = ", 1) for line in lines if " = " in line)
        url = SERVER.client("s3", keys).generate_presigned_url("get_object", Params={"Bucket": "old", "Key": "k"})
        self.assertIn("AWSAccessKeyId=", url)
        self.assertIn(b"<Code>AccessDenied</Code>", ask(url).text)
        self.assertNotIn(b"signature", ask(url).text)


class ByTheLetter(unittest.TestCase):
    def setUp(self):
        SERVER.client("s3").put_object(Bucket="old", Key="k", Body=b"secret")

    def test_a_changed_request_is_refused(self):
        query = hand_signed("GET", "/old/k", soon())
        self.assertEqual(ask(SERVER.url + "/old/k?" + query).text, b"secret")
        for path, method, more, headers in (("/old/k2", "GET", "", {}), ("/old/k", "DELETE", "", {}), ("/old/k", "GET", "&response-content-type=text%2Fhtml", {}), ("/old/k", "GET", "&tagging", {}),
                                            ("/old/k", "GET", "", {"x_amz_checksum_mode": "ENABLED"}), ("/old/k", "GET", "", {"content_type": "text/html"})):
            answer = ask(SERVER.url + path + "?" + query + more, method, **headers)
            self.assertEqual((answer.status, b"SignatureDoesNotMatch" in answer.text), (403, True), (path, method, more, headers))
        later = query.replace("Expires=1", "Expires=2")
        self.assertEqual(ask(SERVER.url + "/old/k?" + later).status, 400)

    def test_a_put_cannot_be_changed_into_a_copy(self):
        put = SERVER.url + "/old/copied?" + hand_signed("PUT", "/old/copied", soon())
        self.assertEqual(ask(put, "PUT", b"", x_amz_copy_source="/old/k").status, 403)
        self.assertEqual(ask(put + "&x-amz-copy-source=%2Fold%2Fk", "PUT", b"").status, 403)
        self.assertEqual(ask(put, "PUT", b"mine").status, 200)

    def test_parameters_that_are_not_covered_are_refused(self):
        query = hand_signed("GET", "/old", soon())
        self.assertEqual(ask(SERVER.url + "/old?" + query).status, 200)
        for more in ("prefix=other", "list-type=2", "encryption", "ownershipControls"):
            answer = ask(SERVER.url + "/old?" + query + "&" + more)
            self.assertEqual(answer.status, 403, more)
            self.assertIn(b"not covered", answer.text)
            self.assertIn(b"s3v4", answer.text)

    def test_expiry(self):
        now = int(time.time())
        self.assertIn(b"Request has expired", ask(SERVER.url + "/old/k?" + hand_signed("GET", "/old/k", now - 2)).text)
        self.assertEqual(ask(SERVER.url + "/old/k?" + hand_signed("GET", "/old/k", now + 604_700)).status, 200)
        answer = ask(SERVER.url + "/old/k?" + hand_signed("GET", "/old/k", now + 605_000))
        self.assertEqual((answer.status, b"604800" in answer.text), (400, True))

    def test_other_services_than_s3_refuse_version_2(self):
        for path in ("/2020-11-20/projects", "/2026-11-01/users"):
            answer = ask(SERVER.url + path + "?" + hand_signed("GET", path, soon()))
            self.assertIn(answer.status, (400, 403), path)
            self.assertIn(b"s3v4", answer.text)

    def test_a_version_2_header_is_refused_with_the_cure(self):
        client = SERVER.client("s3", signature_version="s3", retries={"max_attempts": 0})
        with self.assertRaises(client.exceptions.ClientError) as caught:
            client.list_buckets()
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], "InvalidRequest")
        self.assertIn("Config(signature_version='s3v4')", error["Message"])

    def test_wrong_signatures_are_limited(self):
        server = Server()
        try:
            keys = {**server.credentials(), "aws_secret_access_key": "wrong"}
            answers = [ask(server.url + "/old/k?" + hand_signed("GET", "/old/k", soon(), keys=keys), server=server) for _ in range(32)]
            self.assertIn(b"SignatureDoesNotMatch", answers[0].text)
            self.assertEqual((answers[-1].status, b"SlowDown" in answers[-1].text), (503, True))
            server.client("s3").list_buckets()
        finally:
            server.destroy()


class SwitchedOff(unittest.TestCase):
    def test_the_answer_names_cause_and_cure(self):
        server = Server(extra=["--presigned-v2", "off", "--region", "eu-west-1", "--region", "us-east-1"])
        try:
            url = server.client("s3").generate_presigned_url("get_object", Params={"Bucket": "old", "Key": "k"})
            answer = ask(url, server=server)
            self.assertEqual(answer.status, 400)
            for word in (b"<Code>InvalidRequest</Code>", b"Version 2", b"signature_version=", b"aws configure set default.s3.signature_version s3v4", b"signatureVersion", b"s3cmd"):
                self.assertIn(word, answer.text.replace(b"&apos;", b"'"))
            self.assertEqual(ask(server.url + "/old", "HEAD", server=server).getheader("x-amz-bucket-region"), "eu-west-1")
        finally:
            server.destroy()


@unittest.skipUnless(shutil.which("s3cmd"), "s3cmd is not installed")
class S3cmd(unittest.TestCase):
    def test_signurl(self):
        keys = SERVER.credentials()
        for key in ("plain", "with space", "ü+%"):
            SERVER.client("s3").put_object(Bucket="old", Key=key, Body=key.encode())
            words = ["/usr/bin/s3cmd", "--config=/dev/null", "--no-ssl", "--host=" + SERVER.address, "--host-bucket=" + SERVER.address, "--region=" + REGION,
                     "--access_key=" + keys["aws_access_key_id"], "--secret_key=" + keys["aws_secret_access_key"], "--content-disposition=attachment; filename=a b.png", "signurl", "s3://old/" + key, "+60"]
            url = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
            self.assertIn("AWSAccessKeyId=", url)
            answer = ask(url)
            self.assertEqual((answer.text, answer.getheader("content-disposition")), (key.encode(), "attachment; filename=a b.png"))


class HeadersInUrls(unittest.TestCase):
    """Tests URLs of Version 4 with headers in the query, where the AWS SDK for JavaScript writes most x-amz-… headers of a presigned request."""

    def url(self, method, key, **headers):
        keys = SERVER.credentials()
        query = "&".join(f"{name.replace('_', '-')}={quote(value, safe='')}" for name, value in headers.items())
        request = AWSRequest(method=method, url=f"{SERVER.url}/old/{key}?{query}")
        S3SigV4QueryAuth(Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), "s3", REGION, expires=60).add_auth(request)
        return request.url

    def test_headers_in_urls_are_obeyed(self):
        s3 = SERVER.client("s3")
        s3.put_object(Bucket="old", Key="source", Body=b"to be copied")
        self.assertEqual(ask(self.url("PUT", "copy", x_amz_copy_source="/old/source"), "PUT", b"").status, 200)
        self.assertEqual(s3.get_object(Bucket="old", Key="copy")["Body"].read(), b"to be copied")
        # The SDK presigns without a body and therefore computes the checksum of an empty one.
        url = self.url("PUT", "described", x_amz_meta_line="7", x_amz_tagging="a=b", x_amz_acl="private", x_amz_checksum_crc32="AAAAAA==", x_amz_sdk_checksum_algorithm="CRC32")
        self.assertEqual(ask(url, "PUT", b"body").status, 200)
        described = s3.head_object(Bucket="old", Key="described")
        self.assertEqual((described["Metadata"], described["ContentLength"]), ({"line": "7"}, 4))
        self.assertEqual(s3.get_object_tagging(Bucket="old", Key="described")["TagSet"], [{"Key": "a", "Value": "b"}])

    def test_headers_that_are_not_offered_are_refused_in_urls_too(self):
        for headers, code in (({"x_amz_acl": "public-read"}, b"AccessControlListNotSupported"), ({"x_amz_server_side_encryption": "aws:kms"}, b"NotImplemented"),
                              ({"x_amz_meta_a": "b\r\nset-cookie: c"}, b"InvalidArgument"), ({"x_amz_copy_source": "/old/nothing"}, b"NoSuchKey")):
            self.assertIn(b"<Code>" + code + b"</Code>", ask(self.url("PUT", "refused", **headers), "PUT", b"body").text, headers)
        self.assertEqual(ask(self.url("GET", "refused")).status, 404)


class WithoutAKey(unittest.TestCase):
    def test_a_bucket_tells_its_region(self):
        for path in ("/old", "/nobodys", "/old/k"):
            answer = ask(SERVER.url + path, "HEAD")
            self.assertEqual((answer.status, answer.getheader("x-amz-bucket-region")), (403, REGION), path)
        self.assertEqual(ask(f"http://old.{DOMAIN}/", "HEAD").getheader("x-amz-bucket-region"), REGION)
        self.assertIsNone(ask(SERVER.url + "/healthz/x", "HEAD").getheader("x-amz-bucket-region"))
        wrong = boto3.client("s3", endpoint_url=SERVER.url, region_name="eu-central-1", config=Config(retries={"max_attempts": 0}), aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="wrong")
        with self.assertRaises(wrong.exceptions.ClientError) as caught:
            wrong.head_bucket(Bucket="old")
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"], "eu-central-1")

    def test_the_root_is_a_page_for_browsers_only(self):
        for method in ("GET", "HEAD"):
            self.assertEqual(ask(SERVER.url + "/", method).status, 403)
        self.assertIn(b"<Code>AccessDenied</Code>", ask(SERVER.url + "/", Accept="*/*").text)
        page = ask(SERVER.url + "/", Accept="text/html,application/xhtml+xml,*/*;q=0.8")
        # A build without the console has a page of its own here.
        self.assertTrue((page.status, page.getheader("location")) == (302, "/console/") or (page.status == 200 and b"Vedette" in page.text), page.text)

    def test_forms_are_not_offered(self):
        form = SERVER.client("s3", signature_version="s3v4").generate_presigned_post("old", "by form")
        boundary = "b0undary"
        fields = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in {**form["fields"], "file": "content"}.items())
        for url in (form["url"], SERVER.url + "/old", f"http://old.{DOMAIN}/"):
            answer = ask(url, "POST", (fields + f"--{boundary}--\r\n").encode(), content_type="multipart/form-data; boundary=" + boundary)
            self.assertEqual((answer.status, b"<Code>NotImplemented</Code>" in answer.text), (501, True), url)


class Conditions(unittest.TestCase):
    def test_conditions_of_an_upload_hold_until_it_is_completed(self):
        """minio-go sends the conditions with CreateMultipartUpload, and not always with CompleteMultipartUpload."""
        s3 = SERVER.client("s3")
        s3.meta.events.register("before-call.s3.CreateMultipartUpload", lambda params, **_: params["headers"].update({"If-None-Match": "*"}))
        upload = s3.create_multipart_upload(Bucket="old", Key="once")["UploadId"]
        part = s3.upload_part(Bucket="old", Key="once", UploadId=upload, PartNumber=1, Body=b"by parts")
        s3.put_object(Bucket="old", Key="once", Body=b"meanwhile")
        with self.assertRaises(s3.exceptions.ClientError) as caught:
            s3.complete_multipart_upload(Bucket="old", Key="once", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
        self.assertEqual(caught.exception.response["Error"]["Code"], "PreconditionFailed")
        with self.assertRaises(s3.exceptions.ClientError) as caught:
            s3.create_multipart_upload(Bucket="old", Key="once")
        self.assertEqual(caught.exception.response["Error"]["Code"], "PreconditionFailed")
        s3.delete_object(Bucket="old", Key="once")
        s3.complete_multipart_upload(Bucket="old", Key="once", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
        self.assertEqual(s3.get_object(Bucket="old", Key="once")["Body"].read(), b"by parts")


if __name__ == "__main__":
    unittest.main()
