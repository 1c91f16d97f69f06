"""Takes the steps of docs/nodes.md, From one machine to three, and the way back: a server on a folder becomes two nodes on PostgreSQL and S3, with its trained model."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from harness import ROOT, VEDETTE, Server, run, upload_lines, wait_while, write_tiny_set

sys.path.insert(0, os.path.join(ROOT, "tests"))
from postgresql import Postgresql


class MoreMachines(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vedette-machines-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def place(self, name):
        return os.path.join(self.folder, name)

    def copy_objects(self, source, target, store, *options):
        """Returns what `vedette objects copy` prints of each bucket: how many objects it copied, and how many were there."""
        keys = {name.upper(): value for name, value in store.credentials().items()}
        done = run("objects", "copy", "--from", source, "--to", target, "--objects-endpoint", store.url, *options, env={**os.environ, **keys})
        words = [line.split() for line in done.splitlines() if " copied, " in line]
        return {" ".join(w[:w.index("copied,") - 1]): (int(w[w.index("copied,") - 1]), int(w[w.index("were") - 1])) for w in words}

    def train(self, server):
        sample = self.place("sample")
        lines = write_tiny_set(sample, normal=25, anomaly=20)
        upload_lines(server.client("s3"), sample, "line7", lines, "train.manifest")
        api = server.client("lookoutvision")
        api.create_project(ProjectName="p")
        api.create_dataset(ProjectName="p", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "line7", "Key": "train.manifest"}}})
        api.create_model(ProjectName="p", OutputConfig={"S3Location": {"Bucket": "line7", "Prefix": "out/"}})
        trained = wait_while(self.describe(api), ["TRAINING"])
        self.assertEqual(trained["Status"], "TRAINED", trained["StatusMessage"])
        with open(os.path.join(sample, lines[-1]["source-ref"]), "rb") as file:
            return file.read()

    @staticmethod
    def describe(api):
        return lambda: api.describe_model(ProjectName="p", ModelVersion="1")["ModelDescription"]

    def verdict(self, api, picture):
        answer = api.detect_anomalies(ProjectName="p", ModelVersion="1", ContentType="image/png", Body=picture)["DetectAnomalyResult"]
        return answer["IsAnomalous"], answer["Confidence"]

    def test_one_machine_becomes_two_and_goes_back(self):
        database, store = Postgresql(), Server()
        self.addCleanup(database.destroy)
        self.addCleanup(store.destroy)
        s3 = store.client("s3")
        first = Server(data=self.place("first"))
        self.addCleanup(first.destroy)
        picture = self.train(first)
        api = first.client("lookoutvision")
        api.start_model(ProjectName="p", ModelVersion="1", MinInferenceUnits=1)
        wait_while(self.describe(api), ["STARTING_HOSTING"], 0.05)
        expected = self.verdict(api, picture)
        credentials = first.credentials()

        # Step 1: the buckets are missing, which is told before anything is copied.
        run("backup", "--data", first.data, "--out", self.place("copy"))
        with self.assertRaisesRegex(RuntimeError, "lacks these buckets, which must be made first: line7, the one in --to"):
            self.copy_objects(self.place("copy"), "s3://plant/server", store)
        for bucket in ("plant", "line7"):
            s3.create_bucket(Bucket=bucket)
        # Steps 2 and 3: once from a backup while the server runs, and what has changed since from the folder itself.
        before = self.copy_objects(self.place("copy"), "s3://plant/server", store)
        self.assertGreaterEqual(before["line7"][0], 46)
        with self.assertRaisesRegex(RuntimeError, "another vedette serve uses"):
            self.copy_objects(first.data, "s3://plant/server", store)
        first.client("s3").put_object(Bucket="line7", Key="late.txt", Body=b"late", ContentType="text/plain", Metadata={"part": "7"}, CacheControl="no-cache", Tagging="stage=raw")
        first.stop()
        after = self.copy_objects(first.data, "s3://plant/server", store)
        self.assertEqual(after, {"line7": (1, before["line7"][0]), "the server's own objects": (0, before["the server's own objects"][0])})
        late = s3.get_object(Bucket="line7", Key="late.txt")
        self.assertEqual((late["Body"].read(), late["ContentType"], late["Metadata"], late["CacheControl"]), (b"late", "text/plain", {"part": "7"}, "no-cache"))
        self.assertEqual(s3.get_object_tagging(Bucket="line7", Key="late.txt")["TagSet"], [{"Key": "stage", "Value": "raw"}])

        # Steps 4 to 6.
        run("metadata", "copy", "--from", first.data, "--to", database.url)
        os.rename(os.path.join(first.data, "metadata.sqlite"), os.path.join(first.data, "metadata.sqlite.moved"))
        shutil.copy(os.path.join(first.data, "master-key"), self.place("master-key"))
        options = ["--metadata", database.url, "--objects", "s3://plant/server", "--objects-endpoint", store.url, "--master-key", self.place("master-key")]
        environment = {name.upper(): value for name, value in store.credentials().items()}
        nodes = [Server(data=data, extra=options, environment=environment) for data in (first.data, self.place("second"))]
        for node in nodes:
            self.addCleanup(node.destroy)
            self.assertEqual(urllib.request.urlopen(node.url + "/readyz").read(), b"ok\n")
        examined = subprocess.run([VEDETTE, "doctor", "--references", "--json", "--data", first.data, *options], capture_output=True, text=True, check=False, env={**os.environ, **environment})
        findings = [json.loads(line) for line in examined.stdout.splitlines()[:-1]]
        self.assertEqual([f["message"] for f in findings if f["result"] == "ok" and f["check"] in ("models", "pictures")],
                         ["All 1 trained models are there.", "All 45 pictures of datasets are there."], findings)
        self.assertEqual(len([f for f in findings if f["check"].startswith("node ") and f["result"] == "ok"]), 2, findings)
        for node in nodes:
            api = node.client("lookoutvision", credentials=credentials)
            self.assertEqual(wait_while(self.describe(api), ["STARTING_HOSTING"], 0.05)["Status"], "HOSTED")
            self.assertEqual(self.verdict(api, picture), expected)
        for node in nodes:
            node.stop()

        # The way back.
        back = self.place("back")
        there = self.copy_objects("s3://plant/server", back, store, "--bucket", "line7")
        self.assertGreaterEqual(there["line7"][0], 47)
        run("metadata", "copy", "--from", database.url, "--to", back)
        shutil.copy(self.place("master-key"), back)
        again = Server(data=back)
        self.addCleanup(again.destroy)
        api = again.client("lookoutvision", credentials=credentials)
        self.assertEqual(wait_while(self.describe(api), ["STARTING_HOSTING"], 0.05)["Status"], "HOSTED")
        self.assertEqual(self.verdict(api, picture), expected)
        self.assertEqual(again.client("s3", credentials=credentials).get_object(Bucket="line7", Key="late.txt")["Metadata"], {"part": "7"})


if __name__ == "__main__":
    unittest.main()
