"""Trained models for the tests of several nodes, and the verdicts that they must give: each verdict of a model differs from those of the others, so that a mix-up shows."""
import collections
import hashlib
import os
import random
import shutil
import tempfile
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

from cluster import ONCE, wait_until
from harness import upload_lines, wait_while, write_tiny_set

DATASET = {"DatasetType": "train"}


def begin(api, s3, folder, name, seed):
    """Begins to train a model on a small set of its own, and returns the names that calls need."""
    lines = write_tiny_set(folder, normal=25, anomaly=12, seed=seed)
    upload_lines(s3, folder, name, lines, "all.manifest")
    api.create_project(ProjectName=name)
    api.create_dataset(ProjectName=name, **DATASET, DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": name, "Key": "all.manifest"}}})
    return create(api, name)


def create(api, name):
    made = api.create_model(ProjectName=name, OutputConfig={"S3Location": {"Bucket": name, "Prefix": "out/"}})["ModelMetadata"]
    return {"ProjectName": name, "ModelVersion": made["ModelVersion"]}


def status(api, model):
    return api.describe_model(**model)["ModelDescription"]


def wait_trained(api, model):
    trained = wait_while(lambda: status(api, model), ["TRAINING"])
    assert trained["Status"] == "TRAINED", trained["StatusMessage"]


def start(api, model, units=1):
    api.start_model(**model, MinInferenceUnits=units)
    hosted = wait_while(lambda: status(api, model), ["STARTING_HOSTING"])
    assert hosted["Status"] == "HOSTED", hosted["StatusMessage"]


def detect(api, model, picture):
    answer = api.detect_anomalies(**model, ContentType="image/png", Body=picture)["DetectAnomalyResult"]
    return answer["IsAnomalous"], answer["Confidence"], hashlib.sha256(answer.get("AnomalyMask", b"")).hexdigest()


def pictures(folder, count=6):
    images = sorted(os.listdir(os.path.join(folder, "images")))
    found = []
    for name in images[:count // 2] + images[-(count - count // 2):]:
        with open(os.path.join(folder, "images", name), "rb") as file:
            found.append(file.read())
    return found


class Models:
    """Two hosted models that differ, one more that is not hosted, and the verdicts that each must give."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.folder = tempfile.mkdtemp(prefix="vedette-nodes-pictures-")
        self.api = cluster.client("lookoutvision")
        self.log_published()
        self.left, self.right = self.begin("left", 0), self.begin("right", 1)
        wait_trained(self.api, self.left)
        self.spare = self.begin("spare", 2)  # No more than two may train at the same time.
        for model in (self.right, self.spare):
            wait_trained(self.api, model)
        for model in (self.left, self.right):
            start(self.api, model)
        self.pictures = pictures(os.path.join(self.folder, "left"))
        self.expected = {(m["ProjectName"], m["ModelVersion"]): {picture: detect(self.api, m, picture) for picture in self.pictures} for m in (self.left, self.right)}
        if any(self.expected["left", "1"][picture] == self.expected["right", "1"][picture] for picture in self.pictures):
            raise AssertionError("the models of this test must differ in each verdict")
        self.arn = self.api.describe_model(**self.left)["ModelDescription"]["ModelArn"]

    def begin(self, name, seed):
        return begin(self.api, self.cluster.s3, os.path.join(self.folder, name), name, seed)

    def log_published(self):
        """Has the database itself write down whenever a model leaves the state TRAINING: nobody can publish a model without that."""
        self.cluster.database.sql("""
            CREATE TABLE test_published (project TEXT, version BIGINT, status TEXT);
            CREATE FUNCTION test_publish() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO test_published VALUES (NEW.project, NEW.version, NEW.status); RETURN NEW; END';
            CREATE TRIGGER test_publish AFTER UPDATE OF status ON models FOR EACH ROW WHEN (OLD.status = 'TRAINING' AND NEW.status <> 'TRAINING') EXECUTE FUNCTION test_publish()""")

    def published(self, model):
        """Returns how often the model was published."""
        return int(self.cluster.database.sql(f"SELECT count(*) FROM test_published WHERE project = '{model['ProjectName']}' AND version = {model['ModelVersion']}"))

    def trainer(self):
        """Returns the node that trains, or nothing."""
        worker = self.cluster.database.sql("SELECT worker FROM jobs WHERE kind = 'train_model' AND worker <> ''")
        return worker and self.cluster.node_of(worker)

    def host(self, model):
        """Returns the node that hosts the model."""
        def find():
            hosts = self.cluster.database.sql(f"SELECT node FROM model_hosts JOIN models ON model_uid = uid WHERE is_loaded = 1 AND project = '{model['ProjectName']}' AND version = {model['ModelVersion']}").split()
            return [node for node in self.cluster.nodes if node.id in hosts]
        return wait_until(find, "a node hosts the model")[0]

    def callers(self, seed):
        return Callers(self.cluster.client, self.expected, seed)

    def destroy(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Callers:
    """Calls DetectAnomalies all the time, and compares each verdict with the one that the model gave first."""

    def __init__(self, make_client, expected, seed, threads=2):
        """`expected`: {(project, version): {picture: verdict}}"""
        self.expected, self.make_client = expected, make_client
        self.stopping = threading.Event()
        self.right, self.errors, self.wrong = 0, collections.Counter(), []
        self.calls = []  # (model, began, ended, whether there was a verdict), in the order of their ends
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(random.Random(f"{seed}-{number}"),), daemon=True) for number in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, randomly):
        api = self.make_client("lookoutvision", ONCE)
        while not self.stopping.is_set():
            model = randomly.choice(list(self.expected))
            picture = randomly.choice(list(self.expected[model]))
            began = time.monotonic()
            try:
                verdict = detect(api, {"ProjectName": model[0], "ModelVersion": model[1]}, picture)
                error = None
            except (ClientError, BotoCoreError) as e:
                error = e.response["Error"]["Code"] if isinstance(e, ClientError) else type(e).__name__
            with self.lock:
                self.calls.append((model, began, time.monotonic(), error is None))
                if error:
                    self.errors[error] += 1
                elif verdict == self.expected[model][picture]:
                    self.right += 1
                else:
                    self.wrong.append((model, verdict, self.expected[model][picture]))
            self.stopping.wait(0.2 if error else 0.05)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def have_been_answered_since(self, moment, seconds):
        """Returns whether, in so many last seconds and since that moment, each model gave a verdict to a call that began in them, and no call ended in them without one."""
        start = time.monotonic() - seconds
        with self.lock:
            since = [(model, began, is_right) for model, began, ended, is_right in self.calls if ended >= start]
        return start >= moment and all(is_right for _, _, is_right in since) and {model for model, began, _ in since if began >= start} == set(self.expected)

    def outage(self, moment):
        """Returns the seconds from then until each model had given a verdict to a call that began since then, and no call failed any more: what clients felt of a node's death."""
        with self.lock:
            back = {}
            for model, began, ended, is_right in self.calls:
                if is_right and began >= moment:
                    back[model] = min(ended, back.get(model, ended))
            return max([*back.values(), *(ended for _, _, ended, is_right in self.calls if ended >= moment and not is_right)]) - moment

    def summary(self):
        return f"{self.right} verdicts right, {len(self.wrong)} wrong, errors {dict(self.errors)}"
