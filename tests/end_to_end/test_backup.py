"""Tests backups of a running server, and what a server on a backup gives back."""
import os
import shutil
import subprocess
import tempfile
import threading
import unittest

from harness import VEDETTE, Server, run, upload_lines, wait_while, write_tiny_set


class Backup(unittest.TestCase):
    def test_a_backup_of_a_busy_server_is_a_server(self):
        folder = tempfile.mkdtemp(prefix="vedette-backup-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        sample, out = os.path.join(folder, "sample"), os.path.join(folder, "out")
        server = Server()
        self.addCleanup(server.destroy)
        s3, api = server.client("s3"), server.client("lookoutvision")
        lines = write_tiny_set(sample, normal=25, anomaly=20, masks=True)
        upload_lines(s3, sample, "kept", lines, "manifests/train.manifest")
        api.create_project(ProjectName="p")
        api.create_dataset(ProjectName="p", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "kept", "Key": "manifests/train.manifest"}}})
        api.create_model(ProjectName="p", OutputConfig={"S3Location": {"Bucket": "kept", "Prefix": "out/"}})

        def status(client):
            return lambda: client.describe_model(ProjectName="p", ModelVersion="1")["ModelDescription"]
        trained = wait_while(status(api), ["TRAINING"])
        self.assertEqual(trained["Status"], "TRAINED", trained["StatusMessage"])
        api.start_model(ProjectName="p", ModelVersion="1", MinInferenceUnits=1)
        self.assertEqual(wait_while(status(api), ["STARTING_HOSTING"], 0.05)["Status"], "HOSTED")
        with open(os.path.join(sample, lines[-1]["source-ref"]), "rb") as file:
            body = file.read()
        detect = {"ProjectName": "p", "ModelVersion": "1", "ContentType": "image/png", "Body": body}
        verdict = api.detect_anomalies(**detect)["DetectAnomalyResult"]

        # Objects come and go all the time, and each is put whole or not at all.
        s3.create_bucket(Bucket="busy")
        done = threading.Event()

        def churn():
            mine = server.client("s3")
            i = 0
            while not done.is_set():
                mine.put_object(Bucket="busy", Key=str(i % 20), Body=str(i % 20).encode() * 5000)
                if i % 3 == 0:
                    mine.delete_object(Bucket="busy", Key=str((i + 7) % 20))
                i += 1
        busy = threading.Thread(target=churn)
        busy.start()
        try:
            first = run("backup", "--data", server.data, "--out", out)
            s3.put_object(Bucket="kept", Key="later", Body=b"later")
            second = run("backup", "--data", server.data, "--out", out)
        finally:
            done.set()
            busy.join()
        copied = [int(text.split(": ")[1].split()[0]) for text in (first, second)]
        self.assertGreater(copied[0], 60)
        self.assertLess(copied[1], 45, "the second backup copies only what is new")

        restored = Server(data=out)
        self.addCleanup(restored.destroy)
        s3, api = restored.client("s3"), restored.client("lookoutvision")
        self.assertEqual(wait_while(status(api), ["STARTING_HOSTING"], 0.05)["Status"], "HOSTED")
        again = api.detect_anomalies(**detect)["DetectAnomalyResult"]
        self.assertEqual((again["IsAnomalous"], again["Confidence"]), (verdict["IsAnomalous"], verdict["Confidence"]))
        self.assertEqual(s3.get_object(Bucket="kept", Key="later")["Body"].read(), b"later")
        for entry in s3.list_objects_v2(Bucket="busy").get("Contents", []):
            self.assertEqual(s3.get_object(Bucket="busy", Key=entry["Key"])["Body"].read(), entry["Key"].encode() * 5000)

        refused = subprocess.run([VEDETTE, "backup", "--data", server.data, "--out", out], capture_output=True, text=True)
        self.assertIn("no backup any more", refused.stderr)
        refused = subprocess.run([VEDETTE, "backup", "--data", server.data, "--out", sample], capture_output=True, text=True)
        self.assertIn("neither empty nor an earlier backup", refused.stderr)
        refused = subprocess.run([VEDETTE, "backup", "--data", sample, "--out", os.path.join(folder, "x")], capture_output=True, text=True)
        self.assertIn("no Vedette data", refused.stderr)

    def test_a_copy_replaces_nothing_but_an_earlier_copy_of_the_same_server(self):
        def contents(folder):
            out = {}
            for root, _, names in os.walk(folder):
                for name in names:
                    if name not in ("server.log", "lock", "hold") and not name.endswith(("-shm", "-wal")):
                        with open(os.path.join(root, name), "rb") as file:
                            out[os.path.join(root, name)] = file.read()
            return out

        folder = tempfile.mkdtemp(prefix="vedette-backup-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        servers = [Server(data=os.path.join(folder, name)) for name in ("one", "two")]
        for server in servers:
            self.addCleanup(server.destroy)
            server.client("s3").create_bucket(Bucket="kept")
            server.client("s3").put_object(Bucket="kept", Key="k", Body=server.data.encode())
            server.stop()
        one, two = (server.data for server in servers)
        for name in ("mine", "mine-with-metadata"):
            os.makedirs(os.path.join(folder, name))
        for path in ("mine/notes.txt", "mine-with-metadata/metadata.sqlite", "file"):
            with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
                file.write("mine")
        os.symlink(one, os.path.join(folder, "link"))
        run("backup", "--data", two, "--out", os.path.join(folder, "copy-of-two"))
        before = contents(folder)
        for out, reason in ((one, "beside each other"), (one + "/", "beside each other"), (one + "/backup", "beside each other"), (one + "/objects/../new", "beside each other"),
                            (folder, "beside each other"), ("link", "beside each other"), ("link/backup", "beside each other"), ("mine", "neither empty"),
                            ("mine-with-metadata", "neither empty"), ("file", "is a file"), (two, "a server has used"), ("copy-of-two", "another server")):
            with self.subTest(out=out):
                done = subprocess.run([VEDETTE, "backup", "--data", one, "--out", os.path.join(folder, out)], capture_output=True, text=True)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(reason, done.stderr)
                self.assertEqual(contents(folder), before)

        # A first copy that was cut off is finished by the next; until then no server takes it for whole.
        copy = os.path.join(folder, "copy")
        run("backup", "--data", one, "--out", copy)
        os.rename(os.path.join(copy, "node-id"), os.path.join(copy, "unfinished-backup"))
        done = subprocess.run([VEDETTE, "serve", "--data", copy, "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=30)
        self.assertIn("a backup that was cut off", done.stderr)
        os.remove(os.path.join(copy, "lock"))
        run("backup", "--data", one, "--out", copy)
        restored = Server(data=copy)
        self.addCleanup(restored.destroy)
        self.assertEqual(restored.client("s3").get_object(Bucket="kept", Key="k")["Body"].read(), one.encode())


if __name__ == "__main__":
    unittest.main()
