"""Tests corrections: a verified picture changes the verdicts of a model in service at once, also after a kill, in trials and in packages."""
import io
import json
import os
import random
import shutil
import tempfile
import unittest
import urllib.parse

from PIL import Image, ImageDraw, ImageFilter
from botocore.exceptions import ClientError

from harness import Server, run, upload_lines, wait_while, write_tiny_set

MODEL = {"ProjectName": "p", "ModelVersion": "1"}
STICKER = (40, 70, 200)  # Nothing in the training is blue.


def picture(seed, sticker=None, spot=None):
    random.seed(seed)
    out = Image.effect_noise((96, 96), 30).filter(ImageFilter.GaussianBlur(1)).convert("RGB")
    if sticker:
        x, y = sticker
        ImageDraw.Draw(out).rectangle((x - 9, y - 6, x + 9, y + 6), fill=STICKER)
    if spot:
        x, y = spot
        ImageDraw.Draw(out).ellipse((x - 10, y - 10, x + 10, y + 10), fill=(15, 10, 10))
    file = io.BytesIO()
    out.save(file, "png")
    return file.getvalue()


class Corrections(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.destroy)
        cls.folder = tempfile.mkdtemp(prefix="vedette-corrections-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.connect()
        lines = write_tiny_set(cls.folder, normal=30, anomaly=20, masks=True)
        upload_lines(cls.s3, cls.folder, "parts", lines, "train.manifest")
        cls.api.create_project(ProjectName="p")
        cls.api.create_dataset(ProjectName="p", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "parts", "Key": "train.manifest"}}})
        cls.api.create_model(ProjectName="p", OutputConfig={"S3Location": {"Bucket": "parts", "Prefix": "out/"}})
        trained = cls.wait("TRAINING")
        if trained["Status"] != "TRAINED":
            raise RuntimeError(trained["StatusMessage"])
        # Good parts with a sticker, which is harmless; parts with a sticker and a spot; and parts with a spot alone.
        cls.stickers = [cls.put(f"line/sticker{i}.png", picture(100 + i, sticker=(20 + 11 * i, 70 - 9 * i))) for i in range(6)]
        cls.both = [cls.put(f"line/both{i}.png", picture(200 + i, sticker=(25, 20 + 10 * i), spot=(65, 60 - 10 * i))) for i in range(4)]
        cls.spots = [cls.put(f"line/spot{i}.png", picture(300 + i, spot=(30 + 10 * i, 40))) for i in range(4)]
        cls.good = [cls.put(f"line/good{i}.png", picture(400 + i)) for i in range(4)]

    @classmethod
    def put(cls, key, body):
        cls.s3.put_object(Bucket="parts", Key=key, Body=body)
        return f"s3://parts/{key}"

    @classmethod
    def connect(cls):
        cls.api, cls.s3 = cls.server.client("lookoutvision"), cls.server.client("s3")
        cls.vedette = cls.server.client("vedette")

    @classmethod
    def wait(cls, *busy):
        return wait_while(lambda: cls.api.describe_model(**MODEL)["ModelDescription"], busy, 0.05)

    def detect(self, source_ref):
        """Returns the verdict and the picture that corrected it, if one did."""
        body = self.s3.get_object(Bucket="parts", Key=source_ref.removeprefix("s3://parts/"))["Body"].read()
        answer = self.api.detect_anomalies(**MODEL, ContentType="image/png", Body=body)
        result, header = answer["DetectAnomalyResult"], answer["ResponseMetadata"]["HTTPHeaders"].get("x-vedette-corrected-by")
        corrected_by = header and urllib.parse.unquote(header)
        found = self.vedette.compute_anomaly_map(**MODEL, SourceRef=source_ref)
        self.assertEqual((found["IsAnomalous"], found.get("CorrectedBy")), (result["IsAnomalous"], corrected_by))
        self.assertEqual(found["Score"] >= found["Threshold"], result["IsAnomalous"])
        if not result["IsAnomalous"] and corrected_by:
            self.assertEqual(result["Anomalies"], [{"Name": "background", "PixelAnomaly": {"TotalPercentageArea": 1.0, "Color": "#FFFFFF"}}])
        return result["IsAnomalous"], corrected_by

    def correct(self, source_ref, is_anomalous, **more):
        return self.vedette.correct_model(**MODEL, SourceRef=source_ref, IsAnomalous=is_anomalous, **more)

    def told(self):
        answer = self.vedette.list_model_corrections(**MODEL)
        return answer["Corrections"], answer["Effect"]

    def code_of(self, call, **members):
        with self.assertRaises(ClientError) as caught:
            call(**members)
        return caught.exception.response["Error"]["Code"]

    def test_1_a_model_must_be_in_service(self):
        self.assertEqual(self.code_of(self.vedette.correct_model, **MODEL, SourceRef=self.good[0], IsAnomalous=False), "ConflictException")
        self.assertEqual(self.told()[0], [])
        self.api.start_model(**MODEL, MinInferenceUnits=1)
        self.assertEqual(self.wait("STARTING_HOSTING")["Status"], "HOSTED")

    def test_2_a_harmless_mark_is_excused_and_a_defect_beside_it_is_not(self):
        for name in (*self.stickers, *self.both, *self.spots):
            self.assertEqual(self.detect(name), (True, None))
        for name in self.good:
            self.assertEqual(self.detect(name), (False, None))
        answer = self.correct(self.stickers[0], False)
        correction, effect = answer["Correction"], answer["Effect"]
        self.assertEqual((correction["SourceRef"], correction["IsAnomalous"], correction["IsNeeded"], correction["CorrectedBy"]), (self.stickers[0], False, True, "admin"))
        self.assertEqual((effect["ImageCount"], effect["MadeIncorrect"], effect["MissedCount"], effect["LearnedCount"]), (50, [], 1, 0))
        self.assertEqual(effect["CorrectAfter"], effect["CorrectBefore"] + len(effect["MadeCorrect"]))
        self.assertEqual(self.detect(self.stickers[0]), (False, self.stickers[0]))
        # How many others one correction excuses depends on the model, and so on how long its training was. Those that are
        # still alarms are corrected, too.
        for name in self.stickers:
            if self.detect(name)[0]:
                self.correct(name, False)
        type(self).corrections = [c["SourceRef"] for c in self.told()[0]]
        for name in self.stickers:
            self.assertIn(self.detect(name)[1], self.corrections)
        for name in (*self.both, *self.spots):
            self.assertEqual(self.detect(name), (True, None))
        for name in self.good:
            self.assertEqual(self.detect(name), (False, None))

    def test_3_corrections_survive_a_kill_and_speak_in_trials_and_packages(self):
        self.server.kill()
        self.server.start()
        self.connect()
        self.wait("STARTING_HOSTING")
        self.assertEqual([c["SourceRef"] for c in self.told()[0]], self.corrections)
        self.assertFalse(self.detect(self.stickers[3])[0])
        self.vedette.start_trial_detection(ProjectName="p", TrialName="t", ModelVersion="1", Images={"Bucket": "parts", "Prefix": "line/"})
        trial = wait_while(lambda: self.vedette.describe_trial_detection(ProjectName="p", TrialName="t")["TrialDetection"], ["RUNNING"], 0.05)
        self.assertEqual(trial["Status"], "COMPLETED", trial["StatusMessage"])
        images = self.vedette.list_trial_detection_images(ProjectName="p", TrialName="t")["Images"]
        self.assertEqual({i["SourceRef"] for i in images if i["IsAnomalous"]}, {*self.both, *self.spots})

        self.api.start_model_packaging_job(**MODEL, JobName="j", Configuration={"Greengrass": {
            "S3OutputLocation": {"Bucket": "parts", "Prefix": "packages/"}, "ComponentName": "part", "TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}}})
        job = wait_while(lambda: self.api.describe_model_packaging_job(ProjectName="p", JobName="j")["ModelPackagingDescription"], ["CREATED", "RUNNING"], 0.05)
        self.assertEqual(job["Status"], "SUCCEEDED", job["StatusMessage"])
        key = self.s3.list_objects_v2(Bucket="parts", Prefix="packages/")["Contents"][0]["Key"]
        archive = os.path.join(self.folder, "model.zip")
        self.s3.download_file("parts", key, archive)
        pictures = []
        for name in (*self.stickers, *self.both):
            pictures.append(os.path.join(self.folder, os.path.basename(name)))
            self.s3.download_file("parts", name.removeprefix("s3://parts/"), pictures[-1])
        judged = list(map(json.loads, run("detect", "--json", archive, *pictures).splitlines()))
        self.assertEqual([line["is_anomalous"] for line in judged], [False] * 6 + [True] * 4)
        self.assertIn(judged[0]["corrected_by"], self.corrections)

    def test_4_a_correction_is_taken_back(self):
        for name in self.corrections:
            self.vedette.delete_model_correction(**MODEL, SourceRef=name)
        self.assertEqual(self.told()[0], [])
        self.assertEqual(self.detect(self.stickers[2]), (True, None))
        self.assertEqual(self.code_of(self.vedette.delete_model_correction, **MODEL, SourceRef=self.stickers[0]), "ResourceNotFoundException")

    def test_5_a_missed_defect_is_found_again_where_somebody_pointed(self):
        # With this threshold the model misses what it would find.
        scores = [self.vedette.compute_anomaly_map(**MODEL, SourceRef=name)["Score"] for name in self.spots]
        self.vedette.update_model_threshold(**MODEL, Threshold=2 * max(scores))
        self.addCleanup(self.vedette.update_model_threshold, **MODEL)
        self.assertEqual(self.detect(self.spots[0]), (False, None))
        self.correct(self.spots[0], True)  # without a place the picture speaks for itself alone
        self.assertEqual([self.detect(name)[1] for name in self.spots], [self.spots[0], None, None, None])
        place = {"X": 30, "Y": 40}
        correction = self.correct(self.spots[0], True, Place=place)["Correction"]
        self.assertEqual(correction["Place"], place)
        self.assertEqual(self.detect(self.spots[0]), (True, self.spots[0]))
        for name in self.good:
            self.assertEqual(self.detect(name), (False, None))
        self.vedette.delete_model_correction(**MODEL, SourceRef=self.spots[0])

    def test_6_what_is_wrong_is_refused(self):
        place = {"X": 5, "Y": 5}
        for wrong in ({"SourceRef": "s3://parts/none.png", "IsAnomalous": True}, {"SourceRef": "none", "IsAnomalous": True},
                      {"SourceRef": "s3://parts/train.manifest", "IsAnomalous": True},
                      {"SourceRef": self.good[0], "IsAnomalous": False, "Place": place},
                      {"SourceRef": self.good[0], "IsAnomalous": True, "Place": place | {"X": 96}}):
            self.assertEqual(self.code_of(self.vedette.correct_model, **MODEL, **wrong), "ValidationException", wrong)
        dark = io.BytesIO()
        Image.new("RGB", (96, 96)).save(dark, "png")
        self.assertEqual(self.code_of(self.vedette.correct_model, **MODEL, SourceRef=self.put("line/dark.png", dark.getvalue()), IsAnomalous=False), "ValidationException")
        self.assertEqual(self.code_of(self.vedette.correct_model, **MODEL, SourceRef="s3://.vedette/models/x", IsAnomalous=False), "AccessDeniedException")
        self.assertEqual(self.code_of(self.vedette.correct_model, **(MODEL | {"ModelVersion": "7"}), SourceRef=self.good[0], IsAnomalous=False), "ResourceNotFoundException")
        self.assertEqual(self.told()[0], [])


if __name__ == "__main__":
    unittest.main()
