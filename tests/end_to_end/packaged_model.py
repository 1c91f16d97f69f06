"""A model on its way to the line, as customers take it: trained and hosted by a server, packaged by a packaging job, downloaded and unpacked. Suites of the agent compare its verdicts with the server's."""
import glob
import io
import os
import shutil
import struct
import tempfile
import unittest
import zipfile

from PIL import Image

from edge import stubs
from harness import Server, upload_lines, wait_while, write_tiny_set

GOOD, BAD = 30, 20
MODEL = {"ProjectName": "p", "ModelVersion": "1"}
SIDE = 96


def as_float32(number):
    return struct.unpack("f", struct.pack("f", number))[0]


class PackagedModel(unittest.TestCase):
    """Offers the server, some pictures with its verdicts (`before`), and version 1.0.0 of the component `part` in `packages`."""

    @classmethod
    def setUpClass(cls):
        cls.messages, cls.stubs = stubs()
        cls.folder = tempfile.mkdtemp(prefix="vedette-edge-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.server = Server()
        cls.addClassCleanup(cls.server.destroy)
        # On a busy machine pictures are throttled, and sent again.
        cls.api, cls.s3 = cls.server.client("lookoutvision", retries={"mode": "standard", "max_attempts": 10}), cls.server.client("s3")
        lines = write_tiny_set(cls.folder, normal=GOOD, anomaly=BAD, masks=True)
        upload_lines(cls.s3, cls.folder, "parts", lines, "train.manifest")
        cls.api.create_project(ProjectName="p")
        cls.api.create_dataset(ProjectName="p", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "parts", "Key": "train.manifest"}}})
        cls.api.create_model(ProjectName="p", OutputConfig={"S3Location": {"Bucket": "parts", "Prefix": "out/"}})
        describe = lambda: cls.api.describe_model(**MODEL)["ModelDescription"]
        trained = wait_while(describe, ["TRAINING"], 0.05)
        if trained["Status"] != "TRAINED":
            raise RuntimeError(trained["StatusMessage"])
        cls.api.start_model(**MODEL, MinInferenceUnits=1)
        wait_while(describe, ["STARTING_HOSTING"], 0.05)
        cls.pictures = {}
        for path in [*sorted(glob.glob(os.path.join(cls.folder, "images", "good*")))[:4], *sorted(glob.glob(os.path.join(cls.folder, "images", "bad*")))[:6]]:
            with open(path, "rb") as file:
                cls.pictures[path] = file.read()
        cls.before = {path: cls.detect_at_server(content) for path, content in cls.pictures.items()}
        cls.packages = {"1.0.0": cls.package("1.0.0")}

    @classmethod
    def detect_at_server(cls, content):
        return cls.api.detect_anomalies(**MODEL, ContentType="image/png", Body=content)["DetectAnomalyResult"]

    @classmethod
    def package(cls, version, arch="X86_64"):
        name = version.replace(".", "-")
        cls.api.start_model_packaging_job(**MODEL, JobName=name, Configuration={"Greengrass": {
            "S3OutputLocation": {"Bucket": "parts", "Prefix": "packages/"}, "ComponentName": "part", "ComponentVersion": version, "TargetPlatform": {"Os": "LINUX", "Arch": arch}}})
        job = wait_while(lambda: cls.api.describe_model_packaging_job(ProjectName="p", JobName=name)["ModelPackagingDescription"], ["CREATED", "RUNNING"], 0.05)
        if job["Status"] != "SUCCEEDED":
            raise RuntimeError(job["StatusMessage"])
        key = next(o["Key"] for o in cls.s3.list_objects_v2(Bucket="parts", Prefix="packages/")["Contents"] if version in o["Key"] and o["Key"].endswith(".zip"))
        archive = os.path.join(cls.folder, version + ".zip")
        cls.s3.download_file("parts", key, archive)
        return archive

    @classmethod
    def install(cls, component, version, models):
        """Unpacks a package where the agent finds it, all at once, as an update does."""
        folder = os.path.join(models, component)
        os.makedirs(folder, exist_ok=True)
        with zipfile.ZipFile(cls.packages[version]) as archive:
            archive.extractall(os.path.join(folder, ".new"))
        os.rename(os.path.join(folder, ".new"), os.path.join(folder, version))

    def pixels(self, path):
        return Image.open(io.BytesIO(self.pictures[path])).convert("RGB").tobytes()

    def request(self, path, component="part"):
        return self.messages.DetectAnomaliesRequest(model_component=component, bitmap=self.messages.Bitmap(width=SIDE, height=SIDE, byte_data=self.pixels(path)))

    def check_verdict(self, result, expected, mask):
        """Compares a verdict with the server's; numbers are float32 in gRPC."""
        self.assertEqual(result.is_anomalous, expected["IsAnomalous"])
        self.assertEqual(result.confidence, as_float32(expected["Confidence"]))
        self.assertEqual([(a.name, a.pixel_anomaly.total_percentage_area, a.pixel_anomaly.hex_color) for a in result.anomalies],
                         [(a["Name"], as_float32(a["PixelAnomaly"]["TotalPercentageArea"]), a["PixelAnomaly"]["Color"]) for a in expected["Anomalies"]])
        self.assertEqual((result.anomaly_mask.width, result.anomaly_mask.height), (SIDE, SIDE))
        self.assertEqual(mask, Image.open(io.BytesIO(expected["AnomalyMask"])).convert("RGB").tobytes())
