"""Tests the whole main job through each client that people use: Debian's AWS CLI, the AWS SDK for JavaScript, and botocore with the service
model that Vedette itself installs for SDKs that no longer contain the service."""
import glob
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import BUILD, Server, run, write_tiny_set

SERVER = FOLDER = LINES = None
HERE = os.path.dirname(os.path.abspath(__file__))


def setUpModule():
    global SERVER, FOLDER, LINES
    SERVER = Server(budget=10)  # JavaScript counts how many verdicts are right
    FOLDER = tempfile.mkdtemp(prefix="vedette-tiny-")
    LINES = write_tiny_set(FOLDER, normal=25, anomaly=20, masks=True)


def tearDownModule():
    SERVER.destroy()
    shutil.rmtree(FOLDER)


class Cli(unittest.TestCase):
    """Calls every command of the service, in the order of the job."""

    def aws(self, *words, fails_with=None):
        done = subprocess.run(["/usr/bin/aws", "--endpoint-url", SERVER.url, *words], env=SERVER.client_environment(), capture_output=True, text=True)
        if fails_with:
            self.assertIn(fails_with, done.stderr)
            return None
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout

    def l4v(self, command, *words, **options):
        return self.aws("lookoutvision", command, *words, **options)

    def settled(self, busy, *command):
        while True:
            description = next(iter(self.l4v(*command).values()))
            if description["Status"] not in busy:
                return description
            time.sleep(0.2)

    def test_whole_job(self):
        self.assertEqual(self.aws("sts", "get-caller-identity"), {"UserId": "admin", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/admin"})
        self.aws("s3", "mb", "s3://cli-job")
        self.aws("s3", "sync", "--only-show-errors", FOLDER, "s3://cli-job")
        with tempfile.NamedTemporaryFile("w", suffix=".manifest") as manifest, tempfile.NamedTemporaryFile("w", suffix=".jsonl") as changes:
            for n, line in enumerate(LINES):
                line = {**line, "source-ref": "s3://cli-job/" + line["source-ref"]}
                if "anomaly-mask-ref" in line:
                    line["anomaly-mask-ref"] = "s3://cli-job/" + line["anomaly-mask-ref"]
                print(json.dumps(line), file=manifest if n < 40 else changes)
            manifest.flush()
            changes.flush()
            self.aws("s3", "cp", "--only-show-errors", manifest.name, "s3://cli-job/train.manifest")
            project = ("--project-name", "cli")
            self.assertIn("ProjectMetadata", self.l4v("create-project", *project, "--client-token", "t-1"))
            self.l4v("create-project", *project, fails_with="(ConflictException)")
            self.assertEqual(self.l4v("describe-project", *project)["ProjectDescription"]["Datasets"], [])
            dataset = (*project, "--dataset-type", "train")
            self.l4v("create-dataset", *dataset, "--dataset-source", json.dumps({"GroundTruthManifest": {"S3Object": {"Bucket": "cli-job", "Key": "train.manifest"}}}))
            self.assertEqual(self.settled(["CREATE_IN_PROGRESS"], "describe-dataset", *dataset)["Status"], "CREATE_COMPLETE")
            self.assertEqual(self.l4v("update-dataset-entries", *dataset, "--changes", "fileb://" + changes.name), {"Status": "UPDATE_IN_PROGRESS"})
            self.assertEqual(self.settled(["UPDATE_IN_PROGRESS"], "describe-dataset", *dataset)["ImageStats"]["Anomaly"], 20)
        self.assertEqual(len(self.l4v("list-dataset-entries", *dataset, "--labeled", "--anomaly-class", "anomaly", "--source-ref-contains", "bad", "--before-creation-date", "2023-01-01",
                                      "--after-creation-date", "2022-01-01", "--page-size", "7")["DatasetEntries"]), 20)
        self.assertEqual(self.l4v("list-dataset-entries", *dataset, "--no-labeled")["DatasetEntries"], [])
        made = self.l4v("create-model", *project, "--output-config", '{"S3Location":{"Bucket":"cli-job","Prefix":"out/"}}', "--tags", "Key=stage,Value=test", "--description", "from-the-cli",
                        "--kms-key-id", "alias/plant")["ModelMetadata"]
        model = (*project, "--model-version", "1")
        trained = self.settled(["TRAINING"], "describe-model", *model)
        self.assertEqual((trained["Status"], trained["KmsKeyId"]), ("TRAINED", "alias/plant"), trained["StatusMessage"])
        self.assertEqual(len(self.l4v("list-models", *project)["Models"]), 1)
        arn = ("--resource-arn", made["ModelArn"])
        self.l4v("tag-resource", *arn, "--tags", "Key=line,Value=7")
        self.l4v("untag-resource", *arn, "--tag-keys", "stage")
        self.assertEqual(self.l4v("list-tags-for-resource", *arn)["Tags"], [{"Key": "line", "Value": "7"}])
        self.assertEqual(self.l4v("start-model", *model, "--min-inference-units", "1", "--max-inference-units", "2")["Status"], "STARTING_HOSTING")
        self.assertEqual(self.settled(["STARTING_HOSTING"], "describe-model", *model)["Status"], "HOSTED")
        bad = os.path.join(FOLDER, LINES[30]["source-ref"])
        verdict = self.l4v("detect-anomalies", *model, "--content-type", "image/png", "--body", bad)["DetectAnomalyResult"]
        self.assertTrue(verdict["IsAnomalous"])
        self.assertEqual([a["Name"] for a in verdict["Anomalies"]], ["background", "spot"])
        self.l4v("detect-anomalies", *model, "--content-type", "image/gif", "--body", bad, fails_with="content-type must be one of the following. image/jpeg, image/png")
        self.l4v("start-model-packaging-job", *project, "--model-version", "1", "--job-name", "for-line-7", "--description", "For line 7", "--configuration",
                 "Greengrass={TargetPlatform={Os=LINUX,Arch=X86_64},S3OutputLocation={Bucket=cli-job,Prefix=packages/},ComponentName=com.example.part,ComponentVersion=1.2.3}")
        packaged = self.settled(["CREATED", "RUNNING"], "describe-model-packaging-job", *project, "--job-name", "for-line-7")
        self.assertEqual(packaged["Status"], "SUCCEEDED", packaged["StatusMessage"])
        self.assertEqual(len(self.l4v("list-model-packaging-jobs", *project)["ModelPackagingJobs"]), 1)
        self.l4v("start-model-packaging-job", *project, "--model-version", "1", "--configuration",
                 "Greengrass={TargetDevice=jetson_xavier,S3OutputLocation={Bucket=cli-job},ComponentName=com.example.part,ComponentVersion=1.2.3}", fails_with="(ConflictException)")
        # The archive is the model: the local tools read it and give the same verdicts.
        key = "packages/com.example.part/1.2.3/com.example.part-1.2.3-greengrass_model_component.zip"
        with tempfile.TemporaryDirectory() as folder:
            archive = os.path.join(folder, "model.zip")
            self.aws("s3", "cp", "--only-show-errors", "s3://cli-job/" + key, archive)
            local = json.loads(run("detect", archive, bad, "--json"))
            self.assertEqual(local["is_anomalous"], True)
            self.assertAlmostEqual(local["confidence"], verdict["Confidence"], places=6)
        self.assertEqual(self.l4v("stop-model", *model)["Status"], "STOPPING_HOSTING")
        self.settled(["STOPPING_HOSTING"], "describe-model", *model)
        self.l4v("delete-model", *model)
        self.l4v("delete-dataset", *dataset)
        self.assertIn("ProjectArn", self.l4v("delete-project", *project))
        self.assertEqual(self.l4v("list-projects"), {"Projects": []})


class JavaScript(unittest.TestCase):
    def test_whole_job(self):
        folder = os.path.join(BUILD, "js-client")
        shutil.copy(os.path.join(HERE, "js", "main_job.mjs"), folder)
        node = shutil.which("node") or "/usr/bin/node"
        done = subprocess.run([node, os.path.join(folder, "main_job.mjs"), FOLDER], env=SERVER.client_environment(AWS_ENDPOINT_URL=SERVER.url), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout)
        self.assertEqual(told["arn"], "arn:aws:lookoutvision:us-east-1:123456789012:project/javascript")
        self.assertTrue(told["createdIsDate"])
        self.assertEqual(told["conflict"], ["ConflictException", "PROJECT", "javascript", 409])
        self.assertEqual(told["dataset"], {"Total": 45, "Labeled": 45, "Normal": 25, "Anomaly": 20})
        self.assertEqual(told["updated"], {"Total": 45, "Labeled": 44, "Normal": 24, "Anomaly": 20})
        self.assertEqual((told["entries"], told["trained"], told["hosted"], told["gone"]), (45, "TRAINED", "HOSTED", True))
        self.assertEqual(told["tags"], [{"Key": "stage", "Value": "test"}])
        self.assertEqual(told["unsigned"], [told["verdicts"][-1][2]] * 2)
        self.assertEqual(told["wrongType"], ["ValidationException", "content-type must be one of the following. image/jpeg, image/png"])
        self.assertEqual(told["packaged"][0], "SUCCEEDED")
        self.assertEqual(told["packaged"][1]["ComponentVersion"], "1.0.0")
        right = sum(anomalous == ("bad" in key) for key, anomalous, _ in told["verdicts"])
        self.assertGreaterEqual(right, 40)


JOB = """
import json, sys, boto3
folder, endpoint = sys.argv[1:]
l4v = boto3.client("lookoutvision", endpoint_url=endpoint)
s3 = boto3.client("s3", endpoint_url=endpoint)
vedette = boto3.client("vedette", endpoint_url=endpoint)
s3.create_bucket(Bucket="own-model")
lines = [json.loads(line) for line in open(folder + "/all.manifest")]
for line in lines:
    key = line["source-ref"]
    s3.put_object(Bucket="own-model", Key=key, Body=open(folder + "/" + key, "rb").read())
    line["source-ref"] = "s3://own-model/" + key
    line.pop("anomaly-mask-ref", None), line.pop("anomaly-mask-ref-metadata", None)
s3.put_object(Bucket="own-model", Key="m", Body="\\n".join(map(json.dumps, lines)).encode())
p = {"ProjectName": "own"}
l4v.create_project(**p)
l4v.create_dataset(**p, DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "own-model", "Key": "m"}}})
fast = {"WaiterConfig": {"Delay": 1}}
l4v.get_waiter("dataset_created").wait(**p, DatasetType="train", **fast)
l4v.create_model(**p, OutputConfig={"S3Location": {"Bucket": "own-model"}})
m = {**p, "ModelVersion": "1"}
l4v.get_waiter("model_trained").wait(**m, **fast)
l4v.start_model(**m, MinInferenceUnits=1)
l4v.get_waiter("model_hosted").wait(**m, **fast)
body = open(folder + "/images/bad030.png", "rb").read()
verdict = l4v.detect_anomalies(**m, ContentType="image/png", Body=body)["DetectAnomalyResult"]["IsAnomalous"]
l4v.stop_model(**m)
l4v.get_waiter("model_stopped").wait(**m, **fast)
progress = vedette.get_training_progress(**m)["TrainingProgress"]
l4v.delete_model(**m)
l4v.get_waiter("model_deleted").wait(**m, **fast)
l4v.delete_dataset(**p, DatasetType="train")
l4v.delete_project(**p)
loaded = [d for d in l4v._loader.search_paths if "own-models" in d]
print(json.dumps({"verdict": verdict, "waiters": sorted(l4v.waiter_names), "progress": progress["FractionDone"], "loaded": loaded}))
"""


class OwnServiceModel(unittest.TestCase):
    """Tests Debian's botocore, which is made to use the model that `vedette client-model install` writes, and a newer one where the machine has it."""

    def job(self, python):
        with tempfile.TemporaryDirectory(suffix="own-models") as models:
            run("client-model", "install", "--dir", models)
            done = subprocess.run([python, "-c", JOB, FOLDER, SERVER.url], env=SERVER.client_environment(AWS_DATA_PATH=models), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout)
        self.assertTrue(told["verdict"])
        self.assertIn("model_trained", told["waiters"])  # The original model has no waiters, so this one was used.
        self.assertEqual(told["progress"], 1)

    def test_whole_job_with_waiters(self):
        self.job("/usr/bin/python3")

    def test_a_newer_botocore_if_there_is_one(self):
        # An SDK without the service finds it only by our model. The test looks up which interpreter has such an SDK.
        found = False
        for python in sorted({os.path.realpath(p) for p in glob.glob("/usr/local/bin/python3*") if not p.endswith("config")}):
            probe = subprocess.run([python, "-c", "import boto3, botocore.session; print('lookoutvision' in botocore.session.get_session().get_available_services())"],
                                   capture_output=True, text=True)
            if probe.returncode == 0 and probe.stdout.strip() == "False":
                found = True
                self.job(python)
        if not found:
            self.skipTest("no interpreter here has a botocore without the service")


if __name__ == "__main__":
    unittest.main()
