"""Tests a threshold that the owner of a model moves, and the anomaly map: with a model in service, its scores, its audit and its archive."""
import glob
import io
import json
import math
import os
import shutil
import tempfile
import unittest
import zipfile

from PIL import Image
from botocore.exceptions import ClientError

from harness import Server, run, upload_lines, wait_while, write_tiny_set
from test_stations import STATION, Probe

GOOD, BAD = 30, 20
MODEL = {"ProjectName": "p", "ModelVersion": "1"}


class Thresholds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.destroy)
        cls.folder = tempfile.mkdtemp(prefix="vedette-thresholds-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.connect()
        lines = write_tiny_set(cls.folder, normal=GOOD, anomaly=BAD, masks=True)
        cls.lines = upload_lines(cls.s3, cls.folder, "parts", lines, "train.manifest")
        cls.api.create_project(ProjectName="p")
        cls.api.create_dataset(ProjectName="p", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "parts", "Key": "train.manifest"}}})
        cls.api.create_model(ProjectName="p", OutputConfig={"S3Location": {"Bucket": "parts", "Prefix": "out/"}})
        trained = cls.wait("TRAINING")
        if trained["Status"] != "TRAINED":
            raise RuntimeError(trained["StatusMessage"])
        cls.api.start_model(**MODEL, MinInferenceUnits=1)
        cls.wait("STARTING_HOSTING")

    @classmethod
    def connect(cls):
        """Makes clients for the server, which has another address after each start."""
        cls.api, cls.s3 = cls.server.client("lookoutvision"), cls.server.client("s3")
        cls.vedette = cls.server.client("vedette")

    @classmethod
    def wait(cls, *busy):
        return wait_while(lambda: cls.api.describe_model(**MODEL)["ModelDescription"], busy, 0.05)

    def detect(self, number):
        with open(os.path.join(self.folder, self.lines[number]["source-ref"].removeprefix("s3://parts/")), "rb") as file:
            answer = self.api.detect_anomalies(**MODEL, ContentType="image/png", Body=file.read())["DetectAnomalyResult"]
        return answer["IsAnomalous"], answer["Confidence"]

    def map_of(self, number):
        return self.vedette.compute_anomaly_map(**MODEL, SourceRef=self.lines[number]["source-ref"])

    def code_of(self, call, **members):
        with self.assertRaises(ClientError) as caught:
            call(**members)
        return caught.exception.response["Error"]["Code"]

    def told(self):
        return {k: v for k, v in self.vedette.describe_model_threshold(**MODEL).items() if k != "ResponseMetadata"}

    def test_1_the_map_shows_where_the_defect_is(self):
        for number in range(GOOD, GOOD + 3):
            found = self.map_of(number)
            self.assertEqual((found["Width"], found["Height"]), (96, 96))
            picture = Image.open(io.BytesIO(found["Map"]))
            self.assertEqual((picture.format, picture.mode, picture.size), ("PNG", "L", (found["MapWidth"], found["MapHeight"])))
            with open(os.path.join(self.folder, self.lines[number]["anomaly-mask-ref"].removeprefix("s3://parts/")), "rb") as file:
                mask = Image.open(io.BytesIO(file.read())).convert("RGB").resize(picture.size)
            levels = list(zip(picture.getdata(), (pixel != (255, 255, 255) for pixel in mask.getdata())))
            brightest, is_defect = max(levels)
            self.assertTrue(is_defect)
            self.assertGreater(brightest, found["MapThreshold"])
            background = [level for level, marked in levels if not marked]
            # How far the background lies below the mask's threshold depends on how long the training was.
            self.assertLess(sorted(background)[len(background) // 2], brightest)
            self.assertEqual((found["IsAnomalous"], found["Score"] >= found["Threshold"]), (True, True))
            self.assertAlmostEqual(found["Confidence"], self.detect(number)[1], places=5)
        good = self.map_of(0)
        self.assertEqual((good["IsAnomalous"], good["Score"] < good["Threshold"]), (False, True))
        self.assertEqual(self.code_of(self.vedette.compute_anomaly_map, **MODEL, SourceRef="s3://parts/none.png"), "ValidationException")
        self.assertEqual(self.code_of(self.vedette.compute_anomaly_map, **MODEL, SourceRef="none.png"), "ValidationException")
        self.assertEqual(self.code_of(self.vedette.compute_anomaly_map, **MODEL, SourceRef="s3://parts/train.manifest"), "ValidationException")
        self.assertEqual(self.code_of(self.vedette.compute_anomaly_map, **MODEL, SourceRef="s3://.vedette/models/x"), "AccessDeniedException")

    def test_2_a_moved_threshold_is_obeyed_at_once_and_the_confidence_stays_true(self):
        trained = self.told()
        self.assertEqual(set(trained), {"Threshold", "TrainedThreshold"})
        self.assertEqual(trained["Threshold"], trained["TrainedThreshold"])
        scores = {number: self.map_of(number)["Score"] for number in (*range(4), *range(GOOD, GOOD + 4))}
        before = {number: self.detect(number) for number in scores}
        self.assertEqual([before[number][0] for number in scores], [False] * 4 + [True] * 4)
        # Between the best and the worst good picture.
        ranked = sorted(scores[number] for number in range(4))
        moved = (ranked[1] + ranked[2]) / 2
        answer = self.vedette.update_model_threshold(**MODEL, Threshold=moved)
        self.assertEqual((answer["Threshold"], answer["TrainedThreshold"], answer["ChangedBy"]), (moved, trained["Threshold"], "admin"))
        self.assertEqual(self.told()["ChangedAt"], answer["ChangedAt"])

        def check():
            for number, score in scores.items():
                is_anomalous, confidence = self.detect(number)
                self.assertEqual(is_anomalous, score >= moved)
                was_anomalous, was_confident = before[number]
                # The probability that the picture is anomalous is what it was.
                self.assertAlmostEqual(confidence if is_anomalous == was_anomalous else 1 - confidence, was_confident, places=6)
                found = self.map_of(number)
                self.assertEqual((found["IsAnomalous"], found["Score"], found["Threshold"]), (is_anomalous, score, moved))
        check()
        # What was acknowledged survives a kill, and a model that starts later obeys it, too.
        self.server.kill()
        self.server.start()
        self.connect()
        self.wait("STARTING_HOSTING")
        self.assertEqual(self.told()["Threshold"], moved)
        check()
        for wrong in (0, -1, 1e7):
            self.assertEqual(self.code_of(self.vedette.update_model_threshold, **MODEL, Threshold=wrong), "ValidationException")
        self.assertEqual(self.told()["Threshold"], moved)
        with open(sorted(glob.glob(os.path.join(self.server.data, "audit", "*.jsonl")))[-1], encoding="utf-8") as file:
            moves = [event for event in map(json.loads, file) if event["eventName"] == "UpdateModelThreshold" and "errorCode" not in event]
        self.assertEqual([(move["userIdentity"]["userName"], move["requestParameters"]["threshold"]) for move in moves], [("admin", moved)])

        # An archive has the threshold that is in force.
        self.api.start_model_packaging_job(**MODEL, JobName="j", Configuration={"Greengrass": {
            "S3OutputLocation": {"Bucket": "parts", "Prefix": "packages/"}, "ComponentName": "part", "TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}}})
        job = wait_while(lambda: self.api.describe_model_packaging_job(ProjectName="p", JobName="j")["ModelPackagingDescription"], ["CREATED", "RUNNING"], 0.05)
        self.assertEqual(job["Status"], "SUCCEEDED", job["StatusMessage"])
        key = self.s3.list_objects_v2(Bucket="parts", Prefix="packages/")["Contents"][0]["Key"]
        unpacked = os.path.join(self.folder, "unpacked")
        with zipfile.ZipFile(io.BytesIO(self.s3.get_object(Bucket="parts", Key=key)["Body"].read())) as archive:
            archive.extractall(unpacked)
        manifest = glob.glob(os.path.join(unpacked, "**", "manifest.json"), recursive=True)[0]
        with open(manifest, encoding="utf-8") as file:
            decision = json.load(file)["decision"]
        self.assertEqual((decision["threshold"], decision["trained_threshold"]), (moved, trained["Threshold"]))
        picture = os.path.join(self.folder, self.lines[GOOD]["source-ref"].removeprefix("s3://parts/"))
        for line in filter(None, run("detect", os.path.dirname(manifest), picture, "--json").splitlines()):
            verdict = json.loads(line)
            if "confidence" in verdict:
                is_anomalous, confidence = self.detect(GOOD)
                self.assertEqual(verdict["is_anomalous"], is_anomalous)
                self.assertTrue(math.isclose(verdict["confidence"], confidence, abs_tol=1e-3), verdict)
                break
        else:
            self.fail("the archive judged nothing")

        back = self.vedette.update_model_threshold(**MODEL)
        self.assertEqual((back["Threshold"], "ChangedBy" in back), (trained["Threshold"], False))
        for number, verdict in before.items():
            self.assertEqual(self.detect(number), verdict)

    def test_3_the_most_alike_place_of_the_good_pictures_is_told(self):
        good = {line["source-ref"] for line in self.lines[:GOOD]}
        defect, own = self.lines[GOOD]["source-ref"], self.lines[0]["source-ref"]
        found = self.vedette.find_nearest_patch(**MODEL, SourceRef=defect)
        self.assertNotIn("Reason", found)
        self.assertIn(found["NearestSourceRef"], good)
        # Without a place it is the oddest one, which is where the defect is.
        with Image.open(os.path.join(self.folder, self.lines[GOOD]["anomaly-mask-ref"].removeprefix("s3://parts/"))) as mask:
            area = found["Area"]
            part = mask.convert("RGB").crop((area["Left"], area["Top"], area["Left"] + area["Width"], area["Top"] + area["Height"]))
            self.assertTrue(any(pixel != (255, 255, 255) for pixel in part.getdata()))
        for place in ({"X": 0, "Y": 0}, {"X": 95, "Y": 50}):
            found = self.vedette.find_nearest_patch(**MODEL, SourceRef=own, Place=place)
            # What the bank has of the picture itself does not count.
            self.assertIn(found["NearestSourceRef"], good - {own})
            for area in (found["Area"], found["NearestArea"]):
                self.assertTrue(0 <= area["Left"] and area["Left"] + area["Width"] <= 96 and 0 <= area["Top"] and area["Top"] + area["Height"] <= 96, area)
            self.assertTrue(found["Area"]["Left"] <= place["X"] < found["Area"]["Left"] + found["Area"]["Width"])
        self.assertEqual(self.code_of(self.vedette.find_nearest_patch, **MODEL, SourceRef=own, Place={"X": 96, "Y": 0}), "ValidationException")
        self.assertEqual(self.code_of(self.vedette.find_nearest_patch, **MODEL), "ValidationException")
        self.assertEqual(self.code_of(self.vedette.find_nearest_patch, **MODEL, SourceRef="s3://parts/none.png"), "ValidationException")
        self.assertEqual(self.code_of(self.vedette.find_nearest_patch, **MODEL, SourceRef="s3://.vedette/models/x"), "AccessDeniedException")

    def test_4_a_model_that_is_not_in_service_has_a_threshold_and_can_be_asked_what_it_sees(self):
        served = self.map_of(GOOD)
        self.api.stop_model(**MODEL)
        self.wait("STOPPING_HOSTING")
        self.assertEqual(self.told()["Threshold"], self.told()["TrainedThreshold"])
        looked = self.map_of(GOOD)
        for member in ("Map", "AnomalyMask", "Score", "Confidence", "IsAnomalous"):
            self.assertEqual(looked[member], served[member], member)
        with open(os.path.join(self.folder, self.lines[GOOD]["source-ref"].removeprefix("s3://parts/")), "rb") as file:
            content = file.read()
        sent = self.vedette.compute_anomaly_map(**MODEL, Image=content)
        self.assertEqual((sent["Map"], sent["Score"]), (looked["Map"], looked["Score"]))
        self.assertIn("NearestSourceRef", self.vedette.find_nearest_patch(**MODEL, Image=content))
        for wrong in ({}, {"Image": content, "SourceRef": self.lines[0]["source-ref"]}, {"Image": b"no picture"}):
            self.assertEqual(self.code_of(self.vedette.compute_anomaly_map, **MODEL, **wrong), "ValidationException", list(wrong))
        self.assertNotIn("AnomalyMask", self.map_of(0))
        self.assertEqual(self.api.describe_model(**MODEL)["ModelDescription"]["Status"], "TRAINED")
        labels = {picture["SourceRef"]: picture.get("AnomalyLabels", []) for picture in self.vedette.describe_model_evaluation(**MODEL, MaxResults=1000)["Pictures"]}
        self.assertEqual(labels[self.lines[0]["source-ref"]], [])
        self.assertTrue(labels[self.lines[GOOD]["source-ref"]])


    def package(self, name, **greengrass):
        configuration = {"S3OutputLocation": {"Bucket": "parts", "Prefix": "packages/"}, "TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}, **greengrass}
        self.api.start_model_packaging_job(**MODEL, JobName=name, Configuration={"Greengrass": configuration})
        job = wait_while(lambda: self.api.describe_model_packaging_job(ProjectName="p", JobName=name)["ModelPackagingDescription"], ["CREATED", "RUNNING"], 0.05)
        self.assertEqual(job["Status"], "SUCCEEDED", job["StatusMessage"])
        start = f"packages/{greengrass['ComponentName']}/{greengrass['ComponentVersion']}/{greengrass['ComponentName']}-{greengrass['ComponentVersion']}"
        return start + "-greengrass_model_component.zip", start + "-recipe.json"

    def test_8_a_package_is_a_greengrass_component(self):
        archive, recipe = self.package("component", ComponentName="com.example.part", ComponentVersion="1.2.3")
        told = json.loads(self.s3.get_object(Bucket="parts", Key=recipe)["Body"].read())
        self.assertEqual((told["ComponentName"], told["ComponentVersion"], told["Manifests"][0]["Artifacts"]), ("com.example.part", "1.2.3", [{"Uri": f"s3://parts/{archive}", "Unarchive": "ZIP"}]))
        with zipfile.ZipFile(io.BytesIO(self.s3.get_object(Bucket="parts", Key=archive)["Body"].read())) as content:
            manifest = json.loads(content.read("manifest.json"))
        self.assertEqual(manifest["dataset"], {"image_height": 96, "image_width": 96})
        self.assertEqual(manifest["model_graph"]["threshold"], manifest["decision"]["threshold"])
        self.assertEqual(manifest["model_graph"]["pixel_level_classes"]["names"], [label["name"] for label in manifest["segmentation"]["labels"]])
        # Another server, or a project that was deleted, may have made a component of this name and version.
        self.s3.put_object(Bucket="parts", Key="packages/foreign/1.0.0/foreign-1.0.0-recipe.json", Body=b"{}")
        self.assertEqual(self.code_of(self.package, name="foreign", ComponentName="foreign", ComponentVersion="1.0.0"), "ConflictException")

    def test_9_a_station_fetches_the_version_that_the_server_chose(self):
        self.package("first", ComponentName="line-part", ComponentVersion="1.0.0")
        keys = self.server.credentials()
        probe = Probe(self.folder, self.server, (keys["aws_access_key_id"], keys["aws_secret_access_key"]))
        self.addCleanup(probe.close)
        probe.show(("line-part", "0.9.0", "RUNNING"))
        channel = {"StationName": STATION, "ModelComponent": "line-part", "ProjectName": "p"}
        wait_while(lambda: {"Status": "none" if not self.vedette.list_stations()["Stations"] else "known"}, ["none"], 0.05)
        self.vedette.update_station_channel(**channel, JobName="first")
        self.assertEqual(probe.line(), "chosen line-part 1.0.0")
        picture = os.path.join(self.folder, self.lines[GOOD]["source-ref"].removeprefix("s3://parts/"))
        verdict = next(v for v in map(json.loads, run("detect", os.path.join(probe.models, "line-part", "1.0.0"), picture, "--json").splitlines()) if "confidence" in v)
        self.assertEqual(verdict["is_anomalous"], self.map_of(GOOD)["IsAnomalous"])
        # An archive that somebody has changed since does not become a version.
        archive, _ = self.package("second", ComponentName="line-part", ComponentVersion="2.0.0")
        self.s3.put_object(Bucket="parts", Key=archive, Body=b"something else")
        self.vedette.update_station_channel(**channel, JobName="second")
        wait_while(lambda: {"Status": str("SHA-256" in str(self.vedette.describe_station(StationName=STATION)["Station"]["Findings"]))}, ["False"], 0.05)
        self.assertEqual([name for name in os.listdir(os.path.join(probe.models, "line-part")) if not name.startswith(".")], ["1.0.0"])
        # Without a channel nothing more is fetched, and going back needs no fetch.
        self.s3.delete_object(Bucket="parts", Key="packages/line-part/1.0.0/line-part-1.0.0-greengrass_model_component.zip")
        self.vedette.update_station_channel(**channel, JobName="first")
        self.assertEqual(probe.line(), "chosen line-part 1.0.0")



if __name__ == "__main__":
    unittest.main()
