"""Tests projects, datasets, keys, signatures and buckets through boto3 and raw requests, against a started server."""
import datetime
import hashlib
import http.client
import io
import json
import os
import socket
import subprocess
import tempfile
import unittest

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import REGION, VEDETTE, Server, run, wait_while

SERVER = None


def setUpModule():
    global SERVER
    SERVER = Server()


def tearDownModule():
    SERVER.destroy()


def code_of(call, *args, **members):
    """Returns (error code, status) of a call that must fail."""
    try:
        call(*args, **members)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError("the call succeeded")


def signed(method, path, body=b"", headers=None, service="lookoutvision", credentials=None, clock=None):
    """Sends a request as it is, signed by botocore's own signer."""
    keys = credentials or SERVER.credentials()
    request = botocore.awsrequest.AWSRequest(method=method, url=SERVER.url + path, data=body, headers=headers or {})
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), service, REGION)
    if clock is not None:
        real = botocore.auth.datetime
        class Shifted(datetime.datetime):
            @classmethod
            def utcnow(cls):
                return datetime.datetime.utcnow() + clock
        botocore.auth.datetime = type("module", (), {"datetime": Shifted})
        try:
            signer.add_auth(request)
        finally:
            botocore.auth.datetime = real
    else:
        signer.add_auth(request)
    return send(method, path, body, dict(request.headers))


