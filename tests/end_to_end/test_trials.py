"""Tests trial detections as the owner of a new model uses them: pictures of the line are judged before the model goes into service, and people say which verdicts
are right."""
import io
import json
import os
import shutil
import tempfile
import time
import unittest

import boto3
from PIL import Image
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import REGION, Server, run, upload_lines, wait_while, write_tiny_set

GOOD, BAD = 30, 20
COPIES = 6  # of each picture, for the trial that is cut off


class Trials(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.destroy)
        cls.folder = tempfile.mkdtemp(prefix="vedette-trials-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run("client-model", "install", "--dir", os.path.join(cls.folder, "models"))
        cls.connect()
        cls.lines = upload_lines(cls.s3, cls.folder, "parts", write_tiny_set(cls.folder, normal=GOOD, anomaly=BAD, masks=True), "train.manifest")
        cls.api.create_project(ProjectName="p")
        cls.api.create_dataset(ProjectName="p", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "parts", "Key": "train.manifest"}}})
        cls.api.create_model(ProjectName="p", OutputConfig={"S3Location": {"Bucket": "parts", "Prefix": "out/"}})
        trained = wait_while(lambda: cls.api.describe_model(ProjectName="p", ModelVersion="1")["ModelDescription"], ["TRAINING"], 0.05)
        if trained["Status"] != "TRAINED":
            raise RuntimeError(trained["StatusMessage"])

    @classmethod
    def connect(cls):
        """Makes clients for the server, which has another address after each start."""
        os.environ["AWS_DATA_PATH"] = os.path.join(cls.folder, "models")
        cls.api, cls.s3 = cls.server.client("lookoutvision"), cls.server.client("s3")
        cls.vedette = cls.client(cls.server.credentials())

    @classmethod
    def client(cls, keys):
        return boto3.Session().client("vedette", endpoint_url=cls.server.url, region_name=REGION, config=Config(retries={"max_attempts": 1}), **keys)

    def start(self, name, **more):
        return self.vedette.start_trial_detection(ProjectName="p", TrialName=name, **{"ModelVersion": "latest", "Images": {"Bucket": "parts", "Prefix": "images/"}, **more})["TrialDetection"]

    def describe(self, name):
        return self.vedette.describe_trial_detection(ProjectName="p", TrialName=name)["TrialDetection"]

    def finish(self, name):
        trial = wait_while(lambda: self.describe(name), ["RUNNING"], 0.05)
        self.assertEqual(trial["Status"], "COMPLETED", trial["StatusMessage"])
        return trial

    def images(self, name, **members):
        return self.vedette.list_trial_detection_images(ProjectName="p", TrialName=name, **members)

    def code_of(self, call, **members):
        with self.assertRaises(ClientError) as caught:
            call(**members)
        return caught.exception.response["Error"]["Code"]

    def test_1_a_model_that_is_not_in_service_judges_as_it_does_in_service(self):
        out = io.BytesIO()
        Image.new("RGB", (200, 96), "grey").save(out, "PNG")
        self.s3.put_object(Bucket="parts", Key="images/other-size.png", Body=out.getvalue())
        self.s3.put_object(Bucket="parts", Key="images/notes.txt", Body=b"taken at noon")
        self.addCleanup(self.s3.delete_objects, Bucket="parts", Delete={"Objects": [{"Key": "images/other-size.png"}, {"Key": "images/notes.txt"}]})
        begun = self.start("first", ClientToken="once")
        self.assertEqual((begun["TrialName"], begun["ModelVersion"], begun["Status"], begun["ImageCount"]), ("first", "1", "RUNNING", GOOD + BAD + 2))
        # A call that comes again finds what the first one started, and the name is taken for any other call.
        self.assertEqual(self.start("first", ClientToken="once")["CreationTimestamp"], begun["CreationTimestamp"])
        self.assertEqual(self.code_of(self.start, name="first"), "ConflictException")
        ended = self.finish("first")
        self.assertEqual((ended["JudgedCount"], ended["SkippedCount"], ended["ImageCount"]), (GOOD + BAD, 2, GOOD + BAD + 2))
        self.assertEqual(ended["StatusMessage"], f"{GOOD + BAD} images were judged. 2 images could not be used.")
        listed = self.images("first")
        self.assertEqual(listed["TotalCount"], GOOD + BAD + 2)
        by_ref = {image["SourceRef"]: image for image in listed["Images"]}
        self.assertEqual(list(by_ref), sorted(by_ref))
        self.assertEqual(self.images("first", Offset=3, MaxResults=2)["Images"], listed["Images"][3:5])
        self.assertIn("200x96", by_ref["s3://parts/images/other-size.png"]["SkippedReason"])
        self.assertIn("neither a JPEG nor a PNG", by_ref["s3://parts/images/notes.txt"]["SkippedReason"])
        self.assertEqual(sum(image.get("IsAnomalous", False) for image in listed["Images"]), ended["AnomalyCount"])

        self.api.start_model(ProjectName="p", ModelVersion="1", MinInferenceUnits=1)
        wait_while(lambda: self.api.describe_model(ProjectName="p", ModelVersion="1")["ModelDescription"], ["STARTING_HOSTING"], 0.05)
        for line in (*self.lines[:5], *self.lines[GOOD:GOOD + 5]):
            image = by_ref[line["source-ref"]]
            body = self.s3.get_object(Bucket="parts", Key=line["source-ref"].removeprefix("s3://parts/"))["Body"].read()
            served = self.api.detect_anomalies(ProjectName="p", ModelVersion="1", ContentType="image/png", Body=body)["DetectAnomalyResult"]
            self.assertEqual(image["IsAnomalous"], served["IsAnomalous"])
            self.assertAlmostEqual(image["Confidence"], served["Confidence"], places=5)
            self.assertNotIn("Verification", image)
            if served["IsAnomalous"]:
                # The mask lies in the bucket of the pictures, in the colours of the dataset.
                self.assertEqual(image["AnomalyLabels"], ["spot"])
                mask = self.s3.get_object(Bucket="parts", Key=image["MaskRef"].removeprefix("s3://parts/"))["Body"].read()
                self.assertEqual(mask, served["AnomalyMask"])
                self.assertEqual({color for _, color in Image.open(io.BytesIO(mask)).convert("RGB").getcolors()}, {(255, 255, 255), (0x23, 0xA4, 0x36)})
            else:
                self.assertNotIn("MaskRef", image)
        self.api.stop_model(ProjectName="p", ModelVersion="1")
        wait_while(lambda: self.api.describe_model(ProjectName="p", ModelVersion="1")["ModelDescription"], ["STOPPING_HOSTING"], 0.05)

    def test_2_people_say_which_verdicts_are_right_all_or_none(self):
        good, bad = self.lines[0]["source-ref"], self.lines[GOOD]["source-ref"]
        mine = {"ProjectName": "p", "TrialName": "first"}

        def verify(**said):
            self.vedette.verify_trial_detection_images(**mine, Verifications=[{"SourceRef": ref, **({"Verification": v} if v else {})} for ref, v in said.items()])

        def told():
            return {image["SourceRef"]: image["Verification"] for image in self.images("first")["Images"] if "Verification" in image}
        verify(**{good: "CORRECT", bad: "INCORRECT"})
        self.assertEqual(told(), {good: "CORRECT", bad: "INCORRECT"})
        trial = self.describe("first")
        self.assertEqual((trial["CorrectCount"], trial["IncorrectCount"]), (1, 1))
        for wrong in ("s3://parts/images/none.png", "s3://parts/images/notes.txt", "s3://other/" + good.removeprefix("s3://parts/"), "nonsense"):
            with self.assertRaises(ClientError) as caught:
                verify(**{good: "INCORRECT", wrong: "CORRECT"})
            self.assertEqual(caught.exception.response["Error"]["Code"], "ValidationException")
        self.assertEqual(told(), {good: "CORRECT", bad: "INCORRECT"})
        verify(**{bad: None})
        self.assertEqual(told(), {good: "CORRECT"})

    def test_3_a_trial_survives_a_kill_and_obeys_the_threshold_of_its_beginning(self):
        for copy in range(COPIES):
            for line in self.lines:
                key = line["source-ref"].removeprefix("s3://parts/")
                self.s3.copy_object(Bucket="parts", Key=f"many/{copy}/{key}", CopySource={"Bucket": "parts", "Key": key})
        scores = sorted(image["Score"] for image in self.images("first")["Images"] if "Score" in image)
        moved = (scores[2] + scores[3]) / 2
        self.vedette.update_model_threshold(ProjectName="p", ModelVersion="1", Threshold=moved)
        self.start("many", Images={"Bucket": "parts", "Prefix": "many/"})
        self.vedette.update_model_threshold(ProjectName="p", ModelVersion="1")
        deadline = time.monotonic() + 120
        while (judged := self.describe("many")["JudgedCount"]) == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertGreater(judged, 0)
        self.server.kill()
        self.server.start()
        self.connect()
        self.assertGreaterEqual(self.describe("many")["JudgedCount"], judged)
        ended = self.finish("many")
        self.assertEqual(ended["JudgedCount"], COPIES * (GOOD + BAD))
        for image in self.images("many")["Images"]:
            self.assertEqual(image["IsAnomalous"], image["Score"] >= moved, image)

    def test_4_trials_are_listed_stopped_and_deleted(self):
        self.start("second", Images={"Bucket": "parts", "Keys": [line["source-ref"].removeprefix("s3://parts/") for line in self.lines[:2]] + ["images/none.png"]})
        self.assertEqual(self.finish("second")["SkippedCount"], 1)
        self.assertEqual(self.images("second")["Images"][-1]["SkippedReason"], "The image does not exist.")
        first = self.vedette.list_trial_detections(ProjectName="p", MaxResults=2)
        rest = self.vedette.list_trial_detections(ProjectName="p", NextToken=first["NextToken"])
        self.assertEqual([trial["TrialName"] for trial in first["TrialDetections"] + rest["TrialDetections"]], ["first", "many", "second"])
        self.assertEqual(self.code_of(self.vedette.stop_trial_detection, ProjectName="p", TrialName="second"), "ConflictException")
        # Two trials run one after the other, so the second one can be stopped and the third one deleted before they end.
        self.start("long", Images={"Bucket": "parts", "Prefix": "many/"})
        self.start("waits", Images={"Bucket": "parts", "Prefix": "many/"})
        self.assertEqual(self.vedette.stop_trial_detection(ProjectName="p", TrialName="long")["TrialDetection"]["Status"], "STOPPED")
        self.vedette.delete_trial_detection(ProjectName="p", TrialName="waits")
        self.start("last", Images={"Bucket": "parts", "Keys": [self.lines[0]["source-ref"].removeprefix("s3://parts/")]})
        self.finish("last")
        self.assertEqual(self.describe("long")["Status"], "STOPPED")
        self.assertLess(self.describe("long")["JudgedCount"], COPIES * (GOOD + BAD))
        self.assertEqual(self.code_of(self.vedette.describe_trial_detection, ProjectName="p", TrialName="waits"), "ResourceNotFoundException")
        # Masks of an earlier trial are no pictures of a later one.
        self.vedette.delete_trial_detection(ProjectName="p", TrialName="last")
        self.assertTrue(self.s3.list_objects_v2(Bucket="parts", Prefix="trial-detection-masks/")["KeyCount"])
        whole = self.start("last", Images={"Bucket": "parts"})
        self.vedette.stop_trial_detection(ProjectName="p", TrialName="last")
        refs = [image["SourceRef"] for image in self.images("last", MaxResults=5000)["Images"]]
        self.assertEqual(len(refs), whole["ImageCount"])
        self.assertFalse([ref for ref in refs if ref.startswith("s3://parts/trial-detection-masks/")])

    def test_5_the_job_has_the_rights_of_its_user(self):
        self.vedette.create_user(UserName="tester")
        statements = [{"Effect": "Allow", "Action": ["vedette:*Trial*"], "Resource": "*"}, {"Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": "*"},
                      {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::parts/images/bad*"}]
        self.vedette.put_policy(PolicyName="try", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
        self.vedette.attach_user_policy(UserName="tester", PolicyName="try")
        key = self.vedette.create_access_key(UserName="tester")["AccessKey"]
        tester = self.client({"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]})
        bad = self.lines[GOOD]["source-ref"].removeprefix("s3://parts/")
        good = self.lines[0]["source-ref"].removeprefix("s3://parts/")
        mine = {"ProjectName": "p", "TrialName": "theirs", "ModelVersion": "1"}
        self.assertEqual(self.code_of(tester.start_trial_detection, **mine, Images={"Bucket": "parts", "Prefix": "images/"}), "AccessDeniedException")
        self.assertEqual(self.code_of(tester.start_trial_detection, **mine, Images={"Bucket": "parts", "Keys": [good]}), "AccessDeniedException")
        tester.start_trial_detection(**mine, Images={"Bucket": "parts", "Keys": [bad]})
        self.finish("theirs")
        image = self.images("theirs")["Images"][0]
        self.assertTrue(image["IsAnomalous"])
        # Who may not write into the bucket gets no mask.
        self.assertEqual(("MaskRef" in image, image["AnomalyLabels"]), (False, ["spot"]))
        # The rights count when the picture is read: this trial waits behind another one when they are taken away.
        self.start("ahead", Images={"Bucket": "parts", "Prefix": "many/"})
        tester.start_trial_detection(**{**mine, "TrialName": "revoked"}, Images={"Bucket": "parts", "Keys": [bad]})
        self.vedette.detach_user_policy(UserName="tester", PolicyName="try")
        self.vedette.stop_trial_detection(ProjectName="p", TrialName="ahead")
        self.assertEqual(self.finish("revoked")["SkippedCount"], 1)
        self.assertIn("is not authorized to perform: s3:GetObject", self.images("revoked")["Images"][0]["SkippedReason"])

    def test_6_a_picture_whose_content_is_lost_is_skipped(self):
        body = b"the only object with this content"
        self.s3.put_object(Bucket="parts", Key="lost/a.png", Body=body)
        self.s3.copy_object(Bucket="parts", Key="lost/b.png", CopySource={"Bucket": "parts", "Key": self.lines[0]["source-ref"].removeprefix("s3://parts/")})
        paths = [os.path.join(folder, name) for folder, _, names in os.walk(self.server.data) for name in names]
        lost = [path for path in paths if os.path.getsize(path) == len(body) and open(path, "rb").read() == body]
        self.assertEqual(len(lost), 1)
        os.remove(lost[0])
        self.start("lost", Images={"Bucket": "parts", "Prefix": "lost/"})
        ended = self.finish("lost")
        self.assertEqual((ended["JudgedCount"], ended["SkippedCount"]), (1, 1))
        self.assertIn("cannot be read by a fault of the server", self.images("lost")["Images"][0]["SkippedReason"])


if __name__ == "__main__":
    unittest.main()
