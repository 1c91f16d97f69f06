"""The server against its API models: for every operation and member the value at each limit passes and the one just outside fails with
the right error; every error with a documented cause is provoked; authentication and serialisation have tables of their own. Prints the
number of checks."""
import base64
import concurrent.futures
import datetime
import hashlib
import io
import json
import os
import sqlite3
import sys
import time
import unittest

import botocore.exceptions
from PIL import Image

from values import NUL, Model
from wire import Wire
from harness import BUILD, ROOT, SERVER_SAMPLE, Server, labelled_pictures, run, sample_set, upload_set, wait_while

sys.path.insert(0, os.path.join(ROOT, "tests"))
from postgresql import Postgresql

LOOKOUT, EXTENSION = Model("lookoutvision"), Model("vedette")
CONSTRAINT = "failed to satisfy constraint"
CHECKS = {}
RECORD = json.dumps({"seq": 1, "journal": "j", "station": "aaa", "state": "judged", "is_anomalous": False})
GREENGRASS = {"S3OutputLocation": {"Bucket": "conformance", "Prefix": "packages/"}, "ComponentName": "part", "TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}}


def checked(kind):
    CHECKS[kind] = CHECKS.get(kind, 0) + 1


def tearDownModule():
    print("\n" + "".join(f"{n:6} {kind}\n" for kind, n in CHECKS.items()) + f"{sum(CHECKS.values()):6} checks, none skipped")


def variants(model, name, in_text):
    """(where below the member, why, value, expected error or None) for every limit of a type, at any depth."""
    for why, value in model.good(name):
        yield "", why, value, None
    for why, value, error in model.bad(name, in_text):
        yield "", why, value, error
    type_ = model.types[name]
    if type_["type"] == "list":
        for where, why, value, error in variants(model, type_["item"], in_text):
            yield "[0]" + where, why, [value], error
    if type_["type"] == "structure":
        plain = model.sample(name)
        yield "", "an unknown member", {**plain, "NoSuchMember": [1]}, None
        for member, m in type_["members"].items():
            if m.get("required"):
                yield "." + member, "required but missing", {k: v for k, v in plain.items() if k != member}, "ValidationException"
                yield "." + member, "required but null", {**plain, member: None}, "ValidationException"
            else:
                yield "." + member, "null instead of absent", {**plain, member: None}, None
            for where, why, value, error in variants(model, m["type"], False):
                yield "." + member + where, why, {**plain, member: value}, error


def defaults(model, operation):
    """Required members that are valid and name nothing that exists."""
    members = {}
    for m in operation["input"]:
        if not m.get("required") or m["in"] == "payload":
            continue
        members[m["name"]] = {"ProjectName": "conformance-none", "ContentType": "image/jpeg", "UserName": "conformance-none", "PolicyName": "conformance-none",
                              "ResourceArn": "arn:aws:lookoutvision:us-east-1:123456789012:model/conformance-none/1", "TagKeys": ["k"], "SourceRefs": ["s3://conformance-none/x"],
                              "Verifications": [{"SourceRef": "s3://conformance-none/x"}], "Records": [RECORD],
                              "EndTime": "2022-03-02T10:00:00Z", "Configuration": {"Greengrass": GREENGRASS}, "Actions": [{"Action": "s3:GetObject"}]}.get(m["name"]) or model.sample(m["type"])
    return members


class Members(unittest.TestCase):
    """Limits, patterns, enums, types and required members, all generated."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.wires = {m.service: Wire(cls.server, service=m.service) for m in (LOOKOUT, EXTENSION)}

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()

    def expect(self, answer, error, text, value):
        shown = f"{text}: {answer!r}"
        if error is None:
            self.assertNotEqual(answer.error, "SerializationException", shown)
            self.assertNotIn(CONSTRAINT, answer.message(), shown)
            self.assertLess(answer.status, 500, shown)
        elif value == "" and answer.error == "UnknownOperationException":
            self.assertEqual(answer.status, 404, shown)  # nothing in the path is another path
        else:
            self.assertEqual((answer.error, answer.status), (error, 400), shown)
            if error == "ValidationException":
                self.assertIn(CONSTRAINT, answer.message(), shown)
        checked("members at and outside their limits")

    def try_service(self, model):
        wire = self.wires[model.service]
        for name, operation in model.operations.items():
            base = defaults(model, operation)
            for m in operation["input"]:
                if m["in"] == "payload":
                    continue
                in_text = m["in"] != "body"
                if m.get("required") and m["in"] != "path":
                    without = {k: v for k, v in base.items() if k != m["name"]}
                    self.expect(wire.call(operation, without), "ValidationException", f"{name} without {m['name']}", None)
                    if not in_text:
                        self.expect(wire.call(operation, {**base, m["name"]: None}), "ValidationException", f"{name}, {m['name']} null", None)
                for where, why, value, error in variants(model, m["type"], in_text):
                    if in_text and value == [] and error is None:
                        continue  # no items and no member are the same in a query string
                    if m["in"] == "header" and why == NUL:
                        continue  # no header can have one
                    answer = wire.call(operation, {**base, m["name"]: value})
                    self.expect(answer, error, f"{name}, {m['name']}{where}: {why}", value)
            answer = wire.call(operation, base, extra_body={"NoSuchMember": {"a": 1}}, extra_headers={"X-No-Such-Header": "1"})
            self.expect(answer, None, f"{name}: unknown members", None)

    def test_lookoutvision(self):
        self.try_service(LOOKOUT)

    def test_vedette(self):
        self.try_service(EXTENSION)

    def test_bodies_that_are_no_json_object(self):
        for model in (LOOKOUT, EXTENSION):
            wire = self.wires[model.service]
            for name, operation in model.operations.items():
                if not any(m["in"] == "body" for m in operation["input"]):
                    continue
                path = operation["path"]
                for m in operation["input"]:
                    if m["in"] == "path":
                        path = path.replace("{%s}" % m["wire"], "p" if m["name"] != "DatasetType" else "train")
                for body in (b"nonsense", b"[]", b"5", b"\"text\"", b"{", b"{\"a\":}", b"{\"a\":\"\xff\"}", b"[" * 5000, b"{\"a\":" * 5000, b"{\"a\":NaN}"):
                    answer = wire.request(operation["method"], path, body, {"Content-Type": "application/json"})
                    self.assertEqual((answer.error, answer.status), ("SerializationException", 400), f"{name} {body[:20]}: {answer!r}")
                    checked("serialisation errors")


class TextsOnPostgresql(unittest.TestCase):
    """PostgreSQL holds no NUL and nothing but UTF-8. Such texts are refused before they reach it, whatever brings them."""

    @classmethod
    def setUpClass(cls):
        cls.database = Postgresql()
        cls.server = Server(extra=["--metadata", cls.database.url])
        cls.wires = {m.service: Wire(cls.server, service=m.service) for m in (LOOKOUT, EXTENSION)}
        cls.s3 = cls.server.client("s3")
        cls.s3.create_bucket(Bucket="texts")

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()
        cls.database.destroy()

    def refused(self, answer, error, text):
        self.assertEqual((answer.error, answer.status), (error, 400), f"{text}: {answer!r}")
        checked("texts that no database stores")

    def test_members_of_any_operation(self):
        for model in (LOOKOUT, EXTENSION):
            wire = self.wires[model.service]
            for name, operation in model.operations.items():
                base = defaults(model, operation)
                for m in operation["input"]:
                    if m["in"] in ("payload", "header"):
                        continue
                    for where, why, value, error in variants(model, m["type"], m["in"] != "body"):
                        if why == NUL:
                            self.refused(wire.call(operation, {**base, m["name"]: value}), error, f"{name}, {m['name']}{where}")

    def test_bytes_of_paths_queries_and_headers(self):
        projects = "/2020-11-20/projects"
        wire = self.wires["lookoutvision"]
        for text in ("%00", "p%FF", "%C0%80", "%ED%A0%80"):
            self.refused(wire.request("GET", f"{projects}/{text}"), "ValidationException", text)
            self.refused(wire.request("GET", f"{projects}/p/datasets/train/entries?sourceRefContains={text}"), "ValidationException", text)

    def test_lines_of_manifests_and_records_of_stations(self):
        api, wire, station = self.server.client("lookoutvision"), self.wires["lookoutvision"], self.wires["vedette"]
        api.create_project(ProjectName="texts")
        line = json.dumps({"source-ref": "s3://texts/a\0b"})
        self.s3.put_object(Bucket="texts", Key="train.manifest", Body=line.encode())
        api.create_dataset(ProjectName="texts", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "texts", "Key": "train.manifest"}}})
        described = wait_while(lambda: api.describe_dataset(ProjectName="texts", DatasetType="train")["DatasetDescription"], ["CREATE_IN_PROGRESS"], 0.05)
        self.assertEqual(described["Status"], "CREATE_FAILED")
        self.assertIn("NUL", described["StatusMessage"])
        checked("texts that no database stores")
        api.create_dataset(ProjectName="texts", DatasetType="test")
        wait_while(lambda: api.describe_dataset(ProjectName="texts", DatasetType="test")["DatasetDescription"], ["CREATE_IN_PROGRESS"], 0.05)
        changes = {"ProjectName": "texts", "DatasetType": "test", "Changes": base64.b64encode(line.encode()).decode()}
        wire.call(LOOKOUT.operations["UpdateDatasetEntries"], changes)
        described = wait_while(lambda: api.describe_dataset(ProjectName="texts", DatasetType="test")["DatasetDescription"],
                               ["UPDATE_IN_PROGRESS", "UPDATE_FAILED_ROLLBACK_IN_PROGRESS"], 0.05)
        self.assertEqual(described["Status"], "UPDATE_FAILED_ROLLBACK_COMPLETE")
        self.assertIn("NUL", described["StatusMessage"])
        for member in ("journal", "source", "trigger_id", "reason"):
            record = json.dumps({**json.loads(RECORD), member: "a\0b"})
            self.refused(station.call(EXTENSION.operations["PutStationVerdicts"], {"StationName": "aaa", "Records": [record]}), "ValidationException", record)

    def test_keys_of_objects(self):
        for call, more in ((self.s3.put_object, {"Body": b"x"}), (self.s3.get_object, {}), (self.s3.delete_object, {})):
            with self.assertRaises(botocore.exceptions.ClientError) as refused:
                call(Bucket="texts", Key="a\0b", **more)
            self.assertEqual((refused.exception.response["Error"]["Code"], refused.exception.response["ResponseMetadata"]["HTTPStatusCode"]), ("InvalidURI", 400))

    def test_names_of_keys(self):
        now = time.gmtime()
        day, second = time.strftime("%Y%m%d", now), time.strftime("%Y%m%dT%H%M%SZ", now)
        for key in ("AKIA%00", "AKIA%FF"):
            query = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={key}/{day}/us-east-1/lookoutvision/aws4_request&X-Amz-Date={second}&X-Amz-Expires=60&X-Amz-SignedHeaders=host"
            answer = self.wires["lookoutvision"].send("GET", f"/2020-11-20/projects?{query}&X-Amz-Signature={'0' * 64}")
            self.assertEqual((answer.status, answer.error), (403, "UnrecognizedClientException"), answer)


class Authentication(unittest.TestCase):
    """The table of errors before an operation runs."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()

    def test_table(self):
        server, keys = self.server, self.server.credentials()
        wire, path = Wire(server), "/2020-11-20/projects"
        good = wire.signed_headers("GET", path)
        authorization = good["Authorization"]

        def with_header(name, value):
            return {**good, name: value}

        def shifted(minutes):
            import botocore.auth
            real = botocore.auth.datetime

            class Shifted(datetime.datetime):
                @classmethod
                def utcnow(cls):
                    return datetime.datetime.utcnow() + datetime.timedelta(minutes=minutes)
            botocore.auth.datetime = type("module", (), {"datetime": Shifted})
            try:
                return wire.signed_headers("GET", path)
            finally:
                botocore.auth.datetime = real

        wrong_secret = Wire(server, {**keys, "aws_secret_access_key": "x" * 40}).signed_headers("GET", path)
        unknown_key = Wire(server, {**keys, "aws_access_key_id": "AKIAAAAAAAAAAAAAAAAA"}).signed_headers("GET", path)
        other_service = Wire(server, service="dynamodb").signed_headers("GET", path)
        table = [
            ("no authorization", {}, "MissingAuthenticationTokenException"),
            ("another scheme", with_header("Authorization", "Basic YTpi"), "IncompleteSignatureException"),
            ("nothing after the scheme", with_header("Authorization", "AWS4-HMAC-SHA256"), "IncompleteSignatureException"),
            ("no signature", with_header("Authorization", authorization.rsplit(",", 1)[0]), "IncompleteSignatureException"),
            ("a short signature", with_header("Authorization", authorization[:-1]), "IncompleteSignatureException"),
            ("a scope of four parts", with_header("Authorization", authorization.replace("/aws4_request", "")), "IncompleteSignatureException"),
            ("another terminator", with_header("Authorization", authorization.replace("aws4_request", "aws9_request")), "IncompleteSignatureException"),
            ("no date", {k: v for k, v in good.items() if k.lower() != "x-amz-date"}, "IncompleteSignatureException"),
            ("a date that is not the scope's", with_header("X-Amz-Date", "20010101T000000Z"), "IncompleteSignatureException"),
            ("host not signed", with_header("Authorization", authorization.replace("host;", "")), "IncompleteSignatureException"),
            ("a service that is not here", other_service, "InvalidSignatureException"),
            ("an unknown key", unknown_key, "UnrecognizedClientException"),
            ("a wrong secret", wrong_secret, "InvalidSignatureException"),
            ("a flipped bit in the signature", with_header("Authorization", authorization[:-1] + ("0" if authorization[-1] != "0" else "1")), "InvalidSignatureException"),
            ("a session token of a permanent key", wire.signed_headers("GET", path, headers={"X-Amz-Security-Token": "abc"}), "InvalidClientTokenId"),
            ("a session token that is not signed", with_header("X-Amz-Security-Token", "abc"), "AccessDeniedException"),
            ("16 minutes early", shifted(-16), "InvalidSignatureException"),
            ("16 minutes late", shifted(16), "InvalidSignatureException"),
            ("a region with a colon", with_header("Authorization", authorization.replace("us-east-1", "us:east-1")), "IncompleteSignatureException"),
            ("a declared hash that is not the body's", wire.signed_headers("GET", path, headers={"x-amz-content-sha256": "0" * 64}), "InvalidSignatureException"),
        ]
        for why, headers, error in table:
            answer = wire.send("GET", path, headers=headers)
            self.assertEqual((answer.error, answer.status), (error, 403), f"{why}: {answer!r}")
            self.assertIn("Message", answer.json, why)
            self.assertRegex(answer.headers["x-amzn-RequestId"], "^[0-9a-f-]{36}$")
            checked("authentication errors")
        for minutes in (-14, 14):
            self.assertEqual(wire.send("GET", path, headers=shifted(minutes)).status, 200)
            checked("authentication errors")
        # A signature is valid for its own request only. A request that is no operation is refused before its signature is verified.
        for method, target, expected in (("GET", path + "?maxResults=5&nextToken=", ("InvalidSignatureException", 403)),
                                         ("GET", path + "/%70rojects", ("InvalidSignatureException", 403)),
                                         ("DELETE", path, ("UnknownOperationException", 404))):
            answer = wire.send(method, target, headers=wire.signed_headers("GET", path))
            self.assertEqual((answer.error, answer.status), expected, f"{method} {target}: {answer!r}")
            checked("authentication errors")


# The service model lists these errors for an operation, but no source names a cause for them.
NO_CAUSE = {
    ("CreateProject", "ResourceNotFoundException"), ("ListProjects", "ResourceNotFoundException"), ("CreateDataset", "ServiceQuotaExceededException"),
    ("StartModelPackagingJob", "ServiceQuotaExceededException"),
    *((name, "ConflictException") for name in ("DescribeProject", "ListProjects", "DescribeDataset", "ListDatasetEntries", "DescribeModel", "ListModels", "TagResource",
                                               "UntagResource", "ListTagsForResource")),
}


NEEDS_TRAINER = unittest.skipUnless(os.path.exists(os.path.join(BUILD, "vedette-trainer")), "this build has no trainer")


class Errors(unittest.TestCase):
    """Every error that has a cause, by that cause, with its status, name, members and headers."""

    provoked = set()

    def expect(self, model, operation, error, answer):
        status, members = model.errors[error]["status"], model.errors[error]["members"]
        text = f"{operation} {error}: {answer!r}"
        self.assertEqual((answer.error, answer.status), (error, status), text)
        self.assertEqual(answer.headers["content-type"], "application/json", text)
        self.assertRegex(answer.headers["x-amzn-RequestId"], "^[0-9a-f-]{36}$")
        in_body = {m: d for m, d in members.items() if "header" not in d}
        for member, d in in_body.items():
            if d.get("required") or member in answer.json:
                self.assertEqual(model.problems(d["type"], answer.json.get(member), member), [], text)
        self.assertEqual(set(answer.json) - set(in_body), set(), text)
        if "RetryAfterSeconds" in members:
            self.assertRegex(answer.headers["retry-after"], "^[1-9][0-9]*$", text)
        else:
            self.assertNotIn("retry-after", answer.headers, text)
        self.provoked.add((model.service, operation, error))
        checked("errors by their cause")

    def each(self):
        for model in (LOOKOUT, EXTENSION):
            for name, operation in model.operations.items():
                yield model, name, operation, defaults(model, operation)

    def test_1_access_denied_without_a_policy(self):
        server = Server()
        self.addCleanup(server.destroy)
        run("user", "create", "nobody", "--data", server.data)
        keys = dict(line.split(" = ") for line in run("key", "create", "--user", "nobody", "--data", server.data).splitlines()[1:])
        for model, name, operation, members in self.each():
            answer = Wire(server, keys, model.service).call(operation, members)
            if not operation["action"]:
                self.assertEqual(answer.status, operation["status"], name)  # it needs no right
                continue
            self.expect(model, name, "AccessDeniedException", answer)
            self.assertRegex(answer.message(), rf"^User: arn:aws:iam::123456789012:user/nobody is not authorized to perform: {operation['action']} on resource: ")

    def test_2_throttling_above_the_configured_rate(self):
        server = Server(extra=["--requests-per-second", "0.001"])
        self.addCleanup(server.destroy)
        for model, name, operation, members in self.each():
            if name == "DetectAnomalies":
                continue  # bounded by inference units, below
            wire = Wire(server, service=model.service)
            self.assertNotEqual(wire.call(operation, members).error, "ThrottlingException", name)
            self.expect(model, name, "ThrottlingException", wire.call(operation, members))

    def test_3_internal_errors_when_the_database_breaks(self):
        server = Server()
        self.addCleanup(server.destroy)
        wires = {m.service: Wire(server, service=m.service) for m in (LOOKOUT, EXTENSION)}
        database = sqlite3.connect(os.path.join(server.data, "metadata.sqlite"), timeout=30)

        def break_tables(*tables):
            database.execute("PRAGMA legacy_alter_table=ON")
            for table in tables:
                database.execute(f"ALTER TABLE {table} RENAME TO broken_{table}")
            database.commit()

        break_tables("projects", "datasets", "models", "packaging_jobs", "client_tokens", "metric_points", "metric_series", "training_progress", "stations")
        # ListAuditEvents reads no table but a folder. The file of today that is open already goes on to be written.
        os.rename(os.path.join(server.data, "audit"), os.path.join(server.data, "audit-elsewhere"))
        # GetThumbnails and ListNodes, which answers from memory, need no table but those that say who calls.
        identities = ("Thumbnails", "Nodes", "User", "AccessKey", "Policy", "Policies", "Users", "AccessKeys")
        for model, name, operation, members in self.each():
            if not name.endswith(identities):
                answer = wires[model.service].call(operation, members)
                self.expect(model, name, "InternalServerException", answer)
                self.assertNotIn("table", answer.message())
        break_tables("users")
        for model, name, operation, members in self.each():
            if name.endswith(identities):
                self.expect(model, name, "InternalServerException", wires[model.service].call(operation, members))
        self.assertIn("no such table", server.log())

    def test_4_validation(self):
        server = Server()
        self.addCleanup(server.destroy)
        for model, name, operation, members in self.each():
            if "ValidationException" not in operation["errors"]:
                self.assertEqual(operation["input"], [], name)  # nothing to get wrong
                continue
            for m in operation["input"]:
                bad = [value for _, _, value, error in variants(model, m["type"], m["in"] != "body") if error == "ValidationException" and value != ""]
                if bad and m["in"] != "payload":
                    self.expect(model, name, "ValidationException", Wire(server, service=model.service).call(operation, {**members, m["name"]: bad[0]}))
                    break
            else:
                self.fail(name + " has no member with a limit")

    @NEEDS_TRAINER
    def test_5_missing_resources_conflicts_and_quotas(self):
        sample = sample_set(*SERVER_SAMPLE, shrink=2)
        server = Server(extra=["--trainings-at-once", "1", "--inference-units", "2", "--max-projects", "4", "--max-stations", "1", "--longest-wait", "0.1"])
        self.addCleanup(server.destroy)
        wire, extension = Wire(server), Wire(server, service="vedette")
        api, s3 = server.client("lookoutvision"), server.client("s3")

        def call(name, payload=b"", **members):
            model = LOOKOUT if name in LOOKOUT.operations else EXTENSION
            operation = model.operations[name]
            return (wire if model is LOOKOUT else extension).call(operation, {**defaults(model, operation), **members}, payload=payload)

        def expect(name, error, payload=b"", **members):
            self.expect(LOOKOUT if name in LOOKOUT.operations else EXTENSION, name, error, call(name, payload, **members))

        def succeed(name, **members):
            answer = call(name, **members)
            self.assertLess(answer.status, 300, f"{name}: {answer!r}")
            model = LOOKOUT if name in LOOKOUT.operations else EXTENSION
            outputs = {m["name"]: m["type"] for m in model.operations[name]["output"]}
            self.assertEqual(answer.status, model.operations[name]["status"], name)
            self.assertEqual(set(answer.json) - set(outputs), set(), name)
            problems = [p for member, value in answer.json.items() for p in model.problems(outputs[member], value, member)]
            self.assertEqual(problems, [], name)
            checked("answers against their model")
            return answer.json

        # These calls are made while nothing is there.
        for model, name, operation, _ in self.each():
            if "ResourceNotFoundException" in operation["errors"] and (name, "ResourceNotFoundException") not in NO_CAUSE:
                expect(name, "ResourceNotFoundException")
        arn = "arn:aws:lookoutvision:us-east-1:123456789012:model/job/1"

        # These calls are made while a model trains.
        upload_set(s3, sample, "conformance", ["train.manifest", "test.manifest"])
        succeed("CreateProject", ProjectName="job")
        expect("CreateProject", "ConflictException", ProjectName="job")
        output = {"S3Location": {"Bucket": "conformance", "Prefix": "out/"}}
        expect("CreateModel", "ResourceNotFoundException", ProjectName="job", OutputConfig=output)
        for kind in ("train", "test"):
            succeed("CreateDataset", ProjectName="job", DatasetType=kind,
                    DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "conformance", "Key": f"manifests/{kind}.manifest"}}})
        expect("CreateDataset", "ConflictException", ProjectName="job", DatasetType="train")
        succeed("CreateModel", ProjectName="job", OutputConfig=output, Description="conformance", KmsKeyId="alias/key", Tags=[{"Key": "stage", "Value": ""}])
        expect("CreateModel", "ServiceQuotaExceededException", ProjectName="job", OutputConfig=output)
        expect("DeleteModel", "ConflictException", ProjectName="job")
        expect("StartModel", "ConflictException", ProjectName="job")
        expect("UpdateModelUnits", "ConflictException", ProjectName="job")
        for name in ("DescribeModelThreshold", "UpdateModelThreshold", "ComputeAnomalyMap", "FindNearestPatch", "CorrectModel", "ListModelCorrections"):
            expect(name, "ConflictException", ProjectName="job")
        trial = {"ProjectName": "job", "TrialName": "t"}
        expect("StartTrialDetection", "ConflictException", **trial, Images={"Bucket": "conformance"})
        expect("RebaseModel", "ConflictException", ProjectName="job", Images={"Bucket": "conformance"})
        expect("StopModel", "ConflictException", ProjectName="job")
        expect("DetectAnomalies", "ConflictException", ProjectName="job")
        expect("DeleteProject", "ConflictException", ProjectName="job")
        expect("StartModelPackagingJob", "ConflictException", ProjectName="job", ModelVersion="1", Configuration={"Greengrass": GREENGRASS})
        expect("TagResource", "ServiceQuotaExceededException", ResourceArn=arn, Tags=[{"Key": f"k{i}", "Value": "v"} for i in range(51)])
        expect("TagResource", "ValidationException", ResourceArn=arn, Tags=[{"Key": "aws:mine", "Value": "v"}])
        expect("TagResource", "ValidationException", ResourceArn=arn.replace("model/job/1", "project/job"))
        time.sleep(1.5)
        progress = succeed("GetTrainingProgress", ProjectName="job", ModelVersion="latest")["TrainingProgress"]
        self.assertEqual(progress["Status"], "TRAINING")

        expect("DescribeModelEvaluation", "ResourceNotFoundException", ProjectName="job", ModelVersion="1")

        # A dataset whose import failed cannot be updated, and no token can mean two things.
        s3.put_object(Bucket="conformance", Key="bad.manifest", Body=b"nonsense")
        succeed("CreateProject", ProjectName="bad")
        succeed("CreateDataset", ProjectName="bad", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "conformance", "Key": "bad.manifest"}}})
        wait_while(lambda: api.describe_dataset(ProjectName="bad", DatasetType="train")["DatasetDescription"], ["CREATE_IN_PROGRESS"], 0.05)
        expect("UpdateDatasetEntries", "ConflictException", ProjectName="bad", Changes="e30=")
        expect("StartDatasetCheck", "ConflictException", ProjectName="bad")
        expect("CreateModel", "ConflictException", ProjectName="bad", OutputConfig=output)
        succeed("DeleteDataset", ProjectName="bad", DatasetType="train", ClientToken="once")
        expect("DeleteDataset", "ConflictException", ProjectName="bad", DatasetType="test", ClientToken="once")
        succeed("CreateProject", ProjectName="third")
        succeed("CreateProject", ProjectName="fourth")
        expect("CreateProject", "ServiceQuotaExceededException", ProjectName="fifth")

        trained = wait_while(lambda: api.describe_model(ProjectName="job", ModelVersion="1")["ModelDescription"], ["TRAINING"])
        self.assertEqual(trained["Status"], "TRAINED", trained["StatusMessage"])
        evaluated, token = [], {}
        while True:
            answer = succeed("DescribeModelEvaluation", ProjectName="job", ModelVersion="latest", MaxResults=7, **token)
            evaluated += answer["Pictures"]
            if "NextToken" not in answer:
                break
            self.assertEqual(len(answer["Pictures"]), 7)
            token = {"NextToken": answer["NextToken"]}
        whole = answer["ModelEvaluation"]
        self.assertEqual((whole["ModelArn"], whole["EvaluatedOn"], whole["TestingImageCount"]), (arn, "TEST_DATASET", len(evaluated)))
        self.assertAlmostEqual(whole["Metrics"]["F1Score"], trained["Performance"]["F1Score"], places=6)
        self.assertAlmostEqual(sum(entry["VerdictWeight"] for entry in whole["Contest"]), 1)
        expect("StopModel", "ConflictException", ProjectName="job")
        expect("StartModel", "ServiceQuotaExceededException", ProjectName="job", MinInferenceUnits=3)
        expect("StartModel", "ValidationException", ProjectName="job", MinInferenceUnits=2, MaxInferenceUnits=1)
        succeed("StartModel", ProjectName="job", MinInferenceUnits=1, MaxInferenceUnits=2)
        hosted = wait_while(lambda: api.describe_model(ProjectName="job", ModelVersion="1")["ModelDescription"], ["STARTING_HOSTING"], 0.05)
        self.assertEqual(hosted["Status"], "HOSTED", hosted["StatusMessage"])
        expect("DeleteModel", "ConflictException", ProjectName="job")
        expect("UpdateModelUnits", "ServiceQuotaExceededException", ProjectName="job", MinInferenceUnits=1, MaxInferenceUnits=3)
        expect("UpdateModelUnits", "ValidationException", ProjectName="job", MinInferenceUnits=2, MaxInferenceUnits=1)
        self.assertEqual(succeed("UpdateModelUnits", ProjectName="job", MinInferenceUnits=2), {"MinInferenceUnits": 2})
        changed = api.describe_model(ProjectName="job", ModelVersion="1")["ModelDescription"]
        self.assertEqual((changed["Status"], changed["MinInferenceUnits"], "MaxInferenceUnits" in changed), ("HOSTED", 2, False))
        self.throttle_detection(server, sample)

        # The answers of all operations that read are checked against the model.
        for name, members in (("DescribeProject", {}), ("ListProjects", {}), ("DescribeDataset", {}), ("ListDatasetEntries", {"MaxResults": 3}), ("DescribeModel", {}),
                              ("ListModels", {}), ("ListTagsForResource", {"ResourceArn": arn}), ("ListModelPackagingJobs", {})):
            succeed(name, **({"ProjectName": "job"} if name != "ListTagsForResource" else {}), **members)
        with open(os.path.join(sample, "test-images", sorted(os.listdir(os.path.join(sample, "test-images")))[0]), "rb") as file:
            answer = call("DetectAnomalies", file.read(), ProjectName="job")
        self.assertEqual(LOOKOUT.problems("DetectAnomalyResult", answer.json["DetectAnomalyResult"], "DetectAnomalyResult"), [])
        succeed("StartModelPackagingJob", ProjectName="job", ModelVersion="latest", JobName="package-1", Description="For line 7 (x86)", Configuration={"Greengrass": GREENGRASS})
        wait_while(lambda: api.describe_model_packaging_job(ProjectName="job", JobName="package-1")["ModelPackagingDescription"], ["CREATED", "RUNNING"], 0.1)
        self.assertEqual(succeed("DescribeModelPackagingJob", ProjectName="job", JobName="package-1")["ModelPackagingDescription"]["Status"], "SUCCEEDED")
        self.provoke_stations(succeed, expect)
        succeed("TagResource", ResourceArn=arn, Tags=[{"Key": "stage", "Value": "production"}])
        succeed("UntagResource", ResourceArn=arn, TagKeys=["stage", "never there"])
        good_picture = next(os.path.relpath(path, sample) for path, is_anomalous in labelled_pictures(sample, "test.manifest") if not is_anomalous)
        succeed("StartDatasetCheck", ProjectName="job")
        wait_while(lambda: succeed("DescribeDatasetCheck", ProjectName="job")["DatasetCheck"], ["RUNNING"], 0.05)
        succeed("ListDatasetFindings", ProjectName="job")
        expect("StartTrialDetection", "ValidationException", **trial, Images={"Bucket": "conformance", "Prefix": "nothing"})
        succeed("StartTrialDetection", **trial, ModelVersion="latest", Images={"Bucket": "conformance", "Keys": [good_picture]})
        wait_while(lambda: succeed("DescribeTrialDetection", **trial)["TrialDetection"], ["RUNNING"], 0.05)
        succeed("ListTrialDetections", ProjectName="job")
        self.assertEqual(succeed("ListTrialDetectionImages", **trial)["TotalCount"], 1)
        succeed("VerifyTrialDetectionImages", **trial, Verifications=[{"SourceRef": f"s3://conformance/{good_picture}", "Verification": "CORRECT"}])
        expect("StopTrialDetection", "ConflictException", **trial)
        succeed("DeleteTrialDetection", **trial)
        # They run one after the other, each over the whole bucket, so none of them ends before the sixth is asked for.
        waiting = [{"ProjectName": "job", "TrialName": f"waiting-{i}"} for i in range(5)]
        for each in waiting:
            succeed("StartTrialDetection", **each, ModelVersion="latest", Images={"Bucket": "conformance"})
        expect("StartTrialDetection", "ServiceQuotaExceededException", **trial, ModelVersion="latest", Images={"Bucket": "conformance"})
        for each in waiting:
            succeed("StopTrialDetection", **each)
            succeed("DeleteTrialDetection", **each)
        succeed("DescribeModelThreshold", ProjectName="job")
        expect("UpdateModelThreshold", "ValidationException", ProjectName="job", Threshold=0)
        succeed("UpdateModelThreshold", ProjectName="job", Threshold=0.25)
        for name in ("ComputeAnomalyMap", "FindNearestPatch"):
            expect(name, "ValidationException", ProjectName="job", SourceRef="s3://conformance/none")
            succeed(name, ProjectName="job", SourceRef=f"s3://conformance/{good_picture}")
        expect("CorrectModel", "ValidationException", ProjectName="job", SourceRef="s3://conformance/none")
        succeed("CorrectModel", ProjectName="job", SourceRef=f"s3://conformance/{good_picture}", IsAnomalous=True, Place={"X": 5, "Y": 2})
        succeed("ListModelCorrections", ProjectName="job")
        succeed("DeleteModelCorrection", ProjectName="job", SourceRef=f"s3://conformance/{good_picture}")
        expect("DeleteModelCorrection", "ResourceNotFoundException", ProjectName="job", SourceRef=f"s3://conformance/{good_picture}")
        converting = {"ProjectName": "job", "Bucket": "conformance", "OutputPrefix": "converted/"}
        expect("ConvertAnnotations", "ValidationException", **converting, Prefix="nothing/")
        s3.copy_object(Bucket="conformance", Key="other-tool/part.jpg", CopySource={"Bucket": "conformance", "Key": good_picture})
        s3.put_object(Bucket="conformance", Key="other-tool/labels.json", Body=json.dumps({"images": [{"id": 1, "file_name": "part.jpg"}], "annotations": [], "categories": []}))
        converted = succeed("ConvertAnnotations", **converting, Prefix="other-tool/", Unannotated="NORMAL")
        self.assertEqual((converted["Format"], converted["Train"]["NormalCount"], converted["ProblemCount"]), ("COCO", 1, 0))
        self.assertEqual(succeed("ExportCocoAnnotations", ProjectName="job", DatasetType="train", Bucket="conformance", Key="coco.json", Shapes="RUNS")["ProblemCount"], 0)
        for name, members in (("ListDatasetImages", {"ProjectName": "job", "DatasetType": "train", "MaxResults": 3}),
                              ("GetThumbnails", {"SourceRefs": [f"s3://conformance/{good_picture}", "s3://conformance/none", "conformance"]}), ("ListMetrics", {}), ("ListAuditEvents", {"MaxResults": 5, "Outcome": "FAILED"}), ("GetMetricStatistics", {"StartTime": "2022-01-01T00:00:00Z", "EndTime": "2052-01-01T00:00:00Z", "Period": 31536000}),
                              ("ListUsers", {}), ("ListPolicies", {}), ("GetUser", {"UserName": "admin"}), ("ListAccessKeys", {"UserName": "admin"}),
                              ("GetPolicy", {"PolicyName": "AdministratorAccess"}), ("CreateUser", {"UserName": "ann"}), ("CreateAccessKey", {"UserName": "ann"}),
                              ("PutPolicy", {"PolicyName": "mine"}), ("AttachUserPolicy", {"UserName": "ann", "PolicyName": "mine"})):
            succeed(name, **members)
        expect("CreateUser", "ConflictException", UserName="ann")
        expect("PutPolicy", "ConflictException", PolicyName="AdministratorAccess")
        expect("DeletePolicy", "ConflictException", PolicyName="mine")
        for name, members in (("DetachUserPolicy", {"UserName": "ann", "PolicyName": "mine"}), ("DeletePolicy", {"PolicyName": "mine"}), ("DeleteUser", {"UserName": "ann"})):
            succeed(name, **members)
        succeed("StopModel", ProjectName="job")

        # A model is moved to other pictures.
        good = [os.path.relpath(path, sample) for path, is_anomalous in labelled_pictures(sample, "test.manifest") if not is_anomalous][:6]
        move = {"ProjectName": "job", "Images": {"Bucket": "conformance", "Keys": good}}
        made = succeed("RebaseModel", **move, Description="conformance", Tags=[{"Key": "stage", "Value": ""}])["ModelMetadata"]
        self.assertEqual((made["ModelVersion"], made["Status"]), ("2", "TRAINING"))
        expect("RebaseModel", "ServiceQuotaExceededException", **move)
        moved = wait_while(lambda: api.describe_model(ProjectName="job", ModelVersion="2")["ModelDescription"], ["TRAINING"])
        self.assertEqual(moved["Status"], "TRAINED", moved["StatusMessage"])

    def provoke_stations(self, succeed, expect):
        """A station runs what the job package-1 made."""
        station = {"StationName": "line"}
        record = {"seq": 3, "journal": "j", "state": "judged", "is_anomalous": True, "t_verdict_ns": 1_800_000_000_000_000_000, "t_picture_ns": 1_800_000_000_000_000_000, "model": "part",
                  "picture": "s3://conformance/kept.png", "source": "camera", "trigger_id": "part-7", "classes": [{"name": "dent", "area": 0.25, "color": "#ff0000"}]}
        succeed("PutStationReport", **station, AgentVersion="1.0", IntervalSeconds=5, Models=[{"ModelComponent": "part", "ComponentVersion": "1.0.0", "ModelSha256": "", "State": "FAILED", "StateMessage": "why"}],
                Findings=[{"Check": "disk", "Level": "WARNING", "Message": "full"}], Counters=[{"Name": "dropped", "Value": 5}])
        for sequence in (3, 7):
            succeed("PutStationVerdicts", **station, Records=[json.dumps({**record, "seq": sequence, "station": "line"})])
        expect("PutStationReport", "ServiceQuotaExceededException", StationName="second", AgentVersion="1.0")
        expect("PutStationVerdicts", "ServiceQuotaExceededException", StationName="second", Records=[json.dumps({**record, "station": "second"})])
        # One job runs after the other, so the last of them has made nothing yet.
        for number in range(3):
            succeed("StartModelPackagingJob", ProjectName="job", ModelVersion="latest", JobName=f"waiting-{number}", Configuration={"Greengrass": {**GREENGRASS, "ComponentVersion": f"2.0.{number}"}})
        channel = {**station, "ModelComponent": "part", "ProjectName": "job"}
        expect("UpdateStationChannel", "ConflictException", **channel, JobName="waiting-2")
        self.assertEqual(succeed("UpdateStationChannel", **channel, JobName="package-1")["Channels"][0]["ChangedBy"], "admin")
        self.assertEqual(len(succeed("ListStations")["Stations"]), 1)
        self.assertEqual([node["State"] for node in succeed("ListNodes")["Nodes"]], ["LIVE"])
        self.assertEqual(succeed("DescribeStation", **station)["Station"]["Gaps"][0]["FirstSequence"], 4)
        self.assertEqual(len(succeed("ListStationVerdicts", **station, IsAnomalous="true")["Verdicts"]), 2)
        succeed("DeleteStation", **station)

    def throttle_detection(self, server, sample):
        """More calls than the model's units can take."""
        with open(os.path.join(sample, "test-images", os.listdir(os.path.join(sample, "test-images"))[0]), "rb") as file:
            body = file.read()
        operation = LOOKOUT.operations["DetectAnomalies"]

        def many(_):
            wire = Wire(server)
            return [wire.call(operation, {"ProjectName": "job", "ModelVersion": "1", "ContentType": "image/jpeg"}, payload=body) for _ in range(4)]
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            answers = [a for answers in pool.map(many, range(40)) for a in answers]
        refused = [a for a in answers if a.status != 200]
        self.assertTrue(refused, "160 calls at once were all taken")
        for answer in refused:
            self.expect(LOOKOUT, "DetectAnomalies", "ThrottlingException", answer)

    @NEEDS_TRAINER
    def test_6_every_error_with_a_cause_was_provoked(self):
        wanted = {(model.service, name, error) for model, name, operation, _ in self.each() for error in operation["errors"] if (name, error) not in NO_CAUSE}
        self.assertEqual(wanted - self.provoked, set())
        for name, error in NO_CAUSE:
            self.assertIn(error, LOOKOUT.operations[name]["errors"])


if __name__ == "__main__":
    unittest.main()