def send(method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection(SERVER.address, timeout=30)
    connection.request(method, path, body=body, headers=headers or {})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response.headers.get("x-amzn-ErrorType"), content


class Projects(unittest.TestCase):
    def setUp(self):
        self.api = SERVER.client("lookoutvision")

    def test_a_project_is_made_described_listed_and_deleted(self):
        made = self.api.create_project(ProjectName="spring_washers-1")["ProjectMetadata"]
        self.assertEqual(made["ProjectArn"], "arn:aws:lookoutvision:us-east-1:123456789012:project/spring_washers-1")
        described = self.api.describe_project(ProjectName="spring_washers-1")["ProjectDescription"]
        self.assertEqual(described["Datasets"], [])
        self.assertEqual(described["CreationTimestamp"], made["CreationTimestamp"])
        self.assertEqual(code_of(self.api.create_project, ProjectName="spring_washers-1"), ("ConflictException", 409))
        self.assertEqual(self.api.delete_project(ProjectName="spring_washers-1")["ProjectArn"], made["ProjectArn"])
        self.assertEqual(code_of(self.api.describe_project, ProjectName="spring_washers-1"), ("ResourceNotFoundException", 404))

    def test_pages_cover_everything_once(self):
        names = [f"page{i:02}" for i in range(7)]
        for name in names:
            self.api.create_project(ProjectName=name)
        pages = list(self.api.get_paginator("list_projects").paginate(PaginationConfig={"PageSize": 3}))
        self.assertEqual([len(p["Projects"]) for p in pages], [3, 3, 1])
        self.assertEqual([p["ProjectName"] for page in pages for p in page["Projects"]], names)
        token = self.api.list_projects(MaxResults=3)["NextToken"]
        self.assertEqual(code_of(self.api.list_models, ProjectName="page00", NextToken=token), ("ValidationException", 400))
        for name in names:
            self.api.delete_project(ProjectName=name)

    def test_a_client_token_makes_a_repeated_call_one_call(self):
        first = self.api.create_project(ProjectName="token", ClientToken="t-1")
        again = self.api.create_project(ProjectName="token", ClientToken="t-1")
        self.assertEqual(first["ProjectMetadata"], again["ProjectMetadata"])
        self.assertEqual(code_of(self.api.create_project, ProjectName="other", ClientToken="t-1"), ("ConflictException", 409))
        self.api.delete_project(ProjectName="token")

    def test_members_are_checked(self):
        for name in ("", "-x", "a b", "a" * 256, "ü"):
            status, error, _ = signed("POST", "/2020-11-20/projects", json.dumps({"ProjectName": name}).encode(), {"Content-Type": "application/json"})
            self.assertEqual((status, error), (400, "ValidationException"), name)
        self.assertEqual(code_of(self.api.list_projects, MaxResults=101), ("ValidationException", 400))
        for body in (b"not json", b"[1]", b'{"ProjectName":5}', b'{"ProjectName":"\xff"}'):
            status, error, _ = signed("POST", "/2020-11-20/projects", body, {"Content-Type": "application/json"})
            self.assertEqual((status, error), (400, "SerializationException"), body)
        self.assertEqual(signed("POST", "/2020-11-20/projects", b"{}")[:2], (400, "ValidationException"))

    def test_unknown_operations_and_resources_answer_as_documented(self):
        self.assertEqual(signed("GET", "/2020-11-20/nothing")[:2], (404, "UnknownOperationException"))
        self.assertEqual(signed("PUT", "/2020-11-20/projects")[:2], (404, "UnknownOperationException"))
        arn = "arn:aws:lookoutvision:us-east-1:123456789012:model/p/1"
        self.assertEqual(code_of(self.api.list_tags_for_resource, ResourceArn=arn), ("ResourceNotFoundException", 404))


class Signatures(unittest.TestCase):
    def test_requests_must_be_signed_by_a_known_key(self):
        path = "/2020-11-20/projects"
        self.assertEqual(send("GET", path)[:2], (403, "MissingAuthenticationTokenException"))
        self.assertEqual(send("GET", path, headers={"Authorization": "AWS4-HMAC-SHA256 nonsense"})[:2], (403, "IncompleteSignatureException"))
        keys = SERVER.credentials()
        wrong = {**keys, "aws_secret_access_key": "x" * 40}
        self.assertEqual(signed("GET", path, credentials=wrong)[:2], (403, "InvalidSignatureException"))
        unknown = {**keys, "aws_access_key_id": "AKIAAAAAAAAAAAAAAAAA"}
        self.assertEqual(signed("GET", path, credentials=unknown)[:2], (403, "UnrecognizedClientException"))
        self.assertEqual(signed("GET", path)[0], 200)

    def test_the_clock_may_not_be_an_hour_off(self):
        for hours in (-1, 1):
            self.assertEqual(signed("GET", "/2020-11-20/projects", clock=datetime.timedelta(hours=hours))[:2], (403, "InvalidSignatureException"))

    def test_a_changed_body_is_noticed(self):
        keys = SERVER.credentials()
        request = botocore.awsrequest.AWSRequest(method="POST", url=SERVER.url + "/2020-11-20/projects", data=b'{"ProjectName":"one"}')
        botocore.auth.SigV4Auth(botocore.credentials.Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), "lookoutvision", REGION).add_auth(request)
        self.assertEqual(send("POST", "/2020-11-20/projects", b'{"ProjectName":"two"}', dict(request.headers))[:2], (403, "InvalidSignatureException"))

    def test_keys_are_made_listed_and_revoked_while_the_server_runs(self):
        text = run("key", "create", "--data", SERVER.data)
        fields = dict(line.split(" = ") for line in text.splitlines()[1:])
        api = SERVER.client("lookoutvision", credentials=fields)
        api.list_projects()
        self.assertIn(fields["aws_access_key_id"], run("key", "list", "--data", SERVER.data))
        self.assertNotIn(fields["aws_secret_access_key"], run("key", "list", "--data", SERVER.data))
        run("key", "revoke", fields["aws_access_key_id"], "--data", SERVER.data)
        self.assertEqual(code_of(api.list_projects), ("UnrecognizedClientException", 403))

    def test_the_credentials_file_is_private(self):
        for name in ("admin-credentials", "master-key"):
            self.assertEqual(os.stat(os.path.join(SERVER.data, name)).st_mode & 0o777, 0o600, name)


class Bodies(unittest.TestCase):
    def test_large_short_and_malformed_requests_are_refused(self):
        self.assertEqual(signed("POST", "/2020-11-20/projects", b" " * 9_000_000, {"Content-Type": "application/json"})[:2], (413, "RequestEntityTooLargeException"))
        path = "/2020-11-20/projects/p/models/1/detect"
        self.assertEqual(signed("POST", path, b"\xff" * 9_000_000, {"Content-Type": "image/jpeg"})[:2], (400, "ValidationException"))
        for raw, expected in ((b"NONSENSE\r\n\r\n", b"400"), (b"GET / HTTP/1.1\r\nx: " + b"y" * 40_000 + b"\r\n\r\n", b"431")):
            self.assertIn(expected, self.raw(raw).split(b"\r\n")[0])

    def test_a_body_shorter_than_its_length_is_an_error_and_the_server_goes_on(self):
        keys = SERVER.credentials()
        request = botocore.awsrequest.AWSRequest(method="POST", url=SERVER.url + "/2020-11-20/projects", data=b'{"ProjectName":"short"}')
        botocore.auth.SigV4Auth(botocore.credentials.Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), "lookoutvision", REGION).add_auth(request)
        head = "POST /2020-11-20/projects HTTP/1.1\r\nHost: " + SERVER.address + "\r\nContent-Length: 500\r\n"
        head += "".join(f"{k}: {v}\r\n" for k, v in request.headers.items() if k.lower() != "content-length")
        self.assertIn(b"400", self.raw(head.encode() + b'\r\n{"ProjectName":"short"}').split(b"\r\n")[0])
        self.assertEqual(signed("GET", "/2020-11-20/projects/short")[0], 404)

    def raw(self, data):
        host, port = SERVER.address.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
            return answer


