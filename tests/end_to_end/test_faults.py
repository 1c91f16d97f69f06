"""Tests kills at bad moments, and datasets on which no model must be trained."""
import io
import json
import os
import subprocess
import time
import unittest

from PIL import Image

from harness import SERVER_SAMPLE, SMALL_SAMPLE, VEDETTE, Server, labelled_pictures, sample_set, upload_set, wait_while

SAMPLE = None


def setUpModule():
    global SAMPLE
    SAMPLE = sample_set(*SMALL_SAMPLE, shrink=4)


class Kills(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.destroy)

    def describe(self):
        return self.server.client("lookoutvision").describe_model(ProjectName="p", ModelVersion="1")["ModelDescription"]

    def test_a_model_survives_kills_while_training_and_while_hosting(self):
        api, s3 = self.server.client("lookoutvision"), self.server.client("s3")
        upload_set(s3, sample_set(*SERVER_SAMPLE, shrink=4), "parts", ["train.manifest", "test.manifest"])
        api.create_project(ProjectName="p")
        for kind in ("train", "test"):
            api.create_dataset(ProjectName="p", DatasetType=kind, DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "parts", "Key": f"manifests/{kind}.manifest"}}})
        api.create_model(ProjectName="p", OutputConfig={"S3Location": {"Bucket": "parts", "Prefix": ""}})
        deadline = time.monotonic() + 60
        while "being trained" not in self.describe()["StatusMessage"]:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        trainer = subprocess.run(["pgrep", "-P", str(self.server.process.pid)], capture_output=True, text=True).stdout.split()
        self.assertTrue(trainer)
        self.server.kill()
        time.sleep(0.5)
        for pid in trainer:
            self.assertFalse(os.path.exists(f"/proc/{pid}/exe"), "the trainer outlives its server")
        self.server.start()
        self.assertIn(self.describe()["Status"], ("TRAINING", "TRAINED"))
        trained = wait_while(self.describe, ["TRAINING"])
        self.assertEqual(trained["Status"], "TRAINED", trained["StatusMessage"])

        self.server.client("lookoutvision").start_model(ProjectName="p", ModelVersion="1", MinInferenceUnits=1)
        self.server.kill()  # The server is killed as soon as the start was acknowledged.
        self.server.start()
        self.assertEqual(wait_while(self.describe, ["STARTING_HOSTING"])["Status"], "HOSTED")
        self.server.kill()
        self.server.start()
        path, _ = next(labelled_pictures(SAMPLE, "test.manifest"))
        with open(path, "rb") as file:
            answer = self.server.client("lookoutvision").detect_anomalies(ProjectName="p", ModelVersion="1", ContentType="image/jpeg", Body=file.read())
        self.assertIn("IsAnomalous", answer["DetectAnomalyResult"])
        self.assertEqual(self.describe()["Status"], "HOSTED")

        # The server that starts next carries out a packaging job that was acknowledged.
        greengrass = {"S3OutputLocation": {"Bucket": "parts", "Prefix": "out/"}, "TargetDevice": "jetson_xavier"}
        for n, delay in enumerate((0, 0.05, 0.2)):
            name = f"kill-{n}"
            self.server.client("lookoutvision").start_model_packaging_job(ProjectName="p", ModelVersion="1", JobName=name, Configuration={"Greengrass": {**greengrass, "ComponentName": name}})
            time.sleep(delay)
            self.server.kill()
            self.server.start()
            job = wait_while(lambda: self.server.client("lookoutvision").describe_model_packaging_job(ProjectName="p", JobName=name)["ModelPackagingDescription"],  # noqa: B023
                             ["CREATED", "RUNNING"])
            self.assertEqual(job["Status"], "SUCCEEDED", job["StatusMessage"])
            self.server.client("s3").head_object(Bucket="parts", Key=f"out/{name}/1.0.0/{name}-1.0.0-greengrass_model_component.zip")

    def test_an_update_that_was_acknowledged_is_applied_whole_whenever_the_kill_comes(self):
        api, s3 = self.server.client("lookoutvision"), self.server.client("s3")
        s3.create_bucket(Bucket="many")
        for i in range(300):
            s3.put_object(Bucket="many", Key=f"{i}.png", Body=b"x")
        def lines(label):
            return "\n".join(json.dumps({"source-ref": f"s3://many/{i}.png", "l": 0, "l-metadata": {"class-name": label, "type": "groundtruth/image-classification", "x": "y" * 2000}})
                             for i in range(300))
        api.create_project(ProjectName="u")
        api.create_dataset(ProjectName="u", DatasetType="train")
        for turn, delay in enumerate((0, 0.003, 0.01, 0.02, 0.04, 0.08)):
            label = ("normal", "anomaly")[turn % 2]
            self.server.client("lookoutvision").update_dataset_entries(ProjectName="u", DatasetType="train", Changes=lines(label))
            time.sleep(delay)
            self.server.kill()
            self.server.start()
            api = self.server.client("lookoutvision")
            done = wait_while(lambda: api.describe_dataset(ProjectName="u", DatasetType="train")["DatasetDescription"], ["UPDATE_IN_PROGRESS"], 0.02)  # noqa: B023
            self.assertEqual(done["Status"], "UPDATE_COMPLETE", done["StatusMessage"])
            self.assertEqual(done["ImageStats"], {"Total": 300, "Labeled": 300, "Normal": 300 * (label == "normal"), "Anomaly": 300 * (label == "anomaly")})

    def test_acknowledged_objects_survive_a_kill_and_a_second_server_is_refused(self):
        s3 = self.server.client("s3")
        s3.create_bucket(Bucket="kept")
        for i in range(50):
            s3.put_object(Bucket="kept", Key=str(i), Body=b"x" * i)
        second = subprocess.run([VEDETTE, "serve", "--data", self.server.data, "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn("another vedette serve", second.stderr)
        self.server.kill()
        self.server.start()
        s3 = self.server.client("s3")
        for i in range(50):
            self.assertEqual(s3.get_object(Bucket="kept", Key=str(i))["Body"].read(), b"x" * i)


class Untrainable(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.api, cls.s3 = cls.server.client("lookoutvision"), cls.server.client("s3")

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()

    def train(self, name, spoil):
        """Returns the model description after a training on the sample set, to which `spoil(entries, put)` was applied before."""
        bucket = "bad-" + name
        upload_set(self.s3, SAMPLE, bucket, ["train.manifest"])
        body = self.s3.get_object(Bucket=bucket, Key="manifests/train.manifest")["Body"].read().decode()
        entries = [json.loads(line) for line in body.splitlines()]
        spoil(entries, lambda uri, data: self.s3.put_object(Bucket=bucket, Key=uri.split("/", 3)[3], Body=data))
        self.s3.put_object(Bucket=bucket, Key="m", Body="\n".join(map(json.dumps, entries)).encode())
        self.api.create_project(ProjectName=name)
        self.api.create_dataset(ProjectName=name, DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": bucket, "Key": "m"}}})
        self.api.create_model(ProjectName=name, OutputConfig={"S3Location": {"Bucket": bucket}})
        return wait_while(lambda: self.api.describe_model(ProjectName=name, ModelVersion="1")["ModelDescription"], ["TRAINING"])

    def png(self, size, color=(255, 255, 255)):
        out = io.BytesIO()
        Image.new("RGB", size, color).save(out, "PNG")
        return out.getvalue()

    def expect_failure(self, name, spoil, *reasons):
        model = self.train(name, spoil)
        self.assertEqual(model["Status"], "TRAINING_FAILED")
        for reason in reasons:
            self.assertIn(reason, model["StatusMessage"])

    def test_a_mask_of_another_size_fails_the_training(self):
        self.expect_failure("mask-size", lambda entries, put: put(entries[1]["anomaly-mask-ref"], self.png((100, 100))), "anomaly-1", "100x100")

    def test_a_mask_of_a_foreign_colour_fails_the_training(self):
        self.expect_failure("mask-color", lambda entries, put: put(entries[1]["anomaly-mask-ref"], self.png((160, 120), (1, 2, 3))), "anomaly-1", "#010203")

    def test_a_mask_that_is_no_png_fails_the_training(self):
        self.expect_failure("mask-kind", lambda entries, put: put(entries[1]["anomaly-mask-ref"], b"\xff\xd8\xff\xe0 no"), "anomaly-1", "PNG")

    def test_a_picture_of_another_size_fails_the_training(self):
        self.expect_failure("size", lambda entries, put: put(entries[0]["source-ref"], self.png((320, 240))), "normal-1", "320x240")

    def test_too_few_pictures_fail_the_training(self):
        def spoil(entries, _):
            del entries[30:]
        self.expect_failure("few", spoil, "at least 20 normal", "15")

    def test_single_unreadable_pictures_are_skipped_and_named(self):
        def spoil(entries, put):
            put(entries[1]["source-ref"], b"\xff\xd8\xff truncated")
            for entry in entries:  # The sample set has fewer pictures of each label than a single dataset needs for masks.
                for member in [m for m in entry if m.startswith("anomaly-mask")]:
                    del entry[member]
        model = self.train("skip", spoil)
        self.assertEqual(model["Status"], "TRAINED", model["StatusMessage"])
        self.assertIn("anomaly-1", model["StatusMessage"])
        result = json.loads(self.s3.get_object(**model["EvaluationResult"])["Body"].read())
        self.assertEqual(result["EvaluationDetails"]["NumberOfTrainingImages"], 39)
        self.assertNotIn("PixelAnomalyClassMetrics", result["AggregatedEvaluationResults"]["Metrics"])
        self.api.start_model(ProjectName="skip", ModelVersion="latest", MinInferenceUnits=1)
        wait_while(lambda: self.api.describe_model(ProjectName="skip", ModelVersion="1")["ModelDescription"], ["STARTING_HOSTING"])
        path, _ = next(labelled_pictures(SAMPLE, "test.manifest"))
        with open(path, "rb") as file:
            answer = self.api.detect_anomalies(ProjectName="skip", ModelVersion="latest", ContentType="image/jpeg", Body=file.read())["DetectAnomalyResult"]
        self.assertEqual(sorted(answer), ["Confidence", "IsAnomalous", "Source"])  # A classification model has no mask.


if __name__ == "__main__":
    unittest.main()
