"""Tests what published programs do with the service: AWS's documentation samples, its lab notebook, the awslabs helper and the sample
applications. The programs are written anew here: the order of their calls, what they wait for, and what they read without asking."""
import json
import os
import re
import shutil
import tempfile
import time
import unittest
from decimal import Decimal

from botocore.exceptions import ClientError

from harness import Server, upload_lines, write_tiny_set

SERVER = FOLDER = LINES = PLAIN = None


def setUpModule():
    global SERVER, FOLDER, LINES, PLAIN
    SERVER = Server()
    FOLDER = tempfile.mkdtemp(prefix="vedette-tiny-")
    LINES = write_tiny_set(FOLDER, normal=30, anomaly=25, masks=True)
    PLAIN = [{k: v for k, v in line.items() if not k.startswith("anomaly-mask")} for line in LINES]


def tearDownModule():
    SERVER.destroy()
    shutil.rmtree(FOLDER)


def picture(number=0):
    with open(os.path.join(FOLDER, LINES[number]["source-ref"]), "rb") as file:
        return file.read()


class Flow(unittest.TestCase):
    def setUp(self):
        self.api, self.s3 = SERVER.client("lookoutvision"), SERVER.client("s3")

    def dataset(self, project, kind, bucket, key):
        return self.api.create_dataset(ProjectName=project, DatasetType=kind,
                                       DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Key": key}}})["DatasetMetadata"]

    def model(self, project, version="1"):
        return self.api.describe_model(ProjectName=project, ModelVersion=version)["ModelDescription"]

    def check_stages(self, metadata):
        """The header Server-Timing and the log line of a call tell the same stages and times."""
        told = {name: float(ms) for name, ms in re.findall(r"(\w+);dur=([\d.]+)", metadata["HTTPHeaders"]["server-timing"])}
        self.assertEqual(list(told), ["body", "wait", "verify", "queue", "decode", "resize", "network", "mask", "encode", "total"])
        line = next(line for line in SERVER.log().splitlines() if "operation=DetectAnomalies" in line and line.endswith(" request=" + metadata["RequestId"]))
        logged = {name: float(ms) for name, ms in re.findall(r" (\w+)_ms=([\d.]+)", line)}
        for stage in told.keys() - {"total"}:
            self.assertAlmostEqual(logged[stage], told[stage], delta=0.006, msg=line)
        self.assertAlmostEqual(logged["body"] + logged["wait"] + logged["verify"] + logged["work"], told["total"], delta=0.03)

    def poll(self, describe, allowed, limit=120):
        """Polls until the last of these statuses is reached. Every status on the way must be one of these."""
        deadline = time.monotonic() + limit
        while True:
            description = describe()
            status = description["Status"]
            self.assertIn(status, allowed, description["StatusMessage"])
            if status == allowed[-1]:
                return description
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)


