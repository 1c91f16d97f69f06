"""Tests RebaseModel as the owner of a hosted model uses it: the camera was shifted, the model calls good parts anomalous, and ten good pictures make a version
that does not."""
import io
import json
import os
import shutil
import tempfile
import unittest

from PIL import Image, ImageDraw
from botocore.exceptions import ClientError

from harness import Server, run, upload_lines, wait_while, write_tiny_set

GOOD, BAD = 30, 15


def from_shifted_camera(data):
    """Returns a picture as a camera takes it that was shifted a little: on one side it sees the dark edge of the belt."""
    picture = Image.open(io.BytesIO(data))
    ImageDraw.Draw(picture).rectangle((0, 0, 9, 95), fill=(40, 40, 40))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


class Rebasing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.destroy)
        cls.folder = tempfile.mkdtemp(prefix="vedette-rebasing-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.connect()
        lines = write_tiny_set(cls.folder, normal=GOOD, anomaly=BAD)
        upload_lines(cls.s3, cls.folder, "parts", lines, "train.manifest")
        cls.api.create_project(ProjectName="p")
        cls.api.create_dataset(ProjectName="p", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "parts", "Key": "train.manifest"}}})
        cls.api.create_model(ProjectName="p", OutputConfig={"S3Location": {"Bucket": "parts", "Prefix": "out/"}}, KmsKeyId="alias/key")
        cls.trained = cls.wait("1")
        if cls.trained["Status"] != "TRAINED":
            raise RuntimeError(cls.trained["StatusMessage"])
        # Pictures of the next batch, of which no training has seen any. The first ten move the model.
        fresh = write_tiny_set(os.path.join(cls.folder, "fresh"), normal=20, anomaly=10, seed=2)
        cls.good, cls.bad = [], []
        for line in fresh:
            with open(os.path.join(cls.folder, "fresh", line["source-ref"]), "rb") as file:
                (cls.bad if line["anomaly-label"] else cls.good).append(from_shifted_camera(file.read()))
        for i, picture in enumerate(cls.good[:10]):
            cls.s3.put_object(Bucket="parts", Key=f"new batch/{i}.png", Body=picture)

    @classmethod
    def connect(cls):
        """Makes clients for the server, which has another address after each start."""
        cls.api, cls.s3 = cls.server.client("lookoutvision"), cls.server.client("s3")
        cls.vedette = cls.server.client("vedette")

    @classmethod
    def describe(cls, version):
        return cls.api.describe_model(ProjectName="p", ModelVersion=version)["ModelDescription"]

    @classmethod
    def wait(cls, version, busy="TRAINING"):
        return wait_while(lambda: cls.describe(version), [busy], 0.05)

    def rebase(self, version="1", **more):
        return self.vedette.rebase_model(ProjectName="p", ModelVersion=version, **{"Images": {"Bucket": "parts", "Prefix": "new batch/"}, **more})["ModelMetadata"]

    def host(self, version):
        self.api.start_model(ProjectName="p", ModelVersion=version, MinInferenceUnits=1)
        self.assertEqual(self.wait(version, "STARTING_HOSTING")["Status"], "HOSTED")

    def count_anomalous(self, version, pictures):
        return sum(self.api.detect_anomalies(ProjectName="p", ModelVersion=version, ContentType="image/png", Body=body)["DetectAnomalyResult"]["IsAnomalous"] for body in pictures)

    def stream(self, version):
        return self.vedette.describe_model_evaluation(ProjectName="p", ModelVersion=version)["ModelEvaluation"]["Stream"]

    def seen(self, metric, version):
        """Returns of how many pictures the metric knows a value, their mean, and the unit."""
        answer = self.vedette.get_metric_statistics(MetricName=metric, ProjectName="p", ModelVersion=version, StartTime="2022-01-01", EndTime="2052-01-01", Period=31536000)
        points = answer["Datapoints"]
        images = sum(point["SampleCount"] for point in points)
        return images, sum(point["Sum"] for point in points) / max(1, images), answer["Unit"]

    def refused(self, code, **members):
        with self.assertRaises(ClientError) as caught:
            self.rebase(**members)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return caught.exception.response["Error"]["Message"]

    def test_1_a_hosted_model_is_moved_and_the_new_version_is_a_model_like_any_other(self):
        self.host("1")
        anomalous = self.count_anomalous("1", self.good[10:])
        self.assertGreater(anomalous, 5)
        # The server notices that the pictures no longer look like those of the training.
        self.assertEqual(self.stream("1"), {"State": "TOO_FEW_IMAGES", "ImageCount": 10, "Differences": []})
        anomalous += self.count_anomalous("1", self.good[:10])
        stream = self.stream("1")
        self.assertEqual((stream["State"], stream["ImageCount"]), ("UNLIKE_TRAINING", 20))
        self.assertIn("odder as a whole", stream["Differences"])
        # The history of what they look like tells the same, beside what the good pictures of the training looked like.
        looks = {s["MetricName"]: s for s in self.vedette.describe_model_evaluation(ProjectName="p", ModelVersion="1")["ModelEvaluation"]["TrainingLooks"]["Statistics"]}
        seen = {name: self.seen(name, "1") for name in looks}
        self.assertEqual(set(looks), {"AnomalyScore", "Level", "Brightness", "Sharpness"})
        for name, (images, mean, unit) in seen.items():
            self.assertEqual((images, unit), (20 - anomalous if name == "AnomalyScore" else 20, "None"), name)
            self.assertLess(looks[name]["Low"], looks[name]["Median"], name)
            self.assertLess(looks[name]["Median"], looks[name]["High"], name)
        self.assertGreater(seen["Level"][1], looks["Level"]["High"])
        self.s3.put_object(Bucket="parts", Key="new batch/notes.txt", Body=b"taken at noon")
        made = self.rebase("1", Description="shifted-camera", Tags=[{"Key": "camera", "Value": "shifted"}], ClientToken="once")
        self.assertEqual((made["ModelVersion"], made["Status"], made["Description"]), ("2", "TRAINING", "shifted-camera"))
        self.server.kill()  # What was acknowledged survives a kill.
        self.server.start()
        self.connect()
        self.assertEqual({name: self.seen(name, "1") for name in looks}, seen)
        moved = self.wait("2")
        self.assertEqual(moved["Status"], "TRAINED", moved["StatusMessage"])
        self.assertIn("Version 1 was moved with 10 good images.", moved["StatusMessage"])
        self.assertIn("1 images could not be used: s3://parts/new batch/notes.txt", moved["StatusMessage"])
        self.assertRegex(moved["StatusMessage"], r"Note: Before, the model called \d+ of these 10 good pictures anomalous\.")
        # Good pictures tell nothing about the detection of defects.
        self.assertNotIn("Performance", moved)
        self.assertEqual((moved["OutputConfig"], moved["KmsKeyId"]), (self.trained["OutputConfig"], "alias/key"))
        result = json.loads(self.s3.get_object(**moved["EvaluationResult"])["Body"].read())
        self.assertEqual(result["EvaluationDetails"]["NumberOfTrainingImages"], 10)
        self.assertEqual(len(self.s3.get_object(**moved["EvaluationManifest"])["Body"].read().splitlines()), 10)
        self.assertEqual(self.api.list_tags_for_resource(ResourceArn=moved["ModelArn"])["Tags"], [{"Key": "camera", "Value": "shifted"}])
        self.assertEqual([m["ModelVersion"] for m in self.api.list_models(ProjectName="p")["Models"]], ["1", "2"])
        # A call that comes again finds what the first one made.
        self.s3.delete_object(Bucket="parts", Key="new batch/notes.txt")
        self.assertEqual(self.rebase("1", Description="shifted-camera", Tags=[{"Key": "camera", "Value": "shifted"}],
                                     ClientToken="once")["ModelVersion"], "2")
        # The whole evaluation and the progress are told as after a training.
        answer = self.vedette.describe_model_evaluation(ProjectName="p", ModelVersion="2")
        self.assertEqual((answer["ModelEvaluation"]["EvaluatedOn"], answer["ModelEvaluation"]["SkippedCount"], len(answer["Pictures"])), ("OUT_OF_FOLD", 1, 11))
        self.assertNotIn("Recall", answer["ModelEvaluation"]["Metrics"])
        self.assertNotIn("Stream", answer["ModelEvaluation"])  # Nothing streams through a model that is not in service.
        self.assertEqual({p["Label"] for p in answer["Pictures"] if "Label" in p}, {"normal"})
        self.assertEqual(self.vedette.get_training_progress(ProjectName="p", ModelVersion="2")["TrainingProgress"]["FractionDone"], 1)

        # The old version stays as it is, in service beside the new one.
        self.assertEqual(self.describe("1"), {**self.trained, "Status": "HOSTED", "StatusMessage": self.describe("1")["StatusMessage"], "MinInferenceUnits": 1})
        self.host("2")
        self.assertLessEqual(self.count_anomalous("2", self.good[10:]), 3)
        self.assertGreaterEqual(self.count_anomalous("2", self.bad), 7)

        # The new version does not need the old one. It can itself be moved, packaged, backed up and deleted.
        self.api.stop_model(ProjectName="p", ModelVersion="1")
        self.assertEqual(self.wait("1", "STOPPING_HOSTING")["Status"], "TRAINED")
        again = self.rebase("2", Images={"Bucket": "parts", "Keys": [f"new batch/{i}.png" for i in range(6)]})
        failed = self.wait(again["ModelVersion"])
        self.assertEqual(failed["Status"], "TRAINING_FAILED")
        self.assertIn("has learned from 6 others already", failed["StatusMessage"])
        for i, picture in enumerate(self.good[10:16]):
            self.s3.put_object(Bucket="parts", Key=f"next batch/{i}.png", Body=picture)
        once_more = self.rebase("2", Images={"Bucket": "parts", "Prefix": "next batch/"})
        self.assertEqual(self.wait(once_more["ModelVersion"])["Status"], "TRAINED")
        for model in (again, once_more):
            self.api.delete_model(ProjectName="p", ModelVersion=model["ModelVersion"])
        target = {"S3OutputLocation": {"Bucket": "parts", "Prefix": "out/"}, "TargetDevice": "jetson_xavier", "ComponentName": "moved"}
        self.api.start_model_packaging_job(ProjectName="p", ModelVersion="2", JobName="moved", Configuration={"Greengrass": target})
        job = wait_while(lambda: self.api.describe_model_packaging_job(ProjectName="p", JobName="moved")["ModelPackagingDescription"], ["CREATED", "RUNNING"], 0.05)
        self.assertEqual(job["Status"], "SUCCEEDED", job["StatusMessage"])
        copy = os.path.join(self.folder, "copy")
        run("backup", "--data", self.server.data, "--out", copy)
        restored = Server(copy)
        self.addCleanup(restored.destroy)
        told = restored.client("lookoutvision").detect_anomalies(ProjectName="p", ModelVersion="2", ContentType="image/png", Body=self.good[-1])["DetectAnomalyResult"]
        self.assertEqual(told["Confidence"], self.api.detect_anomalies(ProjectName="p", ModelVersion="2", ContentType="image/png", Body=self.good[-1])["DetectAnomalyResult"]["Confidence"])

        events = []
        for name in sorted(os.listdir(os.path.join(self.server.data, "audit"))):
            with open(os.path.join(self.server.data, "audit", name), encoding="utf-8") as file:
                events += [event for event in map(json.loads, file) if event["eventName"] == "RebaseModel"]
        self.assertEqual(events[0]["requestParameters"]["images"], {"bucket": "parts", "prefix": "new batch/"})
        self.assertEqual(events[0]["responseElements"]["modelMetadata"]["modelVersion"], "2")

    def test_2_what_cannot_be_moved_is_refused_with_the_reason(self):
        named = {"Bucket": "parts", "Keys": [f"new batch/{i}.png" for i in range(4)]}
        self.assertIn("5 to 60 good images, but Images names 4", self.refused("ValidationException", Images=named))
        self.assertIn("s3://parts/new batch/none.png does not exist", self.refused("ValidationException", Images={"Bucket": "parts", "Keys": [*named["Keys"], "new batch/none.png"]}))
        self.assertIn("not both", self.refused("ValidationException", Images={**named, "Prefix": "new batch/"}))
        self.assertIn("no-such-bucket does not exist", self.refused("ValidationException", Images={"Bucket": "no-such-bucket"}))
        self.refused("ResourceNotFoundException", version="77")
        self.assertIn("s3:GetBucketLocation on resource: arn:aws:s3:::.vedette", self.refused("AccessDeniedException", Images={"Bucket": ".vedette"}))

        # What only the pictures themselves tell makes the new version fail.
        for i, picture in enumerate(self.good[:6]):
            data = io.BytesIO()
            Image.open(io.BytesIO(picture)).resize((128, 96) if i == 3 else (96, 96)).save(data, "PNG")
            self.s3.put_object(Bucket="parts", Key=f"mixed/{i}.png", Body=data.getvalue())
        failed = self.wait(self.rebase(Images={"Bucket": "parts", "Prefix": "mixed/"})["ModelVersion"])
        self.assertEqual(failed["Status"], "TRAINING_FAILED")
        self.assertIn("s3://parts/mixed/3.png: the image has 128x96 pixels", failed["StatusMessage"])
        self.assertIn("The model judges pictures of 96x96 pixels.", failed["StatusMessage"])
        self.assertIn("TRAINING_FAILED; only a trained model can be moved", self.refused("ConflictException", version=failed["ModelVersion"]))
        for i in range(6):
            self.s3.put_object(Bucket="parts", Key=f"copies/{i}.png", Body=self.good[i % 3])
        failed = self.wait(self.rebase(Images={"Bucket": "parts", "Prefix": "copies/"})["ModelVersion"])
        self.assertEqual(failed["Status"], "TRAINING_FAILED")
        self.assertIn("At least 5 different good pictures are needed, but only 3 can be used.", failed["StatusMessage"])


if __name__ == "__main__":
    unittest.main()
