"""Tests the main job as a customer's program does it (upload, import, train, host, detect, stop, delete), on the rendered sample set and,
where it lies beside the checkout, on the original getting-started set; and on pictures as cameras give them, with what the training found
out about them."""
import io
import json
import os
import random
import shutil
import struct
import tempfile
import unittest

import boto3
from PIL import Image

from harness import COOKIES, REGION, Server, run, sample_set, wait_while
from main_job import MainJob

SERVER = MODELS = None


def setUpModule():
    global SERVER, MODELS
    SERVER = Server()
    MODELS = tempfile.mkdtemp(prefix="vedette-models-")
    run("client-model", "install", "--dir", MODELS)


def tearDownModule():
    SERVER.destroy()
    shutil.rmtree(MODELS)


def evaluation_of(project):
    """Returns what DescribeModelEvaluation says, and its pictures from all pages."""
    os.environ["AWS_DATA_PATH"] = MODELS
    client = boto3.Session().client("vedette", endpoint_url=SERVER.url, region_name=REGION, **SERVER.credentials())
    pages = list(client.get_paginator("describe_model_evaluation").paginate(ProjectName=project, ModelVersion="1", PaginationConfig={"PageSize": 9}))
    return pages[0]["ModelEvaluation"], [picture for page in pages for picture in page["Pictures"]]


class OverBoto3(MainJob, unittest.TestCase):
    def setUp(self):
        self.api, self.s3 = SERVER.client("lookoutvision"), SERVER.client("s3")

    def when_trained(self):
        self.evaluations = {project: evaluation_of(project) for project in [p["ProjectName"] for p in self.api.list_projects()["Projects"]]}

    def test_rendered_sample(self):
        right, metrics = self.job(sample_set(), "sample", ["train", "test"])
        whole, pictures = self.evaluations["sample"]
        self.assertEqual({p["Label"] for p in pictures}, {"normal", "anomaly"})
        self.assertEqual(len({p["SourceRef"] for p in pictures}), whole["TestingImageCount"])
        for theirs, ours in zip(metrics["PixelAnomalyClassMetrics"], whole["PixelAnomalyClassMetrics"]):
            self.assertEqual(theirs["ClassName"], ours["ClassName"])
            for figure in ("Precision", "Recall", "F1Score", "AIOU"):
                # A figure that is not defined is 0 in the original's file, and missing in ours.
                self.assertAlmostEqual(theirs[figure], ours.get(figure, 0), places=6)
        self.assertGreaterEqual(metrics["ROCAUC"], 0.95)
        self.assertGreaterEqual(right, 0.85)
        self.assertEqual({m["ClassName"] for m in metrics["PixelAnomalyClassMetrics"]}, {"scratch", "dent", "stain", "missinghole"})

    @unittest.skipUnless(os.path.isdir(COOKIES), "the original getting-started set does not lie beside this checkout")
    def test_cookies(self):
        right, metrics = self.job(COOKIES, "cookies", ["train"])
        self.assertGreaterEqual(metrics["ROCAUC"], 0.90)
        self.assertGreaterEqual(right, 0.80)


