"""Tests models that are stopped, deleted or shut down under load: whatever call was taken in must be answered."""
import concurrent.futures
import http.client
import json
import os
import shutil
import signal
import tempfile
import threading
import time
import unittest

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions

from harness import REGION, Server, upload_lines, wait_while, write_tiny_set

CALLERS = 8


class UnderLoad(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sample = tempfile.mkdtemp(prefix="vedette-hosting-")
        cls.server = Server(extra=["--longest-wait", "10"])
        s3, api = cls.server.client("s3"), cls.server.client("lookoutvision")
        lines = write_tiny_set(cls.sample, normal=25, anomaly=12)
        upload_lines(s3, cls.sample, "hosting", lines, "all.manifest")
        api.create_project(ProjectName="line")
        api.create_dataset(ProjectName="line", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "hosting", "Key": "all.manifest"}}})
        for _ in range(2):
            api.create_model(ProjectName="line", OutputConfig={"S3Location": {"Bucket": "hosting", "Prefix": "out/"}})
        for version in ("1", "2"):
            trained = wait_while(lambda: cls.describe(version), ["TRAINING"])
            assert trained["Status"] == "TRAINED", trained
        with open(os.path.join(cls.sample, lines[-1]["source-ref"]), "rb") as file:
            cls.body = file.read()

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()
        shutil.rmtree(cls.sample)

    @classmethod
    def describe(cls, version):
        return cls.server.client("lookoutvision").describe_model(ProjectName="line", ModelVersion=version)["ModelDescription"]

    def host(self, version):
        self.server.client("lookoutvision").start_model(ProjectName="line", ModelVersion=version, MinInferenceUnits=1)
        self.assertEqual(wait_while(lambda: self.describe(version), ["STARTING_HOSTING"], 0.05)["Status"], "HOSTED")

    def call_until(self, version, done):
        """Returns what the calls got, in order: "verdict" or an error's code."""
        api, answers = self.server.client("lookoutvision"), []
        while not done.is_set():
            try:
                api.detect_anomalies(ProjectName="line", ModelVersion=version, ContentType="image/png", Body=self.body)
                answers.append("verdict")
            except botocore.exceptions.ClientError as error:
                answers.append(error.response["Error"]["Code"])
        return answers

    def test_1_stop_and_delete_during_load(self):
        self.host("1")
        deadline = time.monotonic() + 30
        while "images per second" not in self.describe("1")["StatusMessage"]:
            self.assertLess(time.monotonic(), deadline, self.describe("1")["StatusMessage"])
            time.sleep(0.05)
        api, done = self.server.client("lookoutvision"), threading.Event()
        with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
            callers = [pool.submit(self.call_until, "1", done) for _ in range(CALLERS)]
            try:
                for _ in range(20):  # The load is on now.
                    api.detect_anomalies(ProjectName="line", ModelVersion="1", ContentType="image/png", Body=self.body)
                self.assertEqual(api.stop_model(ProjectName="line", ModelVersion="1")["Status"], "STOPPING_HOSTING")
                self.assertEqual(wait_while(lambda: self.describe("1"), ["STOPPING_HOSTING", "HOSTED"], 0.05)["Status"], "TRAINED")
                api.delete_model(ProjectName="line", ModelVersion="1")
                with self.assertRaises(api.exceptions.ResourceNotFoundException):
                    while self.describe("1")["Status"] == "DELETING":
                        pass
            finally:
                done.set()
            answers = [caller.result() for caller in callers]
        for own in answers:
            self.assertIn("verdict", own)
            self.assertLessEqual(set(own), {"verdict", "ConflictException", "ResourceNotFoundException"})
            stopped = own[own.index(next(a for a in own if a != "verdict")):] if set(own) != {"verdict"} else []
            self.assertNotIn("verdict", stopped, "a stopped model judges nothing more")

    def test_2_shutdown_answers_what_was_taken_in(self):
        self.host("2")
        url = f"{self.server.url}/2020-11-20/projects/line/models/2/detect"
        request = botocore.awsrequest.AWSRequest(method="POST", url=url, data=self.body, headers={"content-type": "image/png"})
        keys = self.server.credentials()
        botocore.auth.SigV4Auth(botocore.credentials.Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), "lookoutvision", REGION).add_auth(request)
        calls = [http.client.HTTPConnection(self.server.address, timeout=60) for _ in range(30)]
        for call in calls:
            call.request("POST", "/2020-11-20/projects/line/models/2/detect", body=self.body, headers=dict(request.headers))
        # All calls are sent. Once some are answered, the server has read the others, and they wait for the model.
        responses = [call.getresponse() for call in calls[:10]]
        self.server.process.send_signal(signal.SIGTERM)
        responses += [call.getresponse() for call in calls[10:]]
        for response in responses:
            answer = json.loads(response.read())
            self.assertEqual(response.status, 200, answer)
            self.assertIn("IsAnomalous", answer["DetectAnomalyResult"])
        for call in calls:
            call.close()
        self.assertEqual(self.server.process.wait(30), 0)
        # A model that was hosted before the shutdown is hosted again.
        self.server.start()
        self.assertEqual(wait_while(lambda: self.describe("2"), ["STARTING_HOSTING"], 0.05)["Status"], "HOSTED")


if __name__ == "__main__":
    unittest.main()
