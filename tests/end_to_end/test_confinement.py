"""Tests what other users and the trainer can reach: the modes of the files that a server writes, and the trainer's rights as /proc shows them."""
import os
import shutil
import stat
import tempfile
import time
import unittest

from harness import Server, run, upload_lines, wait_while, write_tiny_set

SECRETS = {"AWS_SECRET_ACCESS_KEY": "a-secret-of-the-operator", "AWS_ACCESS_KEY_ID": "AKIAOPERATOR", "DATABASE_PASSWORD": "another-secret"}
NOT_THE_SERVERS = ("server.log",)  # the test itself makes this file


def readable_by_others(folder):
    """Returns the paths of a folder and of all below it that other users than the owner may use, with their modes."""
    out = []
    for root, folders, names in os.walk(folder):
        for path in [root, *(os.path.join(root, name) for name in (*folders, *names))]:
            try:
                mode = os.lstat(path).st_mode
            except FileNotFoundError:
                continue  # it has disappeared meanwhile
            if not stat.S_ISLNK(mode) and mode & 0o077 and os.path.basename(path) not in NOT_THE_SERVERS:
                out.append((path, oct(mode)))
    return out


def status_of(process):
    with open(f"/proc/{process}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def environment_of(process):
    with open(f"/proc/{process}/environ", "rb") as file:
        return file.read()


def find_trainer(server):
    """Waits until the trainer that the server has started executes its program, and returns its process id.

    The kernel names the new program before it has laid out the environment. Until then /proc shows an empty one, which is not the trainer's."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                is_trainer = int(status_of(name)["PPid"]) == server.process.pid and os.path.basename(os.readlink(f"/proc/{name}/exe")) == "vedette-trainer"
                if is_trainer and environment_of(name):
                    return int(name)
            except (OSError, KeyError):
                continue  # it has disappeared meanwhile
        time.sleep(0.01)
    raise RuntimeError("no trainer was started: " + server.log())


class Confinement(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="vedette-confined-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.lines = write_tiny_set(cls.folder)

    def start(self, *options):
        # The server takes away the rights of others on a folder that exists, and gives them none on the files that it makes there.
        server = Server(data=os.path.join(tempfile.mkdtemp(prefix="vedette-e2e-"), "data"), extra=options, environment=SECRETS)
        self.addCleanup(shutil.rmtree, os.path.dirname(server.data), ignore_errors=True)
        self.addCleanup(server.destroy)
        return server

    def train(self, server, meanwhile):
        """Trains a model. Returns the result of `meanwhile`, which is called with the trainer while it runs, and the client of the API."""
        s3, api = server.client("s3"), server.client("lookoutvision")
        upload_lines(s3, self.folder, "kept", self.lines, "train.manifest")
        api.create_project(ProjectName="p")
        api.create_dataset(ProjectName="p", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "kept", "Key": "train.manifest"}}})
        api.create_model(ProjectName="p", OutputConfig={"S3Location": {"Bucket": "kept", "Prefix": "out/"}})
        said = meanwhile(find_trainer(server))
        model = wait_while(lambda: api.describe_model(ProjectName="p", ModelVersion="1")["ModelDescription"], ["TRAINING"])
        self.assertEqual(model["Status"], "TRAINED", model["StatusMessage"])
        return said, api

    def test_a_trainer_has_nothing_of_the_servers_and_no_file_is_readable_by_others(self):
        server = self.start()

        def look(trainer):
            files = {}
            for name in os.listdir(f"/proc/{trainer}/fd"):
                try:
                    files[int(name)] = os.readlink(f"/proc/{trainer}/fd/{name}")
                except FileNotFoundError:
                    continue  # the file was closed meanwhile
            return status_of(trainer), environment_of(trainer), files, readable_by_others(server.data)

        (status, environment, files, open_to_others), api = self.train(server, look)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        for secret in SECRETS.values():
            self.assertNotIn(secret.encode(), environment)
        self.assertIn(b"PATH=", environment)
        self.assertEqual(files.pop(0), "/dev/null")
        jobs = os.path.join(server.data, "jobs") + os.sep
        for number, target in files.items():
            with self.subTest(descriptor=number, target=target):
                is_servers = target.startswith(os.path.realpath(server.data) + os.sep) and not target.startswith(os.path.realpath(jobs) + os.sep)
                self.assertFalse(target.startswith(("socket:", "pipe:")) and number > 2)
                self.assertFalse(is_servers and number > 2)
        self.assertEqual(open_to_others, [])

        api.start_model(ProjectName="p", ModelVersion="1", MinInferenceUnits=1)
        self.assertEqual(wait_while(lambda: api.describe_model(ProjectName="p", ModelVersion="1")["ModelDescription"], ["STARTING_HOSTING"])["Status"], "HOSTED")
        with open(os.path.join(self.folder, self.lines[0]["source-ref"]), "rb") as picture:
            api.detect_anomalies(ProjectName="p", ModelVersion="1", ContentType="image/png", Body=picture.read())
        s3 = server.client("s3")
        upload = {"Bucket": "kept", "Key": "large", "UploadId": s3.create_multipart_upload(Bucket="kept", Key="large")["UploadId"]}
        s3.upload_part(**upload, PartNumber=1, Body=b"x" * 100_000)
        copy = os.path.join(os.path.dirname(server.data), "copy")
        run("backup", "--data", server.data, "--out", copy)
        for folder in (server.data, copy):
            self.assertEqual(readable_by_others(folder), [])
            self.assertGreater(sum(len(names) for _, _, names in os.walk(folder)), 30)

    def test_without_the_sandbox_a_training_runs_and_the_log_says_so(self):
        server = self.start("--trainer-sandbox", "off")
        status, _ = self.train(server, status_of)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), (status_of(os.getpid())["NoNewPrivs"], status_of(os.getpid())["Seccomp"]))
        self.assertIn("trainer not confined", server.log())


if __name__ == "__main__":
    unittest.main()
