"""Tests `vedette import`: what customers kept of the old service becomes a project again, and its verdicts stand beside the new ones."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from PIL import Image

from harness import VEDETTE, Server, write_tiny_set

SERVER = FOLDER = LINES = None


def setUpModule():
    global SERVER, FOLDER, LINES
    SERVER = Server()
    FOLDER = tempfile.mkdtemp(prefix="vedette-tiny-")
    LINES = write_tiny_set(FOLDER, normal=25, anomaly=20, masks=True)


def tearDownModule():
    SERVER.destroy()
    shutil.rmtree(FOLDER)


def old_reference(key):
    return "s3://gone-bucket/line 7/" + key


def kept(folder, wrong=3):
    """Writes the layout that AWS's export script leaves, with the evaluation manifest of version 3, in which the first pictures are judged
        wrongly."""
    for kind in ("images", "masks"):
        shutil.copytree(os.path.join(FOLDER, kind), os.path.join(folder, "train", kind, "line 7", kind))
    os.makedirs(os.path.join(folder, "datasets"))
    evaluation = []
    with open(os.path.join(folder, "datasets", "train.manifest"), "w", encoding="utf-8") as file:
        for n, line in enumerate(LINES):
            line = {**line, "source-ref": old_reference(line["source-ref"])}
            if "anomaly-mask-ref" in line:
                line["anomaly-mask-ref"] = old_reference(line["anomaly-mask-ref"])
            file.write(json.dumps(line) + "\n")
            truth = line["anomaly-label"]
            called = truth if n >= wrong else 1 - truth
            name = ["normal", "anomaly"]
            evaluation.append({"source-ref": line["source-ref"], "source-ref-metadata": {"creation-date": "2022-05-01T00:00:00"}, "anomaly-label": truth,
                               "anomaly-label-metadata": {"class-name": name[truth], "type": "groundtruth/image-classification", "human-annotated": "yes"},
                               "anomaly-label-detected": called, "anomaly-label-detected-metadata": {"class-name": name[called], "confidence": 0.87, "human-annotated": "no",
                                                                                                     "type": "groundtruth/image-classification"}})
    for version, lines in ((2, evaluation[:5]), (3, evaluation)):
        with open(os.path.join(folder, f"k_EvaluationManifest-old-{version}.json"), "w", encoding="utf-8") as file:
            file.write("".join(json.dumps(e) + "\n" for e in lines))
    with open(os.path.join(folder, "k_EvaluationResult-old-3.json"), "w", encoding="utf-8") as file:
        json.dump({"Version": 1, "EvaluationDetails": {"NumberOfTestingImages": 45}, "AggregatedEvaluationResults": {"Metrics": {
            "ROCAUC": 0.9, "AveragePrecision": 0.9, "Precision": 0.87, "Recall": 1.0, "F1Score": 0.93}}}, file)


def import_(*words):
    done = subprocess.run([VEDETTE, "import", *words, "--endpoint", SERVER.url, "--data", SERVER.data], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


class Import(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vedette-kept-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.api, self.s3 = SERVER.client("lookoutvision"), SERVER.client("s3")

    def test_a_folder_becomes_a_project_and_verdicts_are_compared(self):
        kept(self.folder)
        pictures = os.path.join(self.folder, "train", "images", "line 7", "images")
        os.remove(os.path.join(pictures, "good024.png"))
        turned, exif = Image.open(os.path.join(pictures, "good000.png")), Image.Exif()
        exif[0x112] = 3
        turned.save(os.path.join(pictures, "good000.png"), exif=exif)
        status, out, err = import_(self.folder, "--project", "taken_over", "--json")
        self.assertEqual(status, 0, err)
        self.assertIn("good024.png was not kept", err)
        *pictures, summary = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(len(pictures), 45)
        by_name = {os.path.basename(p["image"]): p for p in pictures}
        self.assertIsNone(by_name["good024.png"]["after"])
        self.assertEqual((by_name["bad030.png"]["class"], by_name["bad030.png"]["before"]), ("anomaly", {"is_anomalous": True, "confidence": 0.87}))
        self.assertEqual(summary["before"]["images"], 44)
        self.assertEqual(summary["before"]["right"], 41)
        self.assertEqual(summary["reported_before"], {"precision": 0.87, "recall": 1.0, "f1": 0.93, "images": 45})
        self.assertEqual(summary["skipped"], [])
        self.assertTrue(set(summary["suspects"]) <= {p["image"] for p in pictures})
        self.assertTrue(any(w.startswith("1 pictures have an EXIF orientation") for w in summary["warnings"]), summary["warnings"])
        changed = [p["change"] for p in pictures]
        self.assertEqual((changed.count("better"), changed.count("worse")), (summary["better"], summary["worse"]))
        self.assertGreaterEqual(summary["better"], 1)
        description = self.api.describe_dataset(ProjectName="taken_over", DatasetType="train")["DatasetDescription"]
        self.assertEqual(description["ImageStats"], {"Total": 44, "Labeled": 44, "Normal": 24, "Anomaly": 20})
        # The import runs again, as after an interruption: only the model is made twice.
        status, out, err = import_(self.folder, "--project", "taken_over")
        self.assertEqual(status, 0, err)
        self.assertIn("exists already", err)
        self.assertIn("on the 44 pictures that both tested", out)
        self.assertIn("warning: 1 pictures have an EXIF orientation", err)
        self.assertEqual(len(self.api.list_models(ProjectName="taken_over")["Models"]), 2)

    def test_a_bucket_of_the_server_is_taken_as_it_is(self):
        kept(self.folder)
        self.s3.create_bucket(Bucket="kept")
        for root, _, files in os.walk(self.folder):
            for name in files:
                path = os.path.join(root, name)
                self.s3.upload_file(path, "kept", "saved/" + os.path.relpath(path, self.folder))
        before = len(self.s3.list_objects_v2(Bucket="kept")["Contents"])
        status, _, err = import_("s3://kept/saved/", "--project", "bucket", "--no-train")
        self.assertEqual(status, 0, err)
        entries = self.api.list_dataset_entries(ProjectName="bucket", DatasetType="train")["DatasetEntries"]
        self.assertEqual(json.loads(entries[0])["source-ref"], "s3://kept/saved/train/images/line 7/images/good000.png")
        self.assertEqual(len(self.s3.list_objects_v2(Bucket="kept")["Contents"]), before + 1)  # The manifest was added.

    def test_an_object_of_somebody_else_is_not_overwritten(self):
        kept(self.folder)
        key = "mine/train/images/line 7/images/good003.png"
        self.s3.create_bucket(Bucket="shared")
        self.s3.put_object(Bucket="shared", Key=key, Body=b"mine")
        status, _, err = import_(self.folder, "--project", "mine", "--bucket", "shared", "--no-train")
        self.assertEqual(status, 1)
        self.assertIn("nothing was overwritten", err)
        self.assertEqual(self.s3.get_object(Bucket="shared", Key=key)["Body"].read(), b"mine")

    def test_a_picture_that_is_too_large_is_named_and_left_out(self):
        kept(self.folder)
        os.truncate(os.path.join(self.folder, "train", "images", "line 7", "images", "good003.png"), 1_000_000_001)
        status, _, err = import_(self.folder, "--project", "large", "--no-train")
        self.assertEqual(status, 0, err)
        self.assertRegex(err, "warning: .*good003.png .*; its line is left out")
        description = self.api.describe_dataset(ProjectName="large", DatasetType="train")["DatasetDescription"]
        self.assertEqual(description["ImageStats"]["Total"], 44)

    def test_an_import_that_cannot_be_done_says_why(self):
        os.symlink("loop", self.folder + "/loop")
        for words, reason in (((self.folder + "/loop", "--project", "x"), "neither a folder nor"), (("/nowhere", "--project", "x"), "neither a folder nor"), ((self.folder, "--project", "x"), "no train.manifest"),
                              (("s3://none/x", "--project", "x"), "NoSuchBucket")):
            status, _, err = import_(*words)
            self.assertEqual(status, 1)
            self.assertIn(reason, err)
        os.makedirs(os.path.join(self.folder, "datasets"))
        with open(os.path.join(self.folder, "datasets", "train.manifest"), "w", encoding="utf-8") as file:
            file.write(json.dumps(LINES[0]) + "\n")
        self.assertIn("none of the pictures", import_(self.folder, "--project", "empty")[2])
        with open(os.path.join(self.folder, "datasets", "train.manifest"), "w", encoding="utf-8") as file:
            file.write("\n\n" + json.dumps(LINES[0]) + "\n\n{}\n")
        self.assertIn("line 5: no source-ref", import_(self.folder, "--project", "empty")[2])
        status, _, err = import_(self.folder, "--project", "no spaces allowed")
        self.assertIn("ValidationException", err)


if __name__ == "__main__":
    unittest.main()
