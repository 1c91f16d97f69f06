"""Tests users, keys and policies: what each may do on resources, by tags and through jobs, with the commands and with the service `vedette`."""
import json
import os
import shutil
import tempfile
import time
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import REGION, Server, run, upload_lines, wait_while, write_tiny_set

SERVER = MODELS = FOLDER = LINES = None


def setUpModule():
    global SERVER, MODELS, FOLDER, LINES
    SERVER = Server()
    MODELS, FOLDER = tempfile.mkdtemp(prefix="vedette-models-"), tempfile.mkdtemp(prefix="vedette-tiny-")
    run("client-model", "install", "--dir", MODELS)
    LINES = [{k: v for k, v in line.items() if not k.startswith("anomaly-mask")} for line in write_tiny_set(FOLDER)]


def tearDownModule():
    SERVER.destroy()
    shutil.rmtree(MODELS)
    shutil.rmtree(FOLDER)


def extension(credentials=None, server=None):
    """Returns a client of the service `vedette`, made from the model that the server's own command installs."""
    os.environ["AWS_DATA_PATH"] = MODELS
    server = server or SERVER
    return boto3.Session().client("vedette", endpoint_url=server.url, region_name=REGION, config=Config(retries={"max_attempts": 1}), **(credentials or server.credentials()))


def allow(*actions, resource="*", **more):
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