class Buckets(unittest.TestCase):
    def setUp(self):
        self.s3 = SERVER.client("s3")

    def test_objects_of_every_kind_of_key_come_back_whole(self):
        self.s3.create_bucket(Bucket="keys")
        # Making one's own bucket again succeeds only in us-east-1, as with S3.
        self.s3.create_bucket(Bucket="keys")
        elsewhere = boto3.client("s3", endpoint_url=SERVER.url, region_name="eu-west-1", config=Config(s3={"addressing_style": "path"}), **SERVER.credentials())
        self.assertEqual(code_of(elsewhere.create_bucket, Bucket="keys"), ("BucketAlreadyOwnedByYou", 409))
        for name in ("192.168.5.4", "bucket.-a", "bucket-.a", "xn--bucket", "sthree-bucket", "amzn-s3-demo-bucket", "bucket-s3alias", "bucket--ol-s3", "bucket.mrap", "bucket--x-s3"):
            self.assertEqual(code_of(self.s3.create_bucket, Bucket=name), ("InvalidBucketName", 400), name)
        keys = ["a", "a/b", "a//b", "../x", "A", "with space", "plus+percent%41", "ü/ß", "x" * 1024, "q?a=b&c", "tail/"]
        for index, key in enumerate(keys):
            body = f"{index}{key}".encode() * 50
            tag = self.s3.put_object(Bucket="keys", Key=key, Body=body, ContentType="text/x-test", Metadata={"origin": "line-7"})["ETag"]
            got = self.s3.get_object(Bucket="keys", Key=key)
            self.assertEqual(got["Body"].read(), body, key)
            self.assertEqual((got["ETag"], got["ContentType"], got["Metadata"]), (tag, "text/x-test", {"origin": "line-7"}))
            self.assertEqual(self.s3.head_object(Bucket="keys", Key=key)["ContentLength"], len(body))
        listed = [o["Key"] for o in self.s3.list_objects_v2(Bucket="keys")["Contents"]]
        self.assertEqual(listed, sorted(keys, key=lambda k: k.encode()))
        self.assertEqual(code_of(self.s3.put_object, Bucket="keys", Key="y" * 1025, Body=b""), ("KeyTooLongError", 400))
        self.assertEqual(code_of(self.s3.delete_bucket, Bucket="keys"), ("BucketNotEmpty", 409))
        for key in keys:
            self.s3.delete_object(Bucket="keys", Key=key)
        self.s3.delete_bucket(Bucket="keys")
        self.assertEqual(code_of(self.s3.head_bucket, Bucket="keys")[1], 404)

    def test_listing_folds_prefixes_and_pages(self):
        self.s3.create_bucket(Bucket="folds")
        for folder in ("a", "b", "c"):
            for i in range(5):
                self.s3.put_object(Bucket="folds", Key=f"{folder}/{i}", Body=b"x")
        self.s3.put_object(Bucket="folds", Key="b.txt", Body=b"x")
        seen = []
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket="folds", Delimiter="/", PaginationConfig={"PageSize": 2}):
            seen += [p["Prefix"] for p in page.get("CommonPrefixes", [])] + [o["Key"] for o in page.get("Contents", [])]
        self.assertEqual(sorted(seen), ["a/", "b.txt", "b/", "c/"])
        old = [o["Key"] for page in self.s3.get_paginator("list_objects").paginate(Bucket="folds", Prefix="b/", PaginationConfig={"PageSize": 2})
               for o in page["Contents"]]
        self.assertEqual(old, [f"b/{i}" for i in range(5)])

    def test_ranges_and_conditions_are_obeyed(self):
        self.s3.create_bucket(Bucket="ranges")
        tag = self.s3.put_object(Bucket="ranges", Key="k", Body=b"0123456789")["ETag"]
        part = self.s3.get_object(Bucket="ranges", Key="k", Range="bytes=2-4")
        self.assertEqual((part["Body"].read(), part["ContentRange"]), (b"234", "bytes 2-4/10"))
        self.assertEqual(self.s3.get_object(Bucket="ranges", Key="k", Range="bytes=-3")["Body"].read(), b"789")
        self.assertEqual(code_of(self.s3.get_object, Bucket="ranges", Key="k", Range="bytes=10-"), ("InvalidRange", 416))
        self.assertEqual(code_of(self.s3.get_object, Bucket="ranges", Key="k", IfNoneMatch=tag)[1], 304)
        self.assertEqual(code_of(self.s3.get_object, Bucket="ranges", Key="k", IfMatch='"other"'), ("PreconditionFailed", 412))
        self.assertEqual(code_of(self.s3.get_object, Bucket="ranges", Key="none"), ("NoSuchKey", 404))
        self.assertEqual(code_of(self.s3.head_object, Bucket="ranges", Key="none"), ("404", 404))
        self.assertEqual(code_of(self.s3.get_object, Bucket="nobucket", Key="k"), ("NoSuchBucket", 404))

    def test_a_presigned_url_works_without_a_key(self):
        self.s3.create_bucket(Bucket="presigned")
        self.s3.put_object(Bucket="presigned", Key="a b", Body=b"hello")
        client = SERVER.client("s3", signature_version="s3v4")
        url = client.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "a b"}, ExpiresIn=60)
        path = url[len(SERVER.url):]
        self.assertEqual(send("GET", path)[0::2], (200, b"hello"))
        self.assertEqual(send("GET", path.replace("a%20b", "a"))[0], 403)

    def test_large_objects_go_by_parts_and_copies_stay_on_the_server(self):
        s3 = SERVER.client("s3")
        s3.create_bucket(Bucket="parts")
        body = os.urandom(17_000_000)
        key = "big file+1 ü"
        s3.upload_fileobj(io.BytesIO(body), "parts", key, ExtraArgs={"Metadata": {"line": "7"}, "ContentType": "x/y"})
        got = s3.get_object(Bucket="parts", Key=key)
        self.assertEqual((got["Body"].read() == body, got["Metadata"], got["ContentType"]), (True, {"line": "7"}, "x/y"))
        pieces = [hashlib.md5(body[i:i + (8 << 20)]).digest() for i in range(0, len(body), 8 << 20)]
        self.assertEqual(got["ETag"], f'"{hashlib.md5(b"".join(pieces)).hexdigest()}-{len(pieces)}"')
        s3.copy({"Bucket": "parts", "Key": key}, "parts", "copied", Config=TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=6 << 20))
        self.assertEqual(s3.get_object(Bucket="parts", Key="copied")["Body"].read(), body)
        s3.copy_object(Bucket="parts", Key="renamed", CopySource={"Bucket": "parts", "Key": key}, MetadataDirective="REPLACE", Metadata={"z": "1"})
        self.assertEqual(s3.head_object(Bucket="parts", Key="renamed")["Metadata"], {"z": "1"})
        self.assertEqual(code_of(s3.copy_object, Bucket="parts", Key=key, CopySource={"Bucket": "parts", "Key": key}), ("InvalidRequest", 400))
        self.assertEqual(code_of(s3.copy_object, Bucket="parts", Key="x", CopySource={"Bucket": "parts", "Key": "none"}), ("NoSuchKey", 404))
        upload = {"Bucket": "parts", "Key": "half", "UploadId": s3.create_multipart_upload(Bucket="parts", Key="half")["UploadId"]}
        part = s3.upload_part(**upload, PartNumber=3, Body=b"x")
        self.assertEqual([p["PartNumber"] for p in s3.list_parts(**upload)["Parts"]], [3])
        self.assertEqual([u["Key"] for u in s3.list_multipart_uploads(Bucket="parts")["Uploads"]], ["half"])
        self.assertEqual(code_of(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": [{"PartNumber": 4, "ETag": part["ETag"]}]}), ("InvalidPart", 400))
        self.assertEqual(code_of(s3.upload_part, **upload, PartNumber=10_001, Body=b"x"), ("InvalidArgument", 400))
        s3.abort_multipart_upload(**upload)
        self.assertEqual(code_of(s3.list_parts, **upload), ("NoSuchUpload", 404))

    def test_a_host_may_name_the_bucket(self):
        server = Server(extra=["--s3-domain", "s3.plant.example"])
        self.addCleanup(server.destroy)
        s3 = server.client("s3")
        s3.create_bucket(Bucket="by-host")
        s3.put_object(Bucket="by-host", Key="a b/c", Body=b"by path")
        keys = server.credentials()
        def get(host, path):
            request = botocore.awsrequest.AWSRequest(method="GET", url=f"http://{host}{path}")
            botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), "s3", REGION).add_auth(request)
            connection = http.client.HTTPConnection(server.address, timeout=30)
            connection.request("GET", path, headers={**dict(request.headers), "Host": host})
            return connection.getresponse()
        self.assertEqual(get("by-host.s3.plant.example:8420", "/a%20b/c").read(), b"by path")
        self.assertIn(b"<Name>by-host</Name>", get("by-host.s3.plant.example", "/?list-type=2").read())
        self.assertIn(b"<Name>by-host</Name>", get("s3.plant.example", "/").read())  # This is the list of buckets.
        s3.put_object(Bucket="by-host", Key="metrics", Body=b"an object")
        self.assertEqual(get("by-host.s3.plant.example", "/metrics").read(), b"an object")  # A signed request does not get the server's own page.
        self.assertEqual(get("none.s3.plant.example", "/k").status, 404)
        self.assertEqual(get("evils3.plant.example", "/by-host/a%20b/c").read(), b"by path")  # With another host, the path names the bucket.

    def test_checksums_are_verified_kept_and_told(self):
        s3 = SERVER.client("s3")
        s3.create_bucket(Bucket="sums")
        s3.put_object(Bucket="sums", Key="crc", Body=b"123456789", ChecksumAlgorithm="CRC32")
        self.assertEqual(s3.head_object(Bucket="sums", Key="crc", ChecksumMode="ENABLED")["ChecksumCRC32"], "y/Q5Jg==")
        self.assertNotIn("ChecksumCRC32", s3.head_object(Bucket="sums", Key="crc"))
        s3.put_object(Bucket="sums", Key="sha", Body=io.BytesIO(b"123456789"), ChecksumAlgorithm="SHA256")
        self.assertEqual(code_of(s3.put_object, Bucket="sums", Key="wrong", Body=b"abc", ChecksumCRC32="AAAAAA=="), ("BadDigest", 400))
        self.assertEqual(code_of(s3.head_object, Bucket="sums", Key="wrong"), ("404", 404))

    def test_many_keys_are_deleted_at_once_each_with_its_own_right(self):
        s3 = SERVER.client("s3")
        s3.create_bucket(Bucket="many-keys")
        keys = [f"d/{i}&<ü" for i in range(5)] + ["kept/1"]
        for key in keys:
            s3.put_object(Bucket="many-keys", Key=key, Body=b"x")
        run("user", "create", "cleaner", "--data", SERVER.data)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"Statement": [{"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*/kept/*"}]}, file)
            file.flush()
            run("policy", "put", "cleaning", file.name, "--data", SERVER.data)
        run("policy", "attach", "cleaning", "--user", "cleaner", "--data", SERVER.data)
        fields = dict(line.split(" = ") for line in run("key", "create", "--user", "cleaner", "--data", SERVER.data).splitlines()[1:])
        answer = SERVER.client("s3", fields).delete_objects(Bucket="many-keys", Delete={"Objects": [{"Key": k} for k in keys + ["none"]]})
        self.assertEqual(sorted(d["Key"] for d in answer["Deleted"]), sorted(keys[:5] + ["none"]))
        self.assertEqual([(e["Key"], e["Code"]) for e in answer["Errors"]], [("kept/1", "AccessDenied")])
        self.assertEqual([o["Key"] for o in s3.list_objects_v2(Bucket="many-keys")["Contents"]], ["kept/1"])

    def test_the_aws_cli_works(self):
        def aws(*words):
            return subprocess.run(["/usr/bin/aws", "--endpoint-url", SERVER.url, *words], env=SERVER.client_environment(), capture_output=True, text=True, check=True).stdout
        aws("s3", "mb", "s3://cli-bucket")
        aws("s3", "cp", __file__, "s3://cli-bucket/tests/api.py")
        self.assertIn("api.py", aws("s3", "ls", "s3://cli-bucket/tests/"))
        with open(__file__, encoding="utf-8") as file:
            self.assertEqual(aws("s3", "cp", "s3://cli-bucket/tests/api.py", "-"), file.read())
        aws("s3", "rm", "s3://cli-bucket/tests/api.py")
        aws("s3", "rb", "s3://cli-bucket")
        self.assertEqual(json.loads(aws("lookoutvision", "list-projects"))["Projects"], [])