class PicturesOfCameras(unittest.TestCase):
    """Tests pictures of twelve bits in PNG files of sixteen bits. Some have faint defects, some a kind of defect that the training has not seen, and some files cannot be used."""
    SIDE, GROUND, FAINT = 96, 1720, 140  # with these values the upper bytes of all samples are the same

    def picture(self, number, defect):
        """Returns the PNG file of a picture and, if the picture has a defect, the PNG file of its mask."""
        rng = random.Random(number)
        x, y, r = rng.randrange(20, 76), rng.randrange(20, 76), rng.randrange(8, 14)
        marked = {"spot": lambda i, j: (i - x) ** 2 + (j - y) ** 2 < r * r, "stripe": lambda i, j: abs(i - j - x + y) < 4 and abs(i - x) < 30}.get(defect, lambda i, j: False)
        places = [(i, j) for j in range(self.SIDE) for i in range(self.SIDE)]
        samples = [int(self.GROUND + rng.gauss(0, 6) - (self.FAINT if marked(i, j) else 0)) for i, j in places]
        self.assertEqual({s >> 8 for s in samples}, {self.GROUND >> 8})
        out = io.BytesIO()
        Image.frombytes("I;16", (self.SIDE, self.SIDE), struct.pack(f"<{len(samples)}H", *samples)).save(out, "PNG")
        if not defect:
            return out.getvalue(), None
        mask = Image.new("RGB", (self.SIDE, self.SIDE), "white")
        mask.putdata([(0x23, 0xA4, 0x36) if defect == "spot" and marked(i, j) else (0, 0, 255) if marked(i, j) else (255, 255, 255) for i, j in places])
        drawn = io.BytesIO()
        mask.save(drawn, "PNG")
        return out.getvalue(), drawn.getvalue()

    def line(self, name, body, defect, mask):
        self.s3.put_object(Bucket="camera", Key=name, Body=body)
        metadata = {"human-annotated": "yes", "creation-date": "2022-03-01T00:00:00", "job-name": "j", "confidence": 1}
        line = {"source-ref": "s3://camera/" + name, "l": int(bool(defect)), "l-metadata": {**metadata, "class-name": "anomaly" if defect else "normal", "type": "groundtruth/image-classification"}}
        if mask:
            self.s3.put_object(Bucket="camera", Key=name + ".mask", Body=mask)
            line["anomaly-mask-ref"] = f"s3://camera/{name}.mask"
            line["anomaly-mask-ref-metadata"] = {**metadata, "type": "groundtruth/semantic-segmentation", "internal-color-map": {
                "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff"}, "1": {"class-name": defect, "hex-color": "#23A436" if defect == "spot" else "#0000ff"}}}
        return line

    def test_all_are_judged_and_the_training_says_what_it_found(self):
        self.api, self.s3 = SERVER.client("lookoutvision"), SERVER.client("s3")
        self.s3.create_bucket(Bucket="camera")
        self.api.create_project(ProjectName="camera")
        tested = []
        for kind, plan in (("train", ((None, 20), ("spot", 12))), ("test", ((None, 10), ("spot", 4), ("stripe", 6)))):
            lines = []
            for defect, count in plan:
                for _ in range(count):
                    name = f"{kind}/{len(lines):03}.png"
                    body, mask = self.picture(len(lines) + (1000 if kind == "test" else 0), defect)
                    lines.append(self.line(name, body, defect, mask))
                    if kind == "test":
                        tested.append((body, defect))
            if kind == "test":
                wide = io.BytesIO()
                Image.new("L", (5000, 96)).save(wide, "PNG")
                for name, body in (("wide.png", wide.getvalue()), ("text.png", b"no picture"), ("empty.png", b""), ("large.png", b"\x89PNG" + bytes(9_000_000))):
                    lines.append(self.line(name, body, "spot", None))
            self.s3.put_object(Bucket="camera", Key=kind + ".manifest", Body="\n".join(map(json.dumps, lines)).encode())
            self.api.create_dataset(ProjectName="camera", DatasetType=kind, DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "camera", "Key": kind + ".manifest"}}})
        # The import names every picture that cannot be used.
        imported = wait_while(lambda: self.api.describe_dataset(ProjectName="camera", DatasetType="test")["DatasetDescription"], ["CREATE_IN_PROGRESS"], 0.05)["StatusMessage"]
        for part in ("4 cannot be used for a training", "wide.png has 5000x96 pixels", "text.png is no JPEG or PNG", "empty.png is an empty file", "large.png has 9000004 bytes"):
            self.assertIn(part, imported)
        self.api.create_model(ProjectName="camera", OutputConfig={"S3Location": {"Bucket": "camera", "Prefix": "out/"}})
        trained = wait_while(lambda: self.api.describe_model(ProjectName="camera", ModelVersion="1")["ModelDescription"], ["TRAINING"])
        self.assertEqual(trained["Status"], "TRAINED", trained["StatusMessage"])
        self.assertIn("4 images could not be used", trained["StatusMessage"])

        whole, pictures = evaluation_of("camera")
        judged = [p for p in pictures if "Verdict" in p]
        self.assertEqual((whole["EvaluatedOn"], whole["TrainingImageCount"], whole["TestingImageCount"], len(judged)), ("TEST_DATASET", 32, 20, 20))
        self.assertEqual(sum(p["Label"] == "anomaly" for p in judged), 10)
        self.assertGreaterEqual(whole["Metrics"]["ROCAUC"], 0.85)
        self.assertIn("ROCAUC", {i["MetricName"] for i in whole["Intervals"]})
        self.assertTrue(any('"stripe" of 6 pictures' in w for w in whole["Warnings"]), whole["Warnings"])
        self.assertEqual([m["ClassName"] for m in whole["PixelAnomalyClassMetrics"]], ["spot"])
        self.assertAlmostEqual(sum(c["VerdictWeight"] for c in whole["Contest"]), 1)
        skipped = {p["SourceRef"].rsplit("/", 1)[1]: p["SkippedReason"] for p in pictures if "SkippedReason" in p}
        self.assertEqual((whole["SkippedCount"], set(skipped)), (4, {"wide.png", "text.png", "empty.png", "large.png"}))
        self.assertIn("5000x96", skipped["wide.png"])
        self.assertIn("empty", skipped["empty.png"])
        self.assertIn("9000004 bytes", skipped["large.png"])
        # The files that the original service also wrote have the same form as there.
        result = json.loads(self.s3.get_object(**trained["EvaluationResult"])["Body"].read())
        self.assertEqual(result["EvaluationDetails"]["NumberOfTestingImages"], 20)
        self.assertEqual(list(result["AggregatedEvaluationResults"]["Metrics"]), ["ROCAUC", "AveragePrecision", "Precision", "Recall", "F1Score", "PixelAnomalyClassMetrics"])
        manifest = self.s3.get_object(**trained["EvaluationManifest"])["Body"].read().decode().splitlines()
        self.assertEqual([json.loads(line)["source-ref"] for line in manifest], [p["SourceRef"] for p in judged])

        # The model judges pictures of the camera in the same way.
        self.api.start_model(ProjectName="camera", ModelVersion="1", MinInferenceUnits=1)
        wait_while(lambda: self.api.describe_model(ProjectName="camera", ModelVersion="1")["ModelDescription"], ["STARTING_HOSTING"], 0.05)

        def detect(body, content_type="image/png"):
            return self.api.detect_anomalies(ProjectName="camera", ModelVersion="1", ContentType=content_type, Body=body)["DetectAnomalyResult"]
        for (body, defect), verdict in list(zip(tested, judged))[::4]:
            self.assertEqual(detect(body)["IsAnomalous"], verdict["Verdict"] == "anomaly", (defect, verdict))
        # A JPEG that lacks its last two bytes, as some frame grabbers write it, counts as complete.
        jpeg = io.BytesIO()
        Image.new("L", (self.SIDE, self.SIDE), self.GROUND >> 4).save(jpeg, "JPEG")
        self.assertIn("Confidence", detect(jpeg.getvalue()[:-2], "image/jpeg"))
        with self.assertRaises(self.api.exceptions.ValidationException) as caught:
            detect(b"")
        self.assertIn("empty", str(caught.exception))
        self.api.stop_model(ProjectName="camera", ModelVersion="1")


if __name__ == "__main__":
    unittest.main()
