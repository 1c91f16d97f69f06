"""Tests the console with a browser, as people use it, and asks the server what it then holds. A Chromium does what a person does."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

from harness import BUILD, Server, sample_set

SCRIPTS = os.path.join(BUILD, "console", "copy", "console", "browser")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PROJECT = "flanges"
SERVER = None


def setUpModule():
    global SERVER
    SERVER = Server()


def tearDownModule():
    SERVER.destroy()


def pictures_of(manifest, kind):
    """Returns the files of the sample set that a manifest gives this class, in its order."""
    folder = sample_set()
    files = []
    with open(os.path.join(folder, "manifests", manifest), encoding="utf-8") as lines:
        for entry in map(json.loads, lines):
            if entry["anomaly-label-metadata"]["class-name"] == kind:
                files.append(os.path.normpath(os.path.join(folder, "manifests", "..", entry["source-ref"])))
    return files


def browser(script, *words, **options):
    environment = {**SERVER.client_environment(), "VEDETTE_ENDPOINT": SERVER.url, "CHROMIUM": CHROMIUM}
    return subprocess.Popen(["node", os.path.join(SCRIPTS, script), *words], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@unittest.skipUnless(os.path.exists(CHROMIUM) and shutil.which("node") and os.path.isdir(SCRIPTS), "needs Chromium, Node and a build with the console")
class Console(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.s3, self.lookout, self.vedette = SERVER.client("s3"), SERVER.client("lookoutvision"), SERVER.client("vedette")
        self.folder = tempfile.mkdtemp(prefix="vedette-console-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def copy(self, name, files):
        os.makedirs(os.path.join(self.folder, "pictures", name))
        for file in files:
            shutil.copy(file, os.path.join(self.folder, "pictures", name))

    def stats(self):
        return self.lookout.describe_dataset(ProjectName=PROJECT, DatasetType="train")["DatasetDescription"]["ImageStats"]

    def status(self):
        return self.lookout.describe_model(ProjectName=PROJECT, ModelVersion="1")["ModelDescription"]["Status"]

    def threshold(self):
        return self.vedette.describe_model_threshold(ProjectName=PROJECT, ModelVersion="1")

    def try_picture(self):
        with open(os.path.join(self.folder, "try.jpg"), "rb") as file:
            return self.lookout.detect_anomalies(ProjectName=PROJECT, ModelVersion="1", ContentType="image/jpeg", Body=file.read())["DetectAnomalyResult"]["IsAnomalous"]

    def check(self, name):
        """Says what the server must hold at each step of the script."""
        if name == "project":
            self.assertEqual([p["ProjectName"] for p in self.lookout.list_projects()["Projects"]], [PROJECT])
        elif name == "uploaded":
            self.assertEqual(self.stats(), {"Total": 42, "Labeled": 36, "Normal": 23, "Anomaly": 13})
            bucket = [b["Name"] for b in self.s3.list_buckets()["Buckets"] if b["Name"].startswith("lookoutvision-us-east-1-")]
            self.assertEqual(len(bucket), 1)
            self.assertEqual(self.s3.get_bucket_versioning(Bucket=bucket[0])["Status"], "Enabled")
            for item in self.s3.list_objects_v2(Bucket=bucket[0], Prefix="projects/flanges/")["Contents"]:
                self.assertRegex(item["Key"], r"^projects/flanges/train/pictures/(good|bad|unsorted)/.*\.jpg$")
                with open(os.path.join(self.folder, *item["Key"].split("/")[3:]), "rb") as file:
                    self.assertEqual(self.s3.get_object(Bucket=bucket[0], Key=item["Key"])["Body"].read(), file.read())
        elif name == "labelled":
            self.assertEqual(self.stats(), {"Total": 42, "Labeled": 42, "Normal": 26, "Anomaly": 16})
            for line in self.lookout.list_dataset_entries(ProjectName=PROJECT, DatasetType="train", SourceRefContains="unsorted")["DatasetEntries"]:
                entry = json.loads(line)
                self.assertTrue(os.path.basename(entry["source-ref"]).startswith(entry["anomaly-label-metadata"]["class-name"]))
                self.assertEqual(entry["anomaly-label-metadata"]["human-annotated"], "yes")
        elif name == "doctor":
            check = self.vedette.describe_dataset_check(ProjectName=PROJECT)["DatasetCheck"]
            self.assertEqual((check["Status"], check["ImageCount"], check["IsOutdated"]), ("COMPLETED", 42, False))
            copies = self.vedette.list_dataset_findings(ProjectName=PROJECT, Kind="CONFLICTING_DUPLICATE")["Findings"]
            self.assertEqual(len(copies), 1)
            self.assertTrue(any(copies[0][member].endswith("/bad/copy.jpg") for member in ("SourceRef", "RelatedSourceRef")))
        elif name == "mended":
            self.assertEqual(self.stats(), {"Total": 42, "Labeled": 41, "Normal": 26, "Anomaly": 15})
        elif name == "training":
            self.assertIn(self.status(), ("TRAINING", "TRAINED"))
        elif name == "results":
            self.assertEqual(self.status(), "TRAINED")
            self.assertNotIn("ChangedBy", self.threshold())
        elif name == "threshold":
            moved = self.threshold()
            self.assertGreater(moved["Threshold"], moved["TrainedThreshold"])
            self.assertEqual(moved["ChangedBy"], "admin")
        elif name == "trial":
            trial = self.vedette.describe_trial_detection(ProjectName=PROJECT, TrialName="first")["TrialDetection"]
            self.assertEqual((trial["Status"], trial["ModelVersion"], trial["JudgedCount"]), ("COMPLETED", "1", 2))
        elif name == "verified":
            images = self.vedette.list_trial_detection_images(ProjectName=PROJECT, TrialName="first")["Images"]
            self.assertEqual([image["Verification"] for image in images], ["CORRECT"] * 2)
            self.verdicts = sorted("anomaly" if image["IsAnomalous"] else "normal" for image in images)
        elif name == "taught":
            self.assertEqual(self.stats()["Labeled"], 43)
            lines = self.lookout.list_dataset_entries(ProjectName=PROJECT, DatasetType="train", SourceRefContains="/trials/first-")["DatasetEntries"]
            self.assertEqual(sorted(json.loads(line)["anomaly-label-metadata"]["class-name"] for line in lines), self.verdicts)
        elif name == "tried":
            self.assertEqual(self.status(), "HOSTED")
            self.was_anomalous = self.try_picture()
        elif name in ("corrected", "corrections"):
            corrections = self.vedette.list_model_corrections(ProjectName=PROJECT, ModelVersion="1")["Corrections"]
            self.assertEqual([(c["IsAnomalous"], c["IsNeeded"], c["CorrectedBy"]) for c in corrections], [(not self.was_anomalous, True, "admin")])
            self.assertEqual(self.try_picture(), not self.was_anomalous)
        elif name == "taken-back":
            self.assertEqual(self.vedette.list_model_corrections(ProjectName=PROJECT, ModelVersion="1")["Corrections"], [])
            self.assertEqual(self.try_picture(), self.was_anomalous)
        elif name == "stopped":
            self.assertEqual(self.status(), "TRAINED")
        elif name == "deleted":
            self.assertEqual(self.lookout.list_projects()["Projects"], [])
        elif name == "audit":
            moves = self.vedette.list_audit_events(ResourceName=PROJECT, EventName="UpdateModelThreshold")["Events"]
            self.assertEqual([(move["UserName"], move["ReadOnly"]) for move in moves], [("admin", False)])

    def test_the_whole_job(self):
        normal, anomaly = pictures_of("train.manifest", "normal"), pictures_of("train.manifest", "anomaly")
        self.copy("good", normal[:23])
        self.copy("bad", anomaly[:12])
        shutil.copy(normal[0], os.path.join(self.folder, "pictures", "bad", "copy.jpg"))
        # The script labels these six by key, in the order of their names: anomalous ones first.
        self.copy("unsorted", normal[23:26] + anomaly[12:15])
        shutil.copy(pictures_of("test.manifest", "anomaly")[0], os.path.join(self.folder, "try.jpg"))
        os.mkdir(os.path.join(self.folder, "trial"))
        for kind in ("normal", "anomaly"):
            shutil.copy(pictures_of("test.manifest", kind)[1], os.path.join(self.folder, "trial"))
        script = browser("main_job.mjs", self.folder)
        checked = []
        try:
            for line in script.stdout:
                if line.startswith("CHECK "):
                    name = line.split()[1]
                    with self.subTest(name):
                        self.check(name)
                    checked.append(name)
                    script.stdin.write("seen\n")
                    script.stdin.flush()
            self.assertEqual((script.wait(60), checked[-1]), (0, "audit"), script.stderr.read())
        finally:
            script.kill()
            script.communicate()

    def test_an_upload_goes_on_after_its_tab_was_killed(self):
        self.lookout.create_project(ProjectName="killed")
        self.addCleanup(self.lookout.delete_project, ProjectName="killed")
        self.addCleanup(self.lookout.delete_dataset, ProjectName="killed", DatasetType="train")
        source = pictures_of("train.manifest", "normal")[0]
        self.copy("good", [])
        with open(source, "rb") as file:
            content = file.read()
        for i in range(1000):
            with open(os.path.join(self.folder, "pictures", "good", f"{i:04}.jpg"), "wb") as file:
                file.write(content + b"%d" % i)  # Decoders do not read what follows the end mark.
        script = browser("killed_upload.mjs", os.path.join(self.folder, "pictures"), "killed")
        out, err = script.communicate(timeout=300)
        self.assertEqual(script.returncode, 0, err)
        sent = json.loads(out)["sent"]
        bucket = [b["Name"] for b in self.s3.list_buckets()["Buckets"] if b["Name"].startswith("lookoutvision-us-east-1-")][0]
        versions = []
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix="projects/killed/"):
            versions += page["Versions"]
        self.assertEqual(len({v["Key"] for v in versions}), 1000)
        # What the first tab had sent was not sent again.
        self.assertEqual(len(versions), 1000)
        self.assertIn(sent, range(128, 1000))
        stats = self.lookout.describe_dataset(ProjectName="killed", DatasetType="train")["DatasetDescription"]["ImageStats"]
        self.assertEqual(stats, {"Total": 1000, "Labeled": 1000, "Normal": 1000, "Anomaly": 0})

    def test_what_another_tool_exported_comes_in_and_goes_out_again(self):
        self.copy("images", pictures_of("train.manifest", "anomaly")[:2] + pictures_of("train.manifest", "normal")[:1])
        folder = os.path.join(self.folder, "pictures")
        names = sorted(os.listdir(os.path.join(folder, "images")))
        with open(os.path.join(folder, "labels.json"), "w", encoding="utf-8") as file:
            square = {"category_id": 1, "iscrowd": 0, "bbox": [20, 30, 10, 10], "area": 100, "segmentation": [[20, 30, 30, 30, 30, 40, 20, 40]]}
            json.dump({"images": [{"id": n, "file_name": name} for n, name in enumerate(names)], "categories": [{"id": 1, "name": "scratch"}],
                       "annotations": [{"id": 1, "image_id": 0, **square}, {"id": 2, "image_id": 1, **square}, {"id": 3, "image_id": 77, **square}]}, file)
        coco = os.path.join(self.folder, "coco.json")
        out, err = browser("other_tools.mjs", folder, coco).communicate(timeout=300)
        self.addCleanup(self.lookout.delete_project, ProjectName="imported")
        self.addCleanup(self.lookout.delete_dataset, ProjectName="imported", DatasetType="train")
        self.assertTrue(out, err)
        self.assertRegex(json.loads(out)["told"][0], "labels.json.*77")
        self.assertEqual(err, "")
        stats = self.lookout.describe_dataset(ProjectName="imported", DatasetType="train")["DatasetDescription"]["ImageStats"]
        self.assertEqual(stats, {"Total": 3, "Labeled": 2, "Normal": 0, "Anomaly": 2})
        lines = [json.loads(line) for line in self.lookout.list_dataset_entries(ProjectName="imported", DatasetType="train")["DatasetEntries"]]
        masks = [line["anomaly-mask-ref-metadata"]["internal-color-map"]["1"]["class-name"] for line in lines if "anomaly-mask-ref" in line]
        self.assertEqual(masks, ["groove", "groove"])
        with open(coco, encoding="utf-8") as file:
            exported = json.load(file)
        self.assertEqual([os.path.basename(image["file_name"]) for image in exported["images"]], names[:2])
        self.assertEqual([(a["area"], a["bbox"]) for a in exported["annotations"]], [(100, [20, 30, 10, 10])] * 2)
        self.assertEqual([c["name"] for c in exported["categories"]], ["groove"])

    def test_a_station_is_looked_at_and_teaches_a_project(self):
        self.s3.create_bucket(Bucket="kept")
        with open(pictures_of("train.manifest", "anomaly")[0], "rb") as file:
            self.s3.put_object(Bucket="kept", Key="stations/line-1/5.jpg", Body=file.read(), ContentType="image/jpeg")
        self.lookout.create_project(ProjectName="line")
        self.addCleanup(self.lookout.delete_project, ProjectName="line")
        self.lookout.create_dataset(ProjectName="line", DatasetType="train")
        self.addCleanup(self.lookout.delete_dataset, ProjectName="line", DatasetType="train")
        script = browser("stations.mjs", "line-1", "line")
        self.assertEqual(script.stdout.readline(), "empty\n")
        self.vedette.put_station_report(StationName="line-1", AgentVersion="1.0", Models=[{"ModelComponent": "flange", "ComponentVersion": "1.0.0", "State": "RUNNING"}],
                                        Findings=[{"Check": "source", "Level": "ERROR", "Message": "The camera is offline."}], Counters=[{"Name": "waiting.server", "Value": 0}])
        record = {"journal": "j", "station": "line-1", "model": "flange", "model_version": "1.0.0", "state": "judged", "source": "camera", "confidence": 0.75, "score": 0.5, "threshold": 0.25}
        now = time.time_ns()
        lines = [{**record, "seq": n, "trigger_id": f"part-{n}", "t_verdict_ns": now + n * 10**9, "is_anomalous": n == 5} for n in (1, 5, 6, 7, 8)]
        lines[1].update(picture="s3://kept/stations/line-1/5.jpg", classes=[{"name": "dent", "area": 0.25, "color": "#ff0000"}])
        lines[3].update(state="no_picture", reason="Camera gave nothing", is_anomalous=True, confidence=0)
        self.vedette.put_station_verdicts(StationName="line-1", Records=[json.dumps(line) for line in lines])
        out, err = script.communicate("fed\n", timeout=120)
        self.assertEqual((script.returncode, err), (0, ""))
        entry, = self.lookout.list_dataset_entries(ProjectName="line", DatasetType="train")["DatasetEntries"]
        self.assertEqual((json.loads(entry)["source-ref"], json.loads(entry)["anomaly-label-metadata"]["class-name"]), ("s3://kept/stations/line-1/5.jpg", "anomaly"))
        self.assertEqual(self.vedette.list_stations()["Stations"], [])

    def test_objects_never_run_scripts_in_a_browser(self):
        self.s3.create_bucket(Bucket="hostile")
        objects = {"page.html": ("text/html", b"<!doctype html><script>fetch('/healthz?script-ran')</script>"),
                   "drawing.svg": ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'><script>fetch('/healthz?script-ran')</script></svg>"),
                   "picture.png": ("image/png", b"<!doctype html><script>fetch('/healthz?script-ran')</script>")}
        urls = []
        for key, (kind, body) in objects.items():
            self.s3.put_object(Bucket="hostile", Key=key, Body=body, ContentType=kind)
            for more in ({}, {"ResponseContentDisposition": "inline"}):
                urls.append(self.s3.generate_presigned_url("get_object", Params={"Bucket": "hostile", "Key": key, **more}))
        script = browser("objects.mjs", *urls)
        out, err = script.communicate(timeout=120)
        self.assertEqual(script.returncode, 0, err)
        outcomes = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(len(outcomes), len(urls))
        self.assertFalse(any(outcome["ran"] for outcome in outcomes), outcomes)


if __name__ == "__main__":
    unittest.main()