class Identity(unittest.TestCase):
    def user(self, name, *statements):
        """Returns the keys of a new user with one policy of these statements."""
        api = extension()
        api.create_user(UserName=name)
        key = api.create_access_key(UserName=name)["AccessKey"]
        if statements:
            self.put(name + "-policy", *statements)
            api.attach_user_policy(UserName=name, PolicyName=name + "-policy")
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def put(self, name, *statements):
        extension().put_policy(PolicyName=name, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))

    def denied(self, call, **members):
        with self.assertRaises(ClientError) as caught:
            call(**members)
        error = caught.exception.response
        self.assertIn(error["Error"]["Code"], ("AccessDeniedException", "AccessDenied"), error)
        self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], 403)
        return error["Error"]["Message"]

    def test_a_new_user_may_nothing_but_ask_who_it_is(self):
        keys = self.user("new")
        identity = SERVER.client("sts", keys).get_caller_identity()
        self.assertEqual((identity["Arn"], identity["Account"]), ("arn:aws:iam::123456789012:user/new", "123456789012"))
        # Other services verify an identity by a presigned URL, as this does.
        from urllib.request import urlopen
        url = SERVER.client("sts", keys).generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
        self.assertIn("<Arn>arn:aws:iam::123456789012:user/new</Arn>", urlopen(url).read().decode())
        message = self.denied(SERVER.client("lookoutvision", keys).list_projects)
        self.assertEqual(message, "User: arn:aws:iam::123456789012:user/new is not authorized to perform: lookoutvision:ListProjects on resource: * because no identity-based policy "
                                  "allows the lookoutvision:ListProjects action")
        self.denied(SERVER.client("s3", keys).list_buckets)
        self.denied(extension(keys).create_user, UserName="mallory")
        self.denied(extension(keys).attach_user_policy, UserName="new", PolicyName="AdministratorAccess")

    def test_a_session_token_with_a_permanent_key_is_refused_in_header_and_query(self):
        from urllib.error import HTTPError
        from urllib.request import urlopen
        keys = {**SERVER.credentials(), "aws_session_token": "FwoGZXIvYXdzEXAMPLE"}
        for service, operation, code, status in (("lookoutvision", "list_projects", "InvalidClientTokenId", 403), ("s3", "list_buckets", "InvalidToken", 400),
                                                 ("sts", "get_caller_identity", "InvalidClientTokenId", 403)):
            client = SERVER.client(service, keys, signature_version="s3v4" if service == "s3" else "v4")
            with self.assertRaises(ClientError, msg=service) as caught:
                getattr(client, operation)()
            self.assertEqual(caught.exception.response["Error"]["Code"], code)
            self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], status)
            url = client.generate_presigned_url(operation, ExpiresIn=60, HttpMethod="GET")
            self.assertIn("X-Amz-Security-Token=", url)
            with self.assertRaises(HTTPError, msg=url) as refused:
                urlopen(url)
            self.assertEqual(refused.exception.code, status)
            with refused.exception as answer:
                self.assertIn("AWS_SESSION_TOKEN", answer.read().decode())

    def test_users_learn_what_they_may_do(self):
        keys = self.user("curious", allow("lookoutvision:*"), allow("s3:GetObject", resource="arn:aws:s3:::line7/*"),
                         {"Effect": "Deny", "Action": "lookoutvision:Delete*", "Resource": "arn:aws:lookoutvision:*:*:project/kept"},
                         {"Effect": "Deny", "Action": "lookoutvision:StartModel", "Resource": "*"})
        asked = [("lookoutvision:CreateModel", None, True), ("lookoutvision:DeleteProject", None, True),
                 ("lookoutvision:DeleteProject", f"arn:aws:lookoutvision:{REGION}:123456789012:project/kept", False), ("lookoutvision:StartModel", None, False),
                 ("s3:GetObject", None, True), ("s3:GetObject", "*", False), ("s3:GetObject", "arn:aws:s3:::line7/a", True),
                 ("vedette:ListUsers", None, False), ("no-such:Action", None, False)]
        decisions = extension(keys).simulate_policy(Actions=[{"Action": action, **({"Resource": resource} if resource else {})} for action, resource, _ in asked])["Decisions"]
        self.assertEqual([(d["Action"], d["Resource"], d["Allowed"]) for d in decisions], [(action, resource or "*", allowed) for action, resource, allowed in asked])
        for actions in ([{"Action": "s3:GetObject"}] * 101, [{"Action": "s3:*"}]):
            with self.assertRaises(ClientError) as caught:
                extension(keys).simulate_policy(Actions=actions)
            self.assertEqual(caught.exception.response["Error"]["Code"], "ValidationException", actions)

    def test_resources_with_wildcards_and_an_explicit_deny(self):
        keys = self.user("line7", allow("lookoutvision:*", resource="arn:aws:lookoutvision:*:*:project/line7*"),
                         {"Effect": "Deny", "Action": "lookoutvision:Delete*", "Resource": "*"})
        api = SERVER.client("lookoutvision", keys)
        api.create_project(ProjectName="line7-bolts")
        self.denied(api.create_project, ProjectName="line8")
        self.assertIn("with an explicit deny in an identity-based policy", self.denied(api.delete_project, ProjectName="line7-bolts"))
        self.assertEqual(SERVER.client("lookoutvision").describe_project(ProjectName="line7-bolts")["ProjectDescription"]["Datasets"], [])

    def test_managed_policies_are_three_roles(self):
        read, detect = self.user("reader"), self.user("detector")
        extension().attach_user_policy(UserName="reader", PolicyName="AmazonLookoutVisionReadOnlyAccess")
        extension().attach_user_policy(UserName="detector", PolicyName="VedetteDetectOnlyAccess")
        SERVER.client("lookoutvision", read).list_projects()
        self.denied(SERVER.client("lookoutvision", read).create_project, ProjectName="x")
        self.denied(SERVER.client("lookoutvision", detect).list_projects)
        with self.assertRaises(ClientError) as caught:
            SERVER.client("lookoutvision", detect).detect_anomalies(ProjectName="none", ModelVersion="1", ContentType="image/png", Body=b"x")
        self.assertEqual(caught.exception.response["Error"]["Code"], "ResourceNotFoundException")

    def test_imports_and_trainings_act_with_their_callers_rights_and_tags_govern_models(self):
        admin, s3 = SERVER.client("lookoutvision"), SERVER.client("s3")
        upload_lines(s3, FOLDER, "secret", LINES, "train.manifest")
        upload_lines(s3, FOLDER, "open", LINES, "train.manifest")
        mixed = s3.get_object(Bucket="secret", Key="train.manifest")["Body"].read()
        s3.put_object(Bucket="open", Key="mixed.manifest", Body=mixed)
        s3.create_bucket(Bucket="results")
        keys = self.user("engineer", allow("lookoutvision:*"), allow("s3:GetObject", "s3:GetBucketLocation", resource=["arn:aws:s3:::open", "arn:aws:s3:::open/*"]),
                         {"Effect": "Deny", "Action": ["lookoutvision:DeleteModel", "lookoutvision:StartModel"], "Resource": "*",
                          "Condition": {"StringEquals": {"aws:ResourceTag/stage": "production"}}},
                         {"Effect": "Deny", "Action": ["lookoutvision:TagResource", "lookoutvision:UntagResource"], "Resource": "*",
                          "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "stage"}}})
        api = SERVER.client("lookoutvision", keys)
        api.create_project(ProjectName="rights")
        source = lambda bucket, key: {"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Key": key}}}  # noqa: E731
        self.denied(api.create_dataset, ProjectName="rights", DatasetType="train", DatasetSource=source("secret", "train.manifest"))
        # The user may read the manifest, but not what it names.
        api.create_dataset(ProjectName="rights", DatasetType="train", DatasetSource=source("open", "mixed.manifest"))
        describe = lambda: api.describe_dataset(ProjectName="rights", DatasetType="train")["DatasetDescription"]  # noqa: E731
        failed = wait_while(describe, ["CREATE_IN_PROGRESS"], 0.05)
        self.assertEqual(failed["Status"], "CREATE_FAILED")
        self.assertIn("not authorized to perform: s3:GetObject on resource: arn:aws:s3:::secret/", failed["StatusMessage"])
        api.delete_dataset(ProjectName="rights", DatasetType="train")
        api.create_dataset(ProjectName="rights", DatasetType="train", DatasetSource=source("open", "train.manifest"))
        self.assertEqual(wait_while(describe, ["CREATE_IN_PROGRESS"], 0.05)["Status"], "CREATE_COMPLETE")
        # Results may be written only where the caller may write.
        output = {"S3Location": {"Bucket": "results", "Prefix": ""}}
        self.denied(api.create_model, ProjectName="rights", OutputConfig=output)
        self.put("write-results", allow("s3:PutObject", "s3:GetBucketLocation", resource=["arn:aws:s3:::results", "arn:aws:s3:::results/*"]))
        extension().attach_user_policy(UserName="engineer", PolicyName="write-results")
        self.denied(api.create_model, ProjectName="rights", OutputConfig=output, Tags=[{"Key": "stage", "Value": "test"}])
        api.create_model(ProjectName="rights", OutputConfig=output, Tags=[{"Key": "owner", "Value": "e"}])
        model = {"ProjectName": "rights", "ModelVersion": "1"}
        trained = wait_while(lambda: api.describe_model(**model)["ModelDescription"], ["TRAINING"])
        self.assertEqual(trained["Status"], "TRAINED", trained["StatusMessage"])
        # A Deny on the model's ARN holds however the ARN is spelt.
        named = self.user("namer", allow("lookoutvision:*"), {"Effect": "Deny", "Action": "lookoutvision:*", "Resource": trained["ModelArn"]})
        for partition in ("aws", "x", "", "aws-cn"):
            arn = ":".join(["arn", partition] + trained["ModelArn"].split(":")[2:])
            for call in (lambda: SERVER.client("lookoutvision", named).tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}]),
                         lambda: SERVER.client("lookoutvision", named).untag_resource(ResourceArn=arn, TagKeys=["owner"]),
                         lambda: SERVER.client("lookoutvision", named).list_tags_for_resource(ResourceArn=arn)):
                self.denied(call)
        self.assertEqual(admin.list_tags_for_resource(ResourceArn=trained["ModelArn"])["Tags"], [{"Key": "owner", "Value": "e"}])
        # Nobody may use the server's own bucket, not even an administrator.
        self.denied(admin.create_model, ProjectName="rights", OutputConfig={"S3Location": {"Bucket": ".vedette", "Prefix": "models/"}})
        packaging = {"Greengrass": {"ComponentName": "c", "S3OutputLocation": {"Bucket": ".vedette"}, "TargetDevice": "jetson_xavier"}}
        self.denied(admin.start_model_packaging_job, **model, Configuration=packaging)
        admin.create_project(ProjectName="own")
        self.denied(admin.create_dataset, ProjectName="own", DatasetType="train", DatasetSource=source(".vedette", "models/x"))
        with self.assertRaises(ClientError) as caught:
            s3.copy_object(Bucket="open", Key="stolen", CopySource=".vedette/models/x")
        self.assertEqual(caught.exception.response["Error"]["Code"], "AccessDenied")
        s3.put_object(Bucket="open", Key="own.manifest", Body=json.dumps({"source-ref": "s3://.vedette/models/x"}).encode())
        admin.create_dataset(ProjectName="own", DatasetType="train", DatasetSource=source("open", "own.manifest"))
        failed = wait_while(lambda: admin.describe_dataset(ProjectName="own", DatasetType="train")["DatasetDescription"], ["CREATE_IN_PROGRESS"], 0.05)
        self.assertIn("the server's own", failed["StatusMessage"])
        # The tag decides: users who may not set it may not start a model that has it.
        self.denied(api.tag_resource, ResourceArn=trained["ModelArn"], Tags=[{"Key": "stage", "Value": "x"}])
        admin.tag_resource(ResourceArn=trained["ModelArn"], Tags=[{"Key": "stage", "Value": "production"}])
        self.denied(api.untag_resource, ResourceArn=trained["ModelArn"], TagKeys=["stage"])
        self.denied(api.start_model, **model, MinInferenceUnits=1)
        self.denied(api.delete_model, **model)
        self.denied(api.start_model, ProjectName="rights", ModelVersion="latest", MinInferenceUnits=1)
        greengrass = {"Greengrass": {"ComponentName": "c", "S3OutputLocation": {"Bucket": "open"}, "TargetDevice": "jetson_xavier"}}
        self.denied(api.start_model_packaging_job, **model, Configuration=greengrass)
        admin.tag_resource(ResourceArn=trained["ModelArn"], Tags=[{"Key": "stage", "Value": "test"}])
        api.start_model(**model, MinInferenceUnits=1)
        wait_while(lambda: api.describe_model(**model)["ModelDescription"], ["STARTING_HOSTING"], 0.05)
        api.stop_model(**model)

    def test_commands_and_service_see_the_same_and_changes_work_at_once(self):
        def cli(*words):
            return run(*words, "--data", SERVER.data)
        cli("user", "create", "bob", "--policy", "VedetteReadOnlyAccess")
        fields = dict(line.split(" = ") for line in cli("key", "create", "--user", "bob").splitlines()[1:])
        api = SERVER.client("lookoutvision", fields)
        api.list_projects()
        self.assertIn("VedetteReadOnlyAccess", cli("user", "list"))
        self.assertEqual(extension().get_user(UserName="bob")["User"]["AttachedPolicies"], ["VedetteReadOnlyAccess"])
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}, file)
            file.flush()
            cli("policy", "put", "nothing", file.name)
        cli("policy", "attach", "nothing", "--user", "bob")
        self.denied(api.list_projects)
        self.assertIn("nothing", cli("policy", "list"))
        self.assertIn("Deny", cli("policy", "show", "nothing"))
        cli("policy", "detach", "nothing", "--user", "bob")
        api.list_projects()
        cli("policy", "delete", "nothing")
        keys = extension().list_access_keys(UserName="bob")["AccessKeys"]
        self.assertNotIn("SecretAccessKey", keys[0])
        extension().revoke_access_key(UserName="bob", AccessKeyId=keys[0]["AccessKeyId"])
        with self.assertRaises(ClientError) as caught:
            api.list_projects()
        self.assertEqual(caught.exception.response["Error"]["Code"], "UnrecognizedClientException")
        cli("user", "delete", "bob")
        with self.assertRaises(ClientError) as caught:
            extension().get_user(UserName="bob")
        self.assertEqual(caught.exception.response["Error"]["Code"], "ResourceNotFoundException")
        for bad in (("policy", "attach", "none", "--user", "admin"), ("user", "create", "a b"), ("policy", "delete", "AdministratorAccess"), ("key", "revoke", "AKIANONE")):
            with self.assertRaises(RuntimeError):
                cli(*bad)

    def test_the_last_administrator_stays_unless_forced(self):
        server = Server()
        self.addCleanup(server.destroy)
        api = extension(server=server)
        key = server.credentials()["aws_access_key_id"]
        for call in (lambda: api.delete_user(UserName="admin"), lambda: api.detach_user_policy(UserName="admin", PolicyName="AdministratorAccess"),
                     lambda: api.revoke_access_key(UserName="admin", AccessKeyId=key)):
            with self.assertRaises(ClientError) as caught:
                call()
            self.assertEqual(caught.exception.response["Error"]["Code"], "ConflictException")
        for words in (("user", "delete", "admin"), ("policy", "detach", "AdministratorAccess", "--user", "admin"), ("key", "revoke", key)):
            with self.assertRaisesRegex(RuntimeError, "last administrator"):
                run(*words, "--data", server.data)
        for name in (".", ".."):
            with self.assertRaises(ClientError) as caught:
                api.create_user(UserName=name)
            self.assertEqual(caught.exception.response["Error"]["Code"], "ValidationException")
            with self.assertRaises(RuntimeError):
                run("user", "create", name, "--data", server.data)
        run("key", "revoke", key, "--data", server.data, "--force")
        with self.assertRaises(ClientError):
            api.list_users()

    def test_users_are_listed_in_pages(self):
        api = extension()
        for i in range(5):
            api.create_user(UserName=f"page{i}")
        listed = [u["UserName"] for page in api.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 2}) for u in page["Users"]]
        self.assertEqual(listed, sorted(listed))
        self.assertTrue({f"page{i}" for i in range(5)} < set(listed))
        for i in range(5):
            api.delete_user(UserName=f"page{i}")


