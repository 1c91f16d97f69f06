"""Tests --objects: the server keeps its objects in an S3 service that is not ours, which works or fails."""
import http.server
import json
import os
import shutil
import tempfile
import threading
import time
import unittest

from botocore.exceptions import ClientError

from harness import REGION, SERVER_SAMPLE, Server, sample_set, wait_while, write_tiny_set
from main_job import MainJob
from other_s3 import KEYS, FaultyProxy, OtherS3

OTHER = SAMPLE = TINY = LINES = None


def setUpModule():
    global OTHER, SAMPLE, TINY, LINES
    OTHER = OtherS3()
    SAMPLE, TINY = sample_set(*SERVER_SAMPLE), tempfile.mkdtemp(prefix="vedette-tiny-")
    LINES = write_tiny_set(TINY, normal=25, anomaly=20)
    OTHER.client().create_bucket(Bucket="models")


def tearDownModule():
    OTHER.destroy()
    shutil.rmtree(TINY)


def serve(endpoint=None, *more, prefix="line 7", **options):
    return Server(extra=["--objects", "s3://models/" + prefix, "--objects-endpoint", endpoint or OTHER.url, *more], environment=KEYS, **options)


def everything(s3, bucket):
    return {o["Key"]: (o["ETag"], o["LastModified"]) for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket) for o in page.get("Contents", [])}


def upload_tiny(s3, bucket):
    s3.create_bucket(Bucket=bucket)
    lines = []
    for line in LINES:
        s3.upload_file(os.path.join(TINY, line["source-ref"]), bucket, line["source-ref"])
        lines.append(json.dumps({**line, "source-ref": f"s3://{bucket}/{line['source-ref']}"}))
    s3.put_object(Bucket=bucket, Key="m", Body="\n".join(lines).encode())