class DocumentationSamples(Flow):
    def test_train_host_infer_update_export_delete(self):
        api, s3, project = self.api, self.s3, "samples"
        upload_lines(s3, FOLDER, project, LINES[:40], "train.manifest")  # 30 normal, 10 anomaly: a single dataset
        self.assertIn("ProjectArn", api.create_project(ProjectName=project)["ProjectMetadata"])
        made = self.dataset(project, "train", project, "train.manifest")
        print_only = (made["Status"], made["StatusMessage"], made["DatasetType"])
        self.assertTrue(all(print_only))
        described = lambda: api.describe_dataset(ProjectName=project, DatasetType="train")["DatasetDescription"]  # noqa: E731
        while True:  # The Java sample reads the counts and times inside its loop.
            d = described()
            self.assertEqual(set(d["ImageStats"]), {"Total", "Labeled", "Normal", "Anomaly"})
            self.assertTrue(d["CreationTimestamp"] and d["LastUpdatedTimestamp"])
            if d["Status"] != "CREATE_IN_PROGRESS":
                break
            time.sleep(0.1)
        self.assertEqual(d["Status"], "CREATE_COMPLETE", d["StatusMessage"])
        self.assertEqual(d["ImageStats"], {"Total": 40, "Labeled": 40, "Normal": 30, "Anomaly": 10})

        # An update sends the text of a file. From the next call on, each status must be one of an update.
        extra = upload_lines(s3, FOLDER, project, LINES[40:], "more.manifest")
        relabelled = {**extra[0], "anomaly-label-metadata": {**extra[0]["anomaly-label-metadata"], "class-name": "unsure"}}
        changes = "\n".join(json.dumps(line) for line in extra[1:] + [relabelled])
        answer = api.update_dataset_entries(ProjectName=project, DatasetType="train", Changes=changes)
        self.assertEqual(answer["Status"], "UPDATE_IN_PROGRESS")
        done = self.poll(described, ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"])
        self.assertEqual(done["ImageStats"], {"Total": 55, "Labeled": 54, "Normal": 30, "Anomaly": 24})
        # An update is applied whole or not at all: if one line is at fault, the dataset stays as before.
        wrong = json.dumps({**extra[1], "source-ref": f"s3://{project}/images/none.png"})
        api.update_dataset_entries(ProjectName=project, DatasetType="train", Changes=json.dumps(extra[0]) + "\n" + wrong)
        failed = self.poll(described, ["UPDATE_IN_PROGRESS", "UPDATE_FAILED_ROLLBACK_IN_PROGRESS", "UPDATE_FAILED_ROLLBACK_COMPLETE"])
        self.assertIn("Line 2", failed["StatusMessage"])
        self.assertEqual(failed["ImageStats"], done["ImageStats"])
        # Whole lines are replaced: a line without a mask removes the mask.
        bare = {k: v for k, v in extra[0].items() if not k.startswith("anomaly-mask")}
        api.update_dataset_entries(ProjectName=project, DatasetType="train", Changes=json.dumps(bare).encode())
        self.poll(described, ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"])

        # An export reads the usable datasets of the project in pages of 100 lines, each of which is JSON by itself.
        usable = [d for d in api.describe_project(ProjectName=project)["ProjectDescription"]["Datasets"] if d["Status"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")]
        self.assertEqual([d["DatasetType"] for d in usable], ["train"])
        pages = api.get_paginator("list_dataset_entries").paginate(ProjectName=project, DatasetType="train", PaginationConfig={"PageSize": 100})
        entries = [json.loads(line) for page in pages for line in page["DatasetEntries"]]
        self.assertEqual(len(entries), 55)
        self.assertEqual(entries[40]["source-ref"], extra[1]["source-ref"])  # New lines follow in the order of the changes.
        self.assertNotIn("anomaly-mask-ref", entries[54])
        for entry in entries[:3] + entries[-2:]:
            bucket, key = entry["source-ref"].replace("s3://", "").split("/", 1)
            s3.head_object(Bucket=bucket, Key=key)
        with self.assertRaises(api.exceptions.ResourceNotFoundException):
            api.describe_dataset(ProjectName=project, DatasetType="test")
        with self.assertRaises(ClientError) as caught:
            s3.head_object(Bucket=project, Key="none")
        self.assertEqual(caught.exception.response["Error"]["Code"], "404")

        # The Java sample passes every filter.
        def listed(**filters):
            return [json.loads(e)["source-ref"].rsplit("/", 1)[1] for e in api.list_dataset_entries(ProjectName=project, DatasetType="train", MaxResults=100, **filters)["DatasetEntries"]]
        self.assertEqual(listed(Labeled=True, AnomalyClass="anomaly", SourceRefContains="bad03", BeforeCreationDate="2022-03-08T00:00:00Z", AfterCreationDate="2022-03-04T00:00:00Z"),
                         ["bad031.png", "bad032.png", "bad033.png", "bad034.png"])
        self.assertEqual(listed(Labeled=False), [])
        self.assertEqual(len(listed(AnomalyClass="normal")), 30)

        # Train, host, infer, stop.
        made = api.create_model(ProjectName=project, OutputConfig={"S3Location": {"Bucket": project, "Prefix": "models"}}, Tags=[], Description="samples")["ModelMetadata"]
        self.assertEqual((made["Status"], made["ModelVersion"]), ("TRAINING", "1"))
        trained = self.poll(lambda: self.model(project), ["TRAINING", "TRAINED"])
        self.assertEqual(trained["EvaluationResult"]["Key"], f"modelsEvaluationResult-{project}-1.json")  # The name follows the prefix without anything between.
        self.assertGreater(trained["EvaluationEndTimestamp"] - trained["CreationTimestamp"], trained["CreationTimestamp"] - trained["CreationTimestamp"])
        self.assertEqual(set(trained["Performance"]), {"F1Score", "Recall", "Precision"})
        api.start_model(ProjectName=project, ModelVersion="1", MinInferenceUnits=1)
        self.assertIn(self.model(project)["Status"], ("STARTING_HOSTING", "HOSTED"))
        self.poll(lambda: self.model(project), ["STARTING_HOSTING", "HOSTED"])
        answer = api.detect_anomalies(ProjectName=project, ModelVersion="latest", ContentType="image/png", Body=picture())
        self.check_stages(answer["ResponseMetadata"])
        result = answer["DetectAnomalyResult"]
        self.assertFalse(result["IsAnomalous"])
        self.assertEqual(result["Anomalies"][0]["Name"], "background")
        # The samples find the model wherever it runs, and by its tag.
        running = [m["ModelArn"] for p in api.list_projects()["Projects"] for m in api.list_models(ProjectName=p["ProjectName"])["Models"] if m["Status"] == "HOSTED"]
        self.assertEqual(running, [trained["ModelArn"]])
        api.tag_resource(ResourceArn=trained["ModelArn"], Tags=[{"Key": "stage", "Value": "production"}, {"Key": "line", "Value": "7 / east"}])
        api.untag_resource(ResourceArn=trained["ModelArn"], TagKeys=["line", "b c"])
        self.assertEqual(api.list_tags_for_resource(ResourceArn=trained["ModelArn"])["Tags"], [{"Key": "stage", "Value": "production"}])
        api.stop_model(ProjectName=project, ModelVersion="1")
        self.assertNotEqual(self.model(project)["Status"], "HOSTED")
        self.poll(lambda: self.model(project), ["STOPPING_HOSTING", "TRAINED"])

        # To delete, the samples only wait until the model is gone.
        api.delete_model(ProjectName=project, ModelVersion="1")
        while api.list_models(ProjectName=project)["Models"]:
            time.sleep(0.1)
        api.delete_dataset(ProjectName=project, DatasetType="train")
        self.assertIn("ProjectArn", api.delete_project(ProjectName=project))
        s3.head_object(**trained["EvaluationManifest"])


class LabNotebook(Flow):
    def test_everything_at_once_and_only_the_status_watched(self):
        api, s3, project = self.api, self.s3, "lab"
        upload_lines(s3, FOLDER, project, [], "none")
        for kind, lines in (("train", LINES[:20]), ("test", LINES[20:50])):  # 20 normal; 10 normal and 20 anomaly
            written = []
            for line in upload_lines(s3, FOLDER, project, lines, "unused"):
                is_normal = line["anomaly-label"] == 0
                # The notebook's manifests have another label name and inverted numbers.
                written.append(json.dumps({"source-ref": line["source-ref"], "auto-label": int(is_normal), "auto-label-metadata": {
                    "confidence": 1, "job-name": "labeling-job/auto-label", "class-name": "normal" if is_normal else "anomaly", "human-annotated": "yes",
                    "creation-date": "2021-01-01T00:00:00", "type": "groundtruth/image-classification"}}))
            s3.put_object(Bucket=project, Key=f"{project}/{kind}.manifest", Body="\n".join(written).encode())
        api.create_project(ProjectName=project)
        for kind in ("train", "test"):
            made = self.dataset(project, kind, project, f"{project}/{kind}.manifest")
            self.assertTrue(made["Status"] and made["StatusMessage"])
        made = api.create_model(ProjectName=project, OutputConfig={"S3Location": {"Bucket": project, "Prefix": project + "/"}})["ModelMetadata"]
        self.assertTrue(made["Status"] and made["StatusMessage"])
        while self.model(project)["Status"] != "TRAINED":  # The notebook leaves its loop in no other way.
            self.assertNotEqual(self.model(project)["Status"], "TRAINING_FAILED", self.model(project)["StatusMessage"])
            time.sleep(0.2)
        api.start_model(ProjectName=project, ModelVersion="1", MinInferenceUnits=1)
        while self.model(project)["Status"] != "HOSTED":
            time.sleep(0.1)
        answers = [api.detect_anomalies(ProjectName=project, ModelVersion="1", ContentType="image/png", Body=picture(n))["DetectAnomalyResult"] for n in (0, 45)]
        self.assertEqual([a["IsAnomalous"] for a in answers], [False, True])
        # The answer of a classification model has neither member, so that the result can be written as JSON.
        self.assertEqual(set(answers[0]), {"Source", "IsAnomalous", "Confidence"})
        json.dumps(answers[0])
        api.stop_model(ProjectName=project, ModelVersion="1")


class AwslabsHelper(Flow):
    def name_of_error(self, call, **members):
        """The helper looks for the exception's name in its text."""
        with self.assertRaises(ClientError) as caught:
            call(**members)
        return str(caught.exception)

    def fit(self, project):
        api = self.api
        stats = api.describe_dataset(ProjectName=project, DatasetType="train")["DatasetDescription"]["ImageStats"]
        self.assertGreaterEqual(stats["Normal"], 20)
        self.assertIn("ResourceNotFoundException", self.name_of_error(api.describe_dataset, ProjectName=project, DatasetType="test"))
        api.create_model(ProjectName=project, OutputConfig={"S3Location": {"Bucket": "helper", "Prefix": "k_fold_"}})
        return self.poll(lambda: self.model(project), ["TRAINING", "TRAINED"])

    def test_projects_datasets_k_fold_and_deletion(self):
        api, s3 = self.api, self.s3
        self.assertIn("ResourceNotFoundException", self.name_of_error(api.describe_project, ProjectName="helper"))
        api.create_project(ProjectName="helper")
        self.assertIn("ConflictException", self.name_of_error(api.create_project, ProjectName="helper"))
        upload_lines(s3, FOLDER, "helper", PLAIN[:40], "training.manifest")
        # The helper's manifests also name the folder markers of the bucket.
        body = s3.get_object(Bucket="helper", Key="training.manifest")["Body"].read().decode()
        marker = json.dumps({"source-ref": "s3://helper/images/", "auto-label": 1, "auto-label-metadata": {"class-name": "normal", "type": "groundtruth/image-classification"}})
        s3.put_object(Bucket="helper", Key="training.manifest", Body=(marker + "\n" + body).encode())
        describe = lambda: api.describe_dataset(ProjectName="helper", DatasetType="train")["DatasetDescription"]  # noqa: E731
        self.dataset("helper", "train", "helper", "training.manifest")
        self.poll(describe, ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"])
        self.assertIn("ConflictException", self.name_of_error(self.dataset, project="helper", kind="train", bucket="helper", key="training.manifest"))
        for _ in range(3):  # update_datasets deletes the dataset and makes it again at once.
            self.poll(describe, ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"])
            for d in api.describe_project(ProjectName="helper")["ProjectDescription"]["Datasets"]:
                api.delete_dataset(ProjectName="helper", DatasetType=d["DatasetType"])
            self.dataset("helper", "train", "helper", "training.manifest")
        self.assertEqual(self.poll(describe, ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"])["ImageStats"]["Total"], 40)
        self.fit("helper")
        flat = api.list_models(ProjectName="helper")["Models"][0]
        self.assertEqual(set(flat["Performance"]), {"F1Score", "Recall", "Precision"})

        # In k-fold runs the result outlives model and project, and a project that is made anew begins at version 1 again.
        for fold in range(2):
            api.create_project(ProjectName="helper_0")
            self.dataset("helper_0", "train", "helper", "training.manifest")
            self.poll(lambda: api.describe_dataset(ProjectName="helper_0", DatasetType="train")["DatasetDescription"], ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"])
            self.assertEqual(self.fit("helper_0")["ModelVersion"], "1")
            self.delete("helper_0")
            result = json.loads(s3.get_object(Bucket="helper", Key="k_fold_EvaluationResult-helper_0-1.json")["Body"].read())
            metrics = result["AggregatedEvaluationResults"]["Metrics"]
            self.assertEqual(list(metrics)[:5], ["ROCAUC", "AveragePrecision", "Precision", "Recall", "F1Score"])

        # The helper does not delete an empty dataset, which then stands in the way.
        api.create_project(ProjectName="helper_1")
        api.create_dataset(ProjectName="helper_1", DatasetType="train")
        self.assertEqual(api.list_dataset_entries(ProjectName="helper_1", DatasetType="train")["DatasetEntries"], [])
        self.assertIn("ConflictException", self.name_of_error(api.delete_project, ProjectName="helper_1"))

    def delete(self, project):
        api = self.api
        for kind in ("train", "test"):
            try:
                if api.list_dataset_entries(ProjectName=project, DatasetType=kind)["DatasetEntries"]:
                    api.delete_dataset(ProjectName=project, DatasetType=kind)
            except ClientError as error:
                self.assertIn("ResourceNotFoundException", str(error))
        if api.list_models(ProjectName=project)["Models"]:
            api.delete_model(ProjectName=project, ModelVersion="1")
        while api.list_models(ProjectName=project)["Models"]:
            time.sleep(0.1)
        api.delete_project(ProjectName=project)


class SampleApplications(Flow):
    def test_batch_every_hour_with_one_token_and_a_table_of_decimals(self):
        api, s3, project = self.api, self.s3, "batch"
        upload_lines(s3, FOLDER, project, PLAIN[:40], "train.manifest")
        api.create_project(ProjectName=project, ClientToken="RunOnce")
        self.assertEqual(api.create_project(ProjectName=project, ClientToken="RunOnce")["ProjectMetadata"]["ProjectName"], project)
        self.dataset(project, "train", project, "train.manifest")
        output = {"S3Location": {"Bucket": project, "Prefix": ""}}
        first = api.create_model(ProjectName=project, OutputConfig=output, ClientToken="RunOnce")
        self.assertEqual(api.create_model(ProjectName=project, OutputConfig=output, ClientToken="RunOnce")["ModelMetadata"]["ModelVersion"], first["ModelMetadata"]["ModelVersion"])
        with self.assertRaises(api.exceptions.ConflictException):
            api.create_model(ProjectName=project, OutputConfig={"S3Location": {"Bucket": project, "Prefix": "other"}}, ClientToken="RunOnce")
        trained = self.poll(lambda: self.model(project), ["TRAINING", "TRAINED"])
        self.assertEqual(trained["OutputConfig"]["S3Location"], {"Bucket": project, "Prefix": ""})
        s3.put_object(Bucket=project, Key="in/part 1.png", Body=picture(45), ContentType="image/png", Metadata={"station": "7"}, ServerSideEncryption="AES256")
        for hour in range(3):
            for _ in range(2):  # A repeated call while the model starts counts as the same call.
                self.assertEqual(api.start_model(ProjectName=project, ModelVersion="1", MinInferenceUnits=1, ClientToken="RunOnce")["Status"], "STARTING_HOSTING")
            self.poll(lambda: self.model(project), ["STARTING_HOSTING", "HOSTED"])
            stored = s3.get_object(Bucket=project, Key="in/part 1.png")
            self.assertEqual(stored["Metadata"], {"station": "7"})
            result = api.detect_anomalies(ProjectName=project, ModelVersion="1", ContentType=stored["ContentType"], Body=stored["Body"].read())["DetectAnomalyResult"]
            # DynamoDB takes decimals of 38 digits: only a double that is exact as a 32-bit float fits.
            self.assertLessEqual(len(Decimal(result["Confidence"]).as_tuple().digits), 38)
            self.assertTrue(result["IsAnomalous"])
            api.stop_model(ProjectName=project, ModelVersion="1", ClientToken="RunOnce")
            self.poll(lambda: self.model(project), ["STOPPING_HOSTING", "TRAINED"])
        # The program's error path stops the model while it starts.
        api.start_model(ProjectName=project, ModelVersion="1", MinInferenceUnits=1)
        api.stop_model(ProjectName=project, ModelVersion="1")
        self.poll(lambda: self.model(project), ["STOPPING_HOSTING", "TRAINED"])


if __name__ == "__main__":
    unittest.main()