class AuditAndMetrics(unittest.TestCase):
    def test_every_call_leaves_a_line_and_pictures_are_counted(self):
        server = Server()
        self.addCleanup(server.destroy)
        api, s3 = server.client("lookoutvision"), server.client("s3")
        upload_lines(s3, FOLDER, "counted", LINES, "train.manifest")
        api.create_project(ProjectName="counted", ClientToken="audit-token")
        api.create_dataset(ProjectName="counted", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "counted", "Key": "train.manifest"}}})
        api.create_model(ProjectName="counted", OutputConfig={"S3Location": {"Bucket": "counted", "Prefix": ""}})
        model = {"ProjectName": "counted", "ModelVersion": "1"}
        describe = lambda: api.describe_model(**model)["ModelDescription"]  # noqa: E731
        self.assertEqual(wait_while(describe, ["TRAINING"])["Status"], "TRAINED")
        progress = extension(server=server).get_training_progress(**model)["TrainingProgress"]
        self.assertEqual((progress["Status"], progress["FractionDone"]), ("TRAINED", 1))
        self.assertGreaterEqual(progress["LastUpdatedTimestamp"], progress["StartTimestamp"])
        api.start_model(**model, MinInferenceUnits=2, MaxInferenceUnits=3)
        wait_while(describe, ["STARTING_HOSTING"], 0.05)
        verdicts = []
        for line in LINES[:3] + LINES[-5:]:
            with open(os.path.join(FOLDER, line["source-ref"]), "rb") as file:
                verdicts.append(api.detect_anomalies(**model, ContentType="image/png", Body=file.read())["DetectAnomalyResult"]["IsAnomalous"])
        with self.assertRaises(ClientError):
            api.detect_anomalies(**model, ContentType="image/png", Body=b"no picture")

        vedette = extension(server=server)
        def total(metric, **more):
            points = vedette.get_metric_statistics(MetricName=metric, StartTime=time.time() - 3600, EndTime=time.time() + 60, Period=7200, **more)["Datapoints"]
            return sum(p["Sum"] for p in points)
        for dimensions in ({"ProjectName": "counted", "ModelVersion": "1"}, {"ProjectName": "counted"}, {}):
            self.assertEqual(total("ProcessedImageCount", **dimensions), 8)
            self.assertEqual(total("DetectedAnomalyCount", **dimensions), sum(verdicts))
            self.assertEqual(total("InvalidImageCount", **dimensions), 1)
        self.assertEqual(total("ProcessedImageCount", ProjectName="counted", ModelVersion="2"), 0)
        time_points = vedette.get_metric_statistics(MetricName="Time", ProjectName="counted", StartTime=time.time() - 3600, EndTime=time.time() + 60, Period=7200)
        self.assertEqual(time_points["Unit"], "Milliseconds")
        self.assertEqual(sum(p["SampleCount"] for p in time_points["Datapoints"]), 8)
        names = {m["MetricName"] for m in vedette.list_metrics()["Metrics"]}
        self.assertLessEqual({"ProcessedImageCount", "DetectedAnomalyCount", "InvalidImageCount", "SuccessfulRequestCount", "ErrorCount", "Time"}, names)
        for bad in ({"Period": 61}, {"Period": 60, "StartTime": 0}, {"ModelVersion": "1"}, {"StartTime": time.time() + 100}):
            with self.assertRaises(ClientError) as caught:
                vedette.get_metric_statistics(**{"MetricName": "Time", "StartTime": time.time() - 3600, "EndTime": time.time(), **bad})
            self.assertEqual(caught.exception.response["Error"]["Code"], "ValidationException", bad)
        # Prometheus sees the same, and what was counted survives a restart.
        from urllib.request import urlopen
        text = urlopen(server.url + "/metrics").read().decode()
        self.assertIn('ProcessedImageCount{project="counted",version="1",region="us-east-1"} 8', text)
        server.stop()
        server.start()
        vedette = extension(server=server)
        self.assertEqual(total("ProcessedImageCount", ProjectName="counted"), 8)

        events = []
        for name in sorted(os.listdir(os.path.join(server.data, "audit"))):  # There are two files if midnight was in between.
            path = os.path.join(server.data, "audit", name)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            with open(path, encoding="utf-8") as file:
                events += [json.loads(line) for line in file]
        by_name = {}
        for event in events:
            by_name.setdefault(event["eventName"], []).append(event)
        created = by_name["CreateProject"][0]
        self.assertEqual(created["requestParameters"], {"projectName": "counted", "clientToken": "audit-token"})
        self.assertEqual(created["responseElements"]["projectMetadata"]["projectName"], "counted")
        self.assertEqual((created["eventSource"], created["readOnly"], created["awsRegion"], created["userIdentity"]["userName"]), ("lookoutvision.amazonaws.com", False, REGION, "admin"))
        self.assertIn("Boto", created["userAgent"])
        self.assertEqual(len(by_name["DetectAnomalies"]), 9)
        self.assertEqual(by_name["DetectAnomalies"][0]["requestParameters"], {"projectName": "counted", "modelVersion": "1", "contentType": "image/png"})
        self.assertEqual(by_name["DetectAnomalies"][-1]["errorCode"], "ValidationException")
        self.assertIn("CreateBucket", by_name)
        self.assertIn("GetMetricStatistics", by_name)


if __name__ == "__main__":
    unittest.main()