def fake_service(case, answer):
    """Starts an HTTP service and returns its address. `answer(method, path, headers)` returns (status, headers, body) for each request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self):
            status, headers, body = answer(self.command, self.path, self.headers)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": len(body)}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        do_GET = do_PUT = do_HEAD = handle_any

        def log_message(self, *_):
            pass

    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    case.addCleanup(service.server_close)
    case.addCleanup(service.shutdown)
    return f"http://127.0.0.1:{service.server_port}"


class TheMainJob(MainJob, unittest.TestCase):
    def setUp(self):
        self.server = serve(prefix="a/b/")
        self.addCleanup(self.server.destroy)
        self.api, self.s3 = self.server.client("lookoutvision"), OTHER.client()

    def when_trained(self):
        """One file of the model is larger than what one request can carry."""
        files = [o for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket="models", Prefix="a/b/") for o in page["Contents"]]
        self.assertGreater(max(o["Size"] for o in files), 16 << 20)

    def test_rendered_sample(self):
        right, metrics = self.job(SAMPLE, "sample", ["train", "test"])
        self.assertGreaterEqual(metrics["ROCAUC"], 0.95)
        self.assertGreaterEqual(right, 0.85)
        self.assertEqual([key for key in everything(self.s3, "models") if key.startswith("a/b/")], [])  # The artifact was deleted with the model.
        self.assertEqual(os.listdir(os.path.join(self.server.data, "spool")), [])
        self.assertFalse(os.path.exists(os.path.join(self.server.data, "objects")))


class Objects(unittest.TestCase):
    def test_several_buckets_restarts_and_nothing_of_the_users_changes(self):
        server, s3 = serve(), OTHER.client()
        self.addCleanup(server.destroy)
        for bucket in ("first-line", "second-line"):
            upload_tiny(s3, bucket)
        s3.create_bucket(Bucket="results")
        before = [everything(s3, b) for b in ("first-line", "second-line")]
        api = server.client("lookoutvision")
        api.create_project(ProjectName="p")
        for kind, bucket in (("train", "first-line"), ("test", "second-line")):
            api.create_dataset(ProjectName="p", DatasetType=kind, DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Key": "m"}}})
        with self.assertRaises(ClientError) as caught:
            api.create_model(ProjectName="p", OutputConfig={"S3Location": {"Bucket": "no-such-bucket"}})
        self.assertEqual(caught.exception.response["Error"]["Code"], "ValidationException")
        api.create_model(ProjectName="p", OutputConfig={"S3Location": {"Bucket": "results", "Prefix": "out/"}})
        describe = lambda: api.describe_model(ProjectName="p", ModelVersion="1")["ModelDescription"]
        self.assertEqual(wait_while(describe, ["TRAINING"])["Status"], "TRAINED")
        self.assertEqual([everything(s3, b) for b in ("first-line", "second-line")], before)
        self.assertEqual(set(everything(s3, "results")), {"out/EvaluationManifest-p-1.json", "out/EvaluationResult-p-1.json"})
        models = everything(s3, "models")
        self.assertTrue(models and all(key.startswith("line 7/") for key in models))
        # A node that lost everything on its disk but the metadata finds its models in the other service.
        api.start_model(ProjectName="p", ModelVersion="1", MinInferenceUnits=1)
        self.assertEqual(wait_while(describe, ["STARTING_HOSTING"])["Status"], "HOSTED")
        server.stop()
        shutil.rmtree(os.path.join(server.data, "model-cache"))
        server.start()
        api = server.client("lookoutvision")
        with open(os.path.join(TINY, LINES[-1]["source-ref"]), "rb") as body:
            self.assertTrue(api.detect_anomalies(ProjectName="p", ModelVersion="1", ContentType="image/png", Body=body.read())["DetectAnomalyResult"]["IsAnomalous"])
        # The server's own S3 endpoint says where the objects are.
        with self.assertRaises(ClientError) as caught:
            server.client("s3").list_buckets()
        self.assertEqual(caught.exception.response["Error"]["Code"], "NotImplemented")
        api.start_model_packaging_job(ProjectName="p", ModelVersion="1", Configuration={"Greengrass": {
            "S3OutputLocation": {"Bucket": "results", "Prefix": "packages/"}, "ComponentName": "c", "ComponentVersion": "1.0.0", "TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}}}, JobName="j")
        job = lambda: api.describe_model_packaging_job(ProjectName="p", JobName="j")["ModelPackagingDescription"]
        self.assertEqual(wait_while(job, ["CREATED", "RUNNING"])["Status"], "SUCCEEDED")

    def test_what_is_the_servers_own_is_no_clients(self):
        """Without a prefix that is the whole bucket."""
        s3 = OTHER.client()
        upload_tiny(s3, "shared")
        manifest = s3.get_object(Bucket="shared", Key="m")["Body"].read()
        s3.put_object(Bucket="shared", Key="own/m", Body=manifest)

        def attempt(objects, key):
            server = Server(extra=["--objects", objects, "--objects-endpoint", OTHER.url], environment=KEYS)
            self.addCleanup(server.destroy)
            api = server.client("lookoutvision")
            api.create_project(ProjectName="p")
            api.create_dataset(ProjectName="p", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "shared", "Key": key}}})
            made = wait_while(lambda: api.describe_dataset(ProjectName="p", DatasetType="train")["DatasetDescription"], ["CREATE_IN_PROGRESS"])
            return made["Status"], made["StatusMessage"]

        for objects, key, place in (("s3://shared", "m", "s3://shared/"), ("s3://shared/own", "own/m", "s3://shared/own/")):
            status, message = attempt(objects, key)
            self.assertEqual(status, "CREATE_FAILED")
            self.assertIn(place + " is where the server keeps its own objects", message)
        self.assertEqual(attempt("s3://shared/own", "m")[0], "CREATE_COMPLETE")

    def test_missing_and_unusable_images_are_named_and_versions_read(self):
        """Another Vedette is the S3 service here: it keeps versions, and answers ranges of empty objects as S3 does."""
        upstream = Server()
        self.addCleanup(upstream.destroy)
        s3 = upstream.client("s3")
        s3.create_bucket(Bucket="models")
        server = Server(extra=["--objects", "s3://models", "--objects-endpoint", upstream.url], environment=upstream.client_environment())
        self.addCleanup(server.destroy)
        upload_tiny(s3, "odd")
        s3.put_object(Bucket="odd", Key="images/text.png", Body=b"no picture")
        s3.put_object(Bucket="odd", Key="images/empty.png", Body=b"")
        s3.put_bucket_versioning(Bucket="odd", VersioningConfiguration={"Status": "Enabled"})
        manifest = s3.get_object(Bucket="odd", Key="m")["Body"].read().decode().splitlines()
        api = server.client("lookoutvision")
        api.create_project(ProjectName="odd")
        def make(kind, lines):
            version = s3.put_object(Bucket="odd", Key=kind, Body="\n".join(lines).encode())["VersionId"]
            s3.put_object(Bucket="odd", Key=kind, Body=b"a newer version that is no manifest")
            api.create_dataset(ProjectName="odd", DatasetType=kind, DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "odd", "Key": kind, "VersionId": version}}})
            return wait_while(lambda: api.describe_dataset(ProjectName="odd", DatasetType=kind)["DatasetDescription"], ["CREATE_IN_PROGRESS"])
        text = manifest[0].replace(json.loads(manifest[0])["source-ref"], "s3://odd/images/text.png")
        empty = manifest[0].replace(json.loads(manifest[0])["source-ref"], "s3://odd/images/empty.png")
        made = make("train", manifest + [text, empty])
        self.assertEqual((made["Status"], made["ImageStats"]["Total"]), ("CREATE_COMPLETE", 47), made["StatusMessage"])
        self.assertIn("2 cannot be used for a training: s3://odd/images/text.png is no JPEG or PNG; s3://odd/images/empty.png is an empty file.", made["StatusMessage"])
        gone = [manifest[0].replace("good000", "none"), manifest[1].replace("good001", "none-either")]
        failed = make("test", manifest[2:9] + gone)
        self.assertEqual(failed["Status"], "CREATE_FAILED")
        self.assertIn("Line 8 of the manifest: the image s3://odd/images/none.png does not exist; line 9: the image s3://odd/images/none-either.png does not exist.", failed["StatusMessage"])

    def test_keys_come_from_where_the_sdks_look(self):
        """The credential services of a container and of an instance give keys that expire. Files and profiles are read, too."""
        asked = []
        keys = json.dumps({"AccessKeyId": KEYS["AWS_ACCESS_KEY_ID"], "SecretAccessKey": KEYS["AWS_SECRET_ACCESS_KEY"],
                           "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))})

        def credentials(method, path, headers):
            asked.append(path)
            if path == "/role" and headers["Authorization"] == "secret":
                return 200, {}, keys
            if (method, path) == ("PUT", "/latest/api/token"):
                return 200, {}, "a token"
            if headers["X-aws-ec2-metadata-token"] != "a token":
                return 401, {}, ""
            roles = "/latest/meta-data/iam/security-credentials/"
            return (200, {}, "line-role") if path == roles else (200, {}, keys) if path == roles + "line-role" else (404, {}, "")

        service = fake_service(self, credentials)
        home = tempfile.mkdtemp(prefix="vedette-home-")
        self.addCleanup(shutil.rmtree, home)
        nothing = {"HOME": home, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": ""}
        container = {**nothing, "AWS_CONTAINER_CREDENTIALS_FULL_URI": service + "/role", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "secret"}
        options = ["--objects", "s3://models", "--objects-endpoint", OTHER.url]
        server = Server(extra=options, environment=container)
        server.destroy()
        self.assertEqual(asked, ["/role"])
        Server(extra=options, environment={**nothing, "AWS_EC2_METADATA_SERVICE_ENDPOINT": service, "AWS_EC2_METADATA_DISABLED": ""}).destroy()
        self.assertEqual(asked[1:], ["/latest/api/token", "/latest/meta-data/iam/security-credentials/", "/latest/meta-data/iam/security-credentials/line-role"])
        os.makedirs(os.path.join(home, ".aws"))
        with open(os.path.join(home, ".aws", "credentials"), "w", encoding="utf-8") as file:
            file.write("[other]\naws_access_key_id = {AWS_ACCESS_KEY_ID}\naws_secret_access_key = {AWS_SECRET_ACCESS_KEY}\n".format(**KEYS))
        with open(os.path.join(home, ".aws", "config"), "w", encoding="utf-8") as file:
            file.write("[profile other]\nregion = eu-central-1\n")
        server = Server(extra=options, environment={**nothing, "AWS_PROFILE": "other", "AWS_REGION": "", "AWS_DEFAULT_REGION": ""})
        self.assertIn("region=eu-central-1", server.log())
        server.destroy()
        with self.assertRaisesRegex(RuntimeError, "No credentials"):
            Server(extra=options, environment={**nothing, "AWS_EC2_METADATA_DISABLED": "true"})
        with self.assertRaisesRegex(RuntimeError, "there is no bucket none-here"):
            Server(extra=["--objects", "s3://none-here", "--objects-endpoint", OTHER.url], environment=KEYS)


class Regions(unittest.TestCase):
    def test_a_bucket_elsewhere_is_asked_where_it_is(self):
        asked = []

        def elsewhere(method, path, headers):
            region = headers["Authorization"].split("/")[2]
            asked.append((method, path, region))
            if region == "eu-west-9":
                return 200, {}, ""
            return 301, {"x-amz-bucket-region": "eu-west-9"}, "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>"

        server = serve(fake_service(self, elsewhere), "--objects-region", "us-east-1")
        self.addCleanup(server.destroy)
        self.assertEqual(asked, [("HEAD", "/models", "us-east-1"), ("HEAD", "/models", "eu-west-9")])


class Faults(unittest.TestCase):
    def run_job(self, server, bucket):
        """Imports and trains. Returns the last descriptions of both."""
        api = server.client("lookoutvision", read_timeout=300)
        api.create_project(ProjectName="faults")
        api.create_dataset(ProjectName="faults", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Key": "m"}}})
        dataset = wait_while(lambda: api.describe_dataset(ProjectName="faults", DatasetType="train")["DatasetDescription"], ["CREATE_IN_PROGRESS"])
        if dataset["Status"] != "CREATE_COMPLETE":
            return dataset, None
        api.create_model(ProjectName="faults", OutputConfig={"S3Location": {"Bucket": bucket, "Prefix": "out/"}})
        return dataset, wait_while(lambda: api.describe_model(ProjectName="faults", ModelVersion="1")["ModelDescription"], ["TRAINING"])

    def test_every_kind_of_failure_in_turn_is_survived(self):
        upload_tiny(OTHER.client(), "bad-days")
        kinds = ["500", "drop", "503", "cut", "stall"]
        proxy = FaultyProxy(OTHER.port, lambda n: kinds[n // 4 % 5] if n % 4 == 0 else None)
        self.addCleanup(proxy.close)
        server = serve(proxy.url, "--objects-timeout", "1")
        self.addCleanup(server.destroy)
        dataset, model = self.run_job(server, "bad-days")
        self.assertEqual((dataset["Status"], dataset["ImageStats"]["Total"]), ("CREATE_COMPLETE", 45), dataset["StatusMessage"])
        self.assertEqual(model["Status"], "TRAINED", model["StatusMessage"])
        self.assertTrue(set(kinds) <= set(proxy.faults), proxy.faults)
        api = server.client("lookoutvision")
        api.start_model(ProjectName="faults", ModelVersion="1", MinInferenceUnits=1)
        hosted = wait_while(lambda: api.describe_model(ProjectName="faults", ModelVersion="1")["ModelDescription"], ["STARTING_HOSTING"])
        self.assertEqual(hosted["Status"], "HOSTED")

    def test_a_service_that_stays_away_ends_jobs_with_a_message(self):
        upload_tiny(OTHER.client(), "outage")
        working = threading.Event()
        working.set()
        proxy = FaultyProxy(OTHER.port, lambda n: None if working.is_set() else "503")
        self.addCleanup(proxy.close)
        server = serve(proxy.url, "--objects-timeout", "1")
        self.addCleanup(server.destroy)
        working.clear()
        dataset, _ = self.run_job(server, "outage")
        self.assertEqual(dataset["Status"], "CREATE_FAILED")
        self.assertIn("The object store failed on s3://outage/m", dataset["StatusMessage"])
        # Other calls work meanwhile, and the server stops at once although a job is waiting.
        api = server.client("lookoutvision")
        api.delete_dataset(ProjectName="faults", DatasetType="train")
        working.set()
        api.create_dataset(ProjectName="faults", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "outage", "Key": "m"}}})
        wait_while(lambda: api.describe_dataset(ProjectName="faults", DatasetType="train")["DatasetDescription"], ["CREATE_IN_PROGRESS"])
        api.create_model(ProjectName="faults", OutputConfig={"S3Location": {"Bucket": "outage", "Prefix": "out/"}})
        working.clear()
        describe = lambda: api.describe_model(ProjectName="faults", ModelVersion="1")["ModelDescription"]
        deadline = time.monotonic() + 60
        while "tried again" not in describe()["StatusMessage"] and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertIn("It is tried again.", describe()["StatusMessage"])
        start = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - start, 20)
        server.start()  # The server starts although the other service is away.
        working.set()
        api = server.client("lookoutvision")
        model = wait_while(lambda: api.describe_model(ProjectName="faults", ModelVersion="1")["ModelDescription"], ["TRAINING"])
        self.assertIn(model["Status"], ("TRAINED", "TRAINING_FAILED"))
        self.assertTrue(model["StatusMessage"])


if __name__ == "__main__":
    unittest.main()