class Datasets(unittest.TestCase):
    def setUp(self):
        self.api, self.s3 = SERVER.client("lookoutvision"), SERVER.client("s3")

    def import_manifest(self, text, name):
        """Returns status and message of a dataset that is made from this manifest."""
        bucket = "ds-" + name
        self.s3.create_bucket(Bucket=bucket)
        self.s3.put_object(Bucket=bucket, Key="good.png", Body=b"not looked at yet")
        self.s3.put_object(Bucket=bucket, Key="m.manifest", Body=text.replace("BUCKET", bucket).encode())
        self.api.create_project(ProjectName=name)
        self.addCleanup(self.remove, name)
        self.api.create_dataset(ProjectName=name, DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Key": "m.manifest"}}})
        return wait_while(lambda: self.api.describe_dataset(ProjectName=name, DatasetType="train")["DatasetDescription"], ["CREATE_IN_PROGRESS"], 0.05)

    def remove(self, name):
        self.api.delete_dataset(ProjectName=name, DatasetType="train")
        self.api.delete_project(ProjectName=name)

    def test_bad_manifests_fail_with_line_and_reason(self):
        good = '{"source-ref":"s3://BUCKET/good.png","l":0,"l-metadata":{"class-name":"normal","type":"groundtruth/image-classification"}}\n'
        for name, text, reason in (("notjson", good + "what?\n", "Line 2"), ("missing", good + '{"source-ref":"s3://BUCKET/none.png"}', "does not exist"),
                                   ("nouri", '{"source-ref":"good.png"}', "s3://bucket/key"), ("two", good + '{"source-ref":"s3://ds-two2/good.png"}', "one bucket")):
            description = self.import_manifest(text, name)
            self.assertEqual(description["Status"], "CREATE_FAILED", text)
            self.assertIn(reason, description["StatusMessage"])

    def test_entries_are_counted_listed_and_filtered(self):
        lines = [json.dumps({"source-ref": f"s3://BUCKET/{i}.png", "l": 0, "l-metadata": {"class-name": c, "type": "groundtruth/image-classification"}})
                 for i, c in enumerate(["normal"] * 3 + ["anomaly"] * 2 + ["unsure"])]
        self.s3.create_bucket(Bucket="ds-list")
        for i in range(6):
            self.s3.put_object(Bucket="ds-list", Key=f"{i}.png", Body=b"x")
        self.s3.create_bucket = lambda **_: None
        description = self.import_manifest("\n".join(lines), "list")
        self.assertEqual(description["ImageStats"], {"Total": 6, "Labeled": 5, "Normal": 3, "Anomaly": 2})
        def listed(**filters):
            return [json.loads(e)["source-ref"][-5] for page in self.api.get_paginator("list_dataset_entries").paginate(
                ProjectName="list", DatasetType="train", PaginationConfig={"PageSize": 2}, **filters) for e in page["DatasetEntries"]]
        self.assertEqual(listed(), list("012345"))
        self.assertEqual(listed(AnomalyClass="anomaly"), list("34"))
        self.assertEqual(listed(Labeled=False), list("5"))
        self.assertEqual(listed(SourceRefContains="/1"), list("1"))
        self.assertEqual(code_of(self.api.create_dataset, ProjectName="list", DatasetType="train"), ("ConflictException", 409))
        self.assertEqual(code_of(self.api.delete_project, ProjectName="list"), ("ConflictException", 409))
        self.assertEqual(code_of(self.api.describe_dataset, ProjectName="list", DatasetType="test"), ("ResourceNotFoundException", 404))


if __name__ == "__main__":
    unittest.main()
