"""Tests the check of datasets as the owner of pictures of mixed quality uses it: all faults of a bad dataset are found, what is sound is not, and what was mended
is not found again."""
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

GOOD, BAD = 30, 26
COPIES = 6  # of the whole set, for the check that is cut off


def png(picture):
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


class DatasetCheck(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.destroy)
        cls.folder = tempfile.mkdtemp(prefix="vedette-check-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run("client-model", "install", "--dir", os.path.join(cls.folder, "models"))
        cls.connect()
        cls.lines = upload_lines(cls.s3, cls.folder, "parts", write_tiny_set(cls.folder, normal=GOOD, anomaly=BAD, masks=True), "sound.manifest")

    @classmethod
    def connect(cls):
        """Makes clients for the server, which has another address after each start."""
        os.environ["AWS_DATA_PATH"] = os.path.join(cls.folder, "models")
        cls.api, cls.s3 = cls.server.client("lookoutvision"), cls.server.client("s3")
        cls.vedette = cls.client(cls.server.credentials())

    @classmethod
    def client(cls, keys):
        return boto3.Session().client("vedette", endpoint_url=cls.server.url, region_name=REGION, config=Config(retries={"max_attempts": 1}), **keys)

    def create(self, project, **datasets):
        self.api.create_project(ProjectName=project)
        for kind, lines in datasets.items():
            key = f"{project}-{kind}.manifest"
            self.s3.put_object(Bucket="parts", Key=key, Body="\n".join(map(json.dumps, lines)).encode())
            self.api.create_dataset(ProjectName=project, DatasetType=kind, DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "parts", "Key": key}}})
            self.settle(project, kind)

    def settle(self, project, kind):
        dataset = wait_while(lambda: self.api.describe_dataset(ProjectName=project, DatasetType=kind)["DatasetDescription"], ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"], 0.05)
        self.assertIn(dataset["Status"], ("CREATE_COMPLETE", "UPDATE_COMPLETE"), dataset["StatusMessage"])

    def describe(self, project):
        return self.vedette.describe_dataset_check(ProjectName=project)["DatasetCheck"]

    def finish(self, project):
        check = wait_while(lambda: self.describe(project), ["RUNNING"], 0.05)
        self.assertEqual(check["Status"], "COMPLETED", check["StatusMessage"])
        return check

    def check(self, project):
        """Checks a project. Returns its findings by kind; those of one kind are by their pictures."""
        begun = self.vedette.start_dataset_check(ProjectName=project)["DatasetCheck"]
        self.assertEqual((begun["Status"], begun["CheckedCount"], begun["FindingCounts"]), ("RUNNING", 0, []))
        check = self.finish(project)
        self.assertEqual((check["CheckedCount"], check["IsOutdated"]), (check["ImageCount"], False))
        found = {}
        for count in check["FindingCounts"]:
            page = self.vedette.list_dataset_findings(ProjectName=project, Kind=count["Kind"])
            self.assertEqual((page["TotalCount"], len(page["Findings"])), (count["Count"], count["Count"]))
            found[count["Kind"]] = {finding.get("SourceRef", ""): finding for finding in page["Findings"]}
        self.assertEqual(self.vedette.list_dataset_findings(ProjectName=project)["TotalCount"], sum(count["Count"] for count in check["FindingCounts"]))
        return found

    def put(self, name, body):
        self.s3.put_object(Bucket="parts", Key=name, Body=body)
        return f"s3://parts/{name}"

    def named(self, line, ref, mask=None):
        line = json.loads(json.dumps(line))
        line["source-ref"] = ref
        if mask:
            line["anomaly-mask-ref"] = mask
        return line

    def code_of(self, call, **members):
        with self.assertRaises(ClientError) as caught:
            call(**members)
        return caught.exception.response["Error"]["Code"]

    def test_1_what_is_sound_has_no_findings(self):
        self.assertEqual(self.code_of(self.vedette.start_dataset_check, ProjectName="sound"), "ResourceNotFoundException")
        self.create("sound")
        self.assertEqual(self.code_of(self.vedette.start_dataset_check, ProjectName="sound"), "ResourceNotFoundException")
        self.assertEqual(self.code_of(self.vedette.describe_dataset_check, ProjectName="sound"), "ResourceNotFoundException")
        self.assertEqual(self.code_of(self.vedette.list_dataset_findings, ProjectName="sound"), "ResourceNotFoundException")
        self.api.delete_project(ProjectName="sound")
        self.create("sound", train=self.lines)
        self.assertEqual(self.check("sound"), {})
        self.assertEqual(self.describe("sound")["StatusMessage"], f"{GOOD + BAD} labelled images were checked; there are 0 findings.")

    def test_2_the_faults_of_a_bad_dataset_are_found_and_not_found_again_once_mended(self):
        lines, good, bad = list(self.lines), self.lines[0], self.lines[GOOD]
        body = {line["source-ref"]: self.s3.get_object(Bucket="parts", Key=line["source-ref"].removeprefix("s3://parts/"))["Body"].read() for line in lines}

        def picture(number):
            return Image.open(io.BytesIO(body[lines[number]["source-ref"]]))

        def add(line, name, content, **more):
            lines.append(self.named(line, self.put("bad/" + name, content), **more))
            return lines[-1]["source-ref"]

        def mask(name, picture):
            return self.put("bad/masks/" + name, png(picture))
        broken = add(good, "broken.png", body[good["source-ref"]][:3000])
        gone = add(good, "gone.png", b"x")
        small = add(good, "small.png", png(picture(1).rotate(180).resize((72, 72), Image.LANCZOS)))
        copy = add(good, "copy.png", body[lines[2]["source-ref"]])
        jpeg = io.BytesIO()
        picture(3).save(jpeg, "JPEG", quality=80)
        near = add(good, "near.jpg", jpeg.getvalue())
        dark = add(good, "dark.png", png(picture(4).rotate(90).point(lambda v: v * 0.3)))
        other = add(bad, "other-label.png", body[lines[5]["source-ref"]])
        white, green = Image.new("RGB", (96, 96), "white"), Image.new("RGB", (96, 96), "#23A436")
        red = white.copy()
        red.paste("#ff0000", (10, 10, 30, 30))
        part = white.copy()
        part.paste("#23A436", (10, 10, 30, 30))
        masks = {}
        for number, (kind, drawn) in enumerate({"EMPTY_MASK": white, "FULL_MASK": green, "UNKNOWN_MASK_COLOR": red, "OTHER_MASK_SIZE": part.resize((90, 96))}.items()):
            line = lines[GOOD + 1 + number]
            masks[kind] = line["source-ref"]
            lines[GOOD + 1 + number] = self.named(line, line["source-ref"], mask(kind + ".png", drawn))
        text = lines[GOOD + 6]["source-ref"]
        lines[GOOD + 6] = self.named(lines[GOOD + 6], text, self.put("bad/masks/text.png", b"no picture"))
        test = [self.named(good, self.put("bad/test/copy.png", body[lines[7]["source-ref"]]))]
        self.create("bad", train=lines, test=test)
        self.s3.delete_object(Bucket="parts", Key="bad/gone.png")

        found = self.check("bad")
        self.assertEqual(set(found), {"MISSING", "UNREADABLE", "OTHER_SIZE", "UNREADABLE_MASK", *masks, "EXACT_DUPLICATE", "NEAR_DUPLICATE", "CONFLICTING_DUPLICATE",
                                      "TRAIN_TEST_DUPLICATE", "BRIGHTNESS_OUTLIER", "TOO_FEW"}, found)
        self.assertEqual(set(found["UNREADABLE"]), {broken})
        self.assertEqual(set(found["MISSING"]), {gone})
        self.assertEqual(found["MISSING"][gone]["Detail"], "The image does not exist.")
        self.assertEqual(set(found["OTHER_SIZE"]), {small})
        self.assertEqual(set(found["UNREADABLE_MASK"]), {text})
        for kind, ref in masks.items():
            self.assertEqual(set(found[kind]), {ref})
        self.assertEqual(set(found["BRIGHTNESS_OUTLIER"]), {dark})
        for kind, ref, original in (("EXACT_DUPLICATE", copy, 2), ("NEAR_DUPLICATE", near, 3), ("CONFLICTING_DUPLICATE", other, 5), ("TRAIN_TEST_DUPLICATE", test[0]["source-ref"], 7)):
            self.assertEqual(set(found[kind]), {ref}, kind)
            self.assertEqual(found[kind][ref]["RelatedSourceRef"], lines[original]["source-ref"])
            self.assertEqual(found[kind][ref]["RelatedDatasetType"], "train")
        self.assertEqual(found["TRAIN_TEST_DUPLICATE"][test[0]["source-ref"]]["DatasetType"], "test")
        self.assertEqual({finding["DatasetType"] for finding in self.vedette.list_dataset_findings(ProjectName="bad", Kind="TOO_FEW")["Findings"]}, {"test"})
        self.assertEqual(self.vedette.list_dataset_findings(ProjectName="bad", Offset=1, MaxResults=2)["Findings"], self.vedette.list_dataset_findings(ProjectName="bad")["Findings"][1:3])

        # The remedies of the console are lines without a label, and without a mask.
        mended = [{"source-ref": ref} for ref in (broken, small, copy, near, dark, other)]
        mended += [{name: value for name, value in line.items() if not name.startswith("anomaly-mask")} for line in lines if line["source-ref"] in (*masks.values(), text)]
        self.api.update_dataset_entries(ProjectName="bad", DatasetType="train", Changes="\n".join(map(json.dumps, mended)).encode())
        self.assertTrue(self.describe("bad")["IsOutdated"])
        self.settle("bad", "train")
        self.api.delete_dataset(ProjectName="bad", DatasetType="test")
        self.assertEqual(set(self.check("bad")), {"MISSING"})
        self.assertIn("6 unlabelled images, which no training uses, were left out.", self.describe("bad")["StatusMessage"])

    def test_3_pictures_are_read_with_the_rights_of_the_caller(self):
        self.vedette.create_user(UserName="clerk")
        self.vedette.put_policy(PolicyName="clerk", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["vedette:*DatasetCheck", "vedette:ListDatasetFindings"], "Resource": "*"},
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::parts/images/good*"}]}))
        self.vedette.attach_user_policy(UserName="clerk", PolicyName="clerk")
        key = self.vedette.create_access_key(UserName="clerk")["AccessKey"]
        clerk = self.client({"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]})
        clerk.start_dataset_check(ProjectName="sound")
        self.finish("sound")
        unread = clerk.list_dataset_findings(ProjectName="sound", Kind="MISSING")["Findings"]
        self.assertEqual({finding["SourceRef"] for finding in unread}, {line["source-ref"] for line in self.lines[GOOD:]})
        self.assertIn("s3:GetObject", unread[0]["Detail"])
        self.vedette.detach_user_policy(UserName="clerk", PolicyName="clerk")
        self.assertEqual(self.code_of(clerk.start_dataset_check, ProjectName="sound"), "AccessDeniedException")
        self.assertEqual(self.code_of(clerk.describe_dataset_check, ProjectName="sound"), "AccessDeniedException")

    def test_4_a_check_survives_a_kill_and_gives_way_to_the_next_one(self):
        lines = []
        for copy in range(COPIES):
            for line in self.lines:
                key = line["source-ref"].removeprefix("s3://parts/")
                self.s3.copy_object(Bucket="parts", Key=f"many/{copy}/{key}", CopySource={"Bucket": "parts", "Key": key})
                lines.append(self.named(line, f"s3://parts/many/{copy}/{key}"))
        self.create("many", train=lines)
        first = self.vedette.start_dataset_check(ProjectName="many")["DatasetCheck"]
        begun = self.vedette.start_dataset_check(ProjectName="many")["DatasetCheck"]
        self.assertGreater(begun["CreationTimestamp"], first["CreationTimestamp"])
        deadline = time.monotonic() + 120
        while (check := self.describe("many"))["CheckedCount"] == 0 and check["Status"] == "RUNNING" and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(check["Status"], "RUNNING")
        self.assertLess(check["CheckedCount"], len(lines))
        self.server.kill()
        self.server.start()
        self.connect()
        self.assertEqual(self.describe("many")["CreationTimestamp"], begun["CreationTimestamp"])
        ended = self.finish("many")
        self.assertEqual({count["Kind"]: count["Count"] for count in ended["FindingCounts"]}, {"EXACT_DUPLICATE": (COPIES - 1) * len(self.lines)})
        self.api.delete_dataset(ProjectName="many", DatasetType="train")
        self.assertTrue(self.describe("many")["IsOutdated"])
        self.api.delete_project(ProjectName="many")
        self.assertEqual(self.code_of(self.vedette.describe_dataset_check, ProjectName="many"), "ResourceNotFoundException")


if __name__ == "__main__":
    unittest.main()
