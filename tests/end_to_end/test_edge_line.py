"""A whole line: the real agent with a folder and a camera, a broker, files of JSON lines and a real server. The agent is killed in the middle, the broker and the server are away for a while, and the
server moves the model to another version. No record is lost, and every verdict is that of `vedette detect`.

VEDETTE_OUTAGE=60 lets the broker be away for 60 seconds instead of 3.
"""
import contextlib
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from PIL import Image

from edge import EDGE, Agent, detect, stubs
from harness import BUILD, Server, run, upload_lines, wait_while, write_tiny_set
from test_edge_outputs import LIMIT, Broker, Subscriber, assert_whole, shown_sequence, wait_until

STATION = "line-1"
MODEL = {"ProjectName": "p", "ModelVersion": "1"}
SPREAD_KILLS = 2
SIDE = 96
OUTAGE = float(os.environ.get("VEDETTE_OUTAGE", "3"))
GOOD, BAD = 30, 20


class Feeder:
    """Drops copies of a picture into a folder, 50 a second. On a machine that is too busy for them it waits once 500 lie there."""
    INTERVAL = 1 / 50
    MOST = 500

    def __init__(self, folder, picture):
        self.folder, self.count, self.ending = folder, 0, threading.Event()
        with open(picture, "rb") as file:
            self.picture = file.read()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        start = time.monotonic()
        while not self.ending.wait(max(0, start + self.count * self.INTERVAL - time.monotonic())):
            path = os.path.join(self.folder, f"{self.count:06}.png")
            with open(path + ".tmp", "wb") as file:
                file.write(self.picture)
            os.rename(path + ".tmp", path)
            self.count += 1
            while self.count % 50 == 0 and len(os.listdir(self.folder)) > self.MOST and not self.ending.wait(1):
                start += 1

    def stop(self):
        """Returns how many parts there were."""
        self.ending.set()
        self.thread.join()
        return self.count


class EdgeLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="vedette-line-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.server = Server()
        cls.addClassCleanup(cls.server.destroy)
        cls.api, s3, cls.vedette = (cls.server.client(name) for name in ("lookoutvision", "s3", "vedette"))
        upload_lines(s3, cls.folder, "parts", write_tiny_set(cls.folder, normal=GOOD, anomaly=BAD), "train.manifest")
        cls.api.create_project(ProjectName="p")
        cls.api.create_dataset(ProjectName="p", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "parts", "Key": "train.manifest"}}})
        cls.api.create_model(ProjectName="p", OutputConfig={"S3Location": {"Bucket": "parts", "Prefix": "out/"}})
        trained = wait_while(lambda: cls.api.describe_model(**MODEL)["ModelDescription"], ["TRAINING"], 0.05)
        if trained["Status"] != "TRAINED":
            raise RuntimeError(trained["StatusMessage"])
        cls.package("first", "1.0.0")
        cls.vedette.update_model_threshold(**MODEL, Threshold=1e6)
        cls.package("second", "2.0.0")
        cls.vedette.create_user(UserName=STATION)
        cls.vedette.attach_user_policy(UserName=STATION, PolicyName="VedetteStationAccess")
        key = cls.vedette.create_access_key(UserName=STATION)["AccessKey"]
        cls.key = os.path.join(cls.folder, "key")
        with open(cls.key, "w", encoding="utf-8") as file:
            file.write(f"[default]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n")

    @classmethod
    def package(cls, name, version):
        cls.api.start_model_packaging_job(**MODEL, JobName=name, Configuration={"Greengrass": {
            "S3OutputLocation": {"Bucket": "parts", "Prefix": "packages/"}, "ComponentName": "part", "ComponentVersion": version, "TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}}})
        job = wait_while(lambda: cls.api.describe_model_packaging_job(ProjectName="p", JobName=name)["ModelPackagingDescription"], ["CREATED", "RUNNING"], 0.05)
        if job["Status"] != "SUCCEEDED":
            raise RuntimeError(job["StatusMessage"])

    def move(self, job):
        self.vedette.update_station_channel(StationName=STATION, ModelComponent="part", ProjectName="p", JobName=job)

    def drop(self, name, source):
        """Puts a file into the watched folder as programs do: under another name first."""
        shutil.copy(source, os.path.join(self.drops, name + ".tmp"))
        os.rename(os.path.join(self.drops, name + ".tmp"), os.path.join(self.drops, name))

    def records(self):
        """What the sink of JSON lines has written."""
        out = []
        for path in sorted(glob.glob(os.path.join(self.folder, "verdicts", "*.jsonl"))):
            with open(path, encoding="utf-8") as file:
                out += [json.loads(line) for line in file.read().splitlines(True) if line.endswith("\n")]
        return out

    def of(self, **members):
        return [r for r in self.records() if all(r[name] == value for name, value in members.items())]

    def first(self, what, **members):
        wait_until(lambda: self.of(**members), what)
        return self.of(**members)[0]

    def at_server(self):
        pages = self.vedette.get_paginator("list_station_verdicts").paginate(StationName=STATION)
        return sorted(verdict["Sequence"] for page in pages for verdict in page["Verdicts"])

    def test_a_line_from_its_pictures_to_the_server_through_kills(self):
        models = os.path.join(self.folder, "models")
        os.makedirs(models)
        self.drops = os.path.join(self.folder, "drops")
        os.makedirs(self.drops)
        pictures = sorted(glob.glob(os.path.join(self.folder, "images", "*.png")))
        # The same samples of 16 bits as a camera's frame and as a file.
        with Image.open(pictures[-1]) as picture:
            samples = [value * 257 for value in picture.convert("L").tobytes()]
        deep = os.path.join(self.folder, "deep.png")
        Image.frombytes("I;16", (SIDE, SIDE), struct.pack(f"<{len(samples)}H", *samples)).save(deep)
        raw = os.path.join(self.folder, "deep.raw")
        with open(raw, "wb") as file:
            file.write(struct.pack(f"<{len(samples)}H", *samples) * 200)
        broker = Broker(self.folder)
        self.addCleanup(broker.close)
        broker.start()
        subscriber = Subscriber(broker.port, f"vedette/{STATION}/#")
        self.addCleanup(subscriber.close)
        broker.save()
        trigger_socket = os.path.join(self.folder, "trigger.sock")
        config = os.path.join(self.folder, "line.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({
                "station": STATION, "models": {"start": ["part"]}, "journal": {"pictures": {"keep": "all", "bytes": 1 << 28}},
                "sources": [{"kind": "folder", "name": "drop", "model": "part", "folder": self.drops},
                            {"kind": "gstreamer", "name": "cam", "model": "part", "trigger": {"mode": "software", "timeout_ms": 20000},
                             "pipeline": f"videotestsrc is-live=true pattern=snow ! video/x-raw,format=RGB,width={SIDE},height={SIDE},framerate=20/1"},
                            {"kind": "gstreamer", "name": "deep", "model": "part", "trigger": {"mode": "free", "rate": 2},
                             "pipeline": f"multifilesrc location={raw} ! rawvideoparse format=gray16-le width={SIDE} height={SIDE} framerate=10/1 ! identity sync=true"}],
                "triggers": [{"kind": "socket", "path": trigger_socket}],
                "sinks": [{"kind": "jsonl", "folder": os.path.join(self.folder, "verdicts")}, {"kind": "mqtt", "host": "127.0.0.1", "port": broker.port},
                          {"kind": "server", "endpoint": self.server.url, "credentials": self.key, "interval": 1, "pictures": "s3://parts/kept"}]}, file)
        agent = Agent(models, ["--config", config])
        self.addCleanup(agent.destroy)
        # The model comes from the server. Files wait for it, once it is there; until then a part has no verdict.
        wait_until(lambda: any(s["StationName"] == STATION for s in self.vedette.list_stations()["Stations"]), "the station reports itself")
        self.assertEqual(self.first("a frame without a model", source="deep")["state"], "model_not_running")
        self.move("first")
        self.first("the model that the server chose judges", source="deep", state="judged", model_version="1.0.0")

        # The same pixels give the same verdict on every way, which is that of `vedette detect`.
        self.drop("deep.png", deep)
        self.drop("bad.png", pictures[0])
        self.drop("good.png", pictures[-1])
        wait_until(lambda: os.path.exists(trigger_socket), "the socket for triggers is there")
        trigger = lambda number: subprocess.run([EDGE, "trigger", "cam", f"part-{number}", "--trigger-socket", trigger_socket], check=True)
        trigger(0)
        cam = self.first("the triggered picture", source="cam", trigger_id="part-0")
        self.assertEqual(cam["state"], "judged")
        kept = os.path.join(agent.state, "journal", "pictures", cam["picture"])
        wait_until(lambda: os.path.exists(kept), "the picture is kept")
        self.drop("again.png", kept)
        files = {"deep.png": deep, "bad.png": pictures[0], "good.png": pictures[-1], "again.png": kept}
        verdicts = {v["image"]: v for v in map(json.loads, run("detect", os.path.join(models, "part", "1.0.0"), *files.values(), "--json").splitlines()) if "image" in v}
        numbers = lambda record: (record["is_anomalous"], record["confidence"], record["score"])
        for name, path in files.items():
            record = self.first(name, source="drop", trigger_id=name)
            self.assertEqual((record["state"], *numbers(record)), ("judged", *(verdicts[path][m] for m in ("is_anomalous", "confidence", "anomaly_score"))), name)
            self.assertTrue(os.path.exists(os.path.join(self.drops, "done", name)))
        again, from_file = self.of(trigger_id="again.png")[0], self.of(trigger_id="deep.png")[0]
        self.assertEqual((again["picture_sha256"], *numbers(again)), (cam["picture_sha256"], *numbers(cam)))
        from_camera = self.of(source="deep", state="judged")[0]
        self.assertEqual(numbers(from_camera), numbers(from_file))

        # The broker dies, then the agent, in the middle of files that come without a pause.
        broker.kill()
        for number, path in enumerate(pictures):
            self.drop(f"a{number:03}.png", path)
        wait_until(lambda: len([r for r in self.records() if r["trigger_id"].startswith("a0")]) > 5, "files are judged")
        agent.kill()
        broker.start()
        agent.start()
        names = {f"a{number:03}.png" for number in range(len(pictures))}
        wait_until(lambda: names <= {r["trigger_id"] for r in self.of(state="judged")}, "all files are judged")

        # The server moves the model, which the agent fetches and switches to.
        self.move("second")
        self.first("the second version judges", source="deep", state="judged", model_version="2.0.0")
        self.drop("after.png", pictures[-1])
        self.assertFalse(self.first("a file for the second version", trigger_id="after.png")["is_anomalous"])
        self.assertEqual(agent.stop(), 0)

        # What was recorded while a sink was away comes with the next start; without sources nothing is added.
        with open(config, encoding="utf-8") as file:
            settings = json.load(file)
        with open(config, "w", encoding="utf-8") as file:
            json.dump({**settings, "sources": [], "triggers": []}, file)
        agent.start()
        topic = f"vedette/{STATION}/verdict"
        state = lambda: json.loads(subscriber.of(f"vedette/{STATION}/state")[-1])
        wait_until(lambda: len(state()["sources"]) == 0, "the state of the agent without sources")
        newest = state()["journal"]["last"]
        wait_until(lambda: self.records()[-1]["seq"] >= newest, "the files have everything")
        wait_until(lambda: subscriber.of(topic) and json.loads(subscriber.of(topic)[-1])["seq"] >= newest, "MQTT has everything")
        wait_until(lambda: self.at_server()[-1:] >= [newest], "the server has everything")
        assert_whole(self, [r["seq"] for r in self.records()], newest)
        assert_whole(self, [json.loads(m)["seq"] for m in subscriber.of(topic)], newest)
        self.assertEqual(self.at_server(), list(range(1, newest + 1)))
        station = self.vedette.describe_station(StationName=STATION)["Station"]
        self.assertEqual(station["Gaps"], [])
        self.assertEqual(agent.stop(), 0)

    def test_kills_during_an_update_leave_a_whole_version(self):
        """The agent is killed at many moments while it fetches, unpacks and switches to the version that the server chose. Whichever version runs afterwards gives its own verdicts, and the update goes on."""
        folder = tempfile.mkdtemp(dir=self.folder)
        models, config = os.path.join(folder, "models"), os.path.join(folder, "line.json")
        os.makedirs(models)
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"station": STATION, "models": {"start": ["part"]}, "sinks": [{"kind": "server", "endpoint": self.server.url, "credentials": self.key, "interval": 1}]}, file)
        with Image.open(sorted(glob.glob(os.path.join(self.folder, "images", "bad*")))[0]) as picture:
            pixels = picture.convert("RGB").tobytes()
        messages = stubs()[0]
        request = messages.DetectAnomaliesRequest(model_component="part", bitmap=messages.Bitmap(width=SIDE, height=SIDE, byte_data=pixels))
        agent = Agent(models, ["--config", config])
        self.addCleanup(agent.destroy)

        def running():
            """The version that runs, or nothing while there is none."""
            listed = agent.client().ListModels(messages.ListModelsRequest()).models
            found = [re.search(r"version is (\S+)\.(?: |$)", m.status_message) for m in listed if m.status == messages.RUNNING]
            return found[0].group(1) if found else None

        def check():
            """Waits for a version, and compares its verdict: the second one calls nothing anomalous."""
            wait_until(running, "a version runs")
            before = running()
            is_anomalous = detect(agent.client(), request).is_anomalous
            if running() == before:
                self.assertEqual(is_anomalous, before == "1.0.0", before)

        wait_until(lambda: any(station["StationName"] == STATION for station in self.vedette.list_stations()["Stations"]), "the station has come")
        self.move("first")
        wait_until(lambda: running() == "1.0.0", "the first version runs")
        check()
        self.assertEqual(agent.stop(), 0)
        shutil.copytree(models, os.path.join(folder, "models-before"))
        shutil.copytree(agent.state, os.path.join(folder, "state-before"))
        self.move("second")

        def rewind():
            for now, before in ((models, "models-before"), (agent.state, "state-before")):
                shutil.rmtree(now)
                shutil.copytree(os.path.join(folder, before), now)

        def holds(path, text):
            with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
                return text in file.read()

        part = os.path.join(models, "part")
        steps = [lambda: glob.glob(os.path.join(models, ".fetching-*")), lambda: os.path.exists(os.path.join(part, ".arriving")),
                 lambda: glob.glob(os.path.join(part, ".arriving", "blobs", "*")), lambda: os.path.exists(os.path.join(part, ".arriving", ".channel")),
                 lambda: os.path.exists(os.path.join(part, "2.0.0")), lambda: holds(os.path.join(part, ".followed"), "2.0.0"),
                 lambda: holds(os.path.join(agent.state, "components.json"), "2.0.0"), lambda: "a new version is tried" in agent.log()[offset:],
                 lambda: "model switched" in agent.log()[offset:]]
        # The last of these kills shows how long an update takes here; those that follow are spread over that time.
        duration, unfinished = 0, 0
        for number in range(len(steps) + SPREAD_KILLS):
            rewind()
            offset = len(agent.log())
            agent.start()
            began = time.monotonic()
            step = steps[number] if number < len(steps) else lambda: time.monotonic() > began + duration * (number - len(steps) + 0.5) / SPREAD_KILLS
            # Some of these states last for so short a time that nobody may see them; then the kill comes after the switch.
            while not step() and "model switched" not in agent.log()[offset:]:
                self.assertIsNone(agent.process.poll())
                self.assertLess(time.monotonic(), began + 120)
            agent.kill()
            if number < len(steps):
                duration = time.monotonic() - began
            unfinished += not os.path.exists(os.path.join(part, "2.0.0"))
            agent.start()
            check()
            wait_until(lambda: running() == "2.0.0", "the update goes on")
            check()
            wait_until(lambda: not [name for name in os.listdir(models) + os.listdir(part) if name.startswith(".") and name != ".followed"], "what the killed agent had fetched is gone")
            self.assertEqual(agent.stop(), 0)
        self.assertGreater(unfinished, 1)

    def test_the_doctor_tells_what_is_wrong_and_changes_nothing(self):
        folder = tempfile.mkdtemp(dir=self.folder)
        os.makedirs(os.path.join(folder, "models", "broken", "1.0.0"))
        with open(os.path.join(folder, "models", "broken", "1.0.0", "manifest.json"), "w", encoding="utf-8") as file:
            file.write("{}")
        config = os.path.join(folder, "line.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"station": STATION, "sinks": [{"kind": "jsonl", "folder": folder}]}, file)
        wrong = os.path.join(folder, "wrong.json")
        with open(wrong, "w", encoding="utf-8") as file:
            json.dump({"sources": [{"kind": "folder", "name": "drop", "model": "part", "folder": folder}], "triggers": [{"kind": "gpio", "source": "drop", "line": 1}]}, file)
        before = sorted(os.walk(folder))
        done = subprocess.run([EDGE, "doctor", "--models", os.path.join(folder, "models"), "--socket", os.path.join(folder, "agent.sock"), "--config", config], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"(?m)^problem  model broken 1\.0\.0: ")
        for good in ("socket .*: It is free", "configuration .*: It can be read"):
            self.assertRegex(done.stdout, rf"(?m)^ok       {good}")
        self.assertIn("journal ", done.stdout)
        for command in (["doctor"], []):  # The agent refuses to start for the same reason.
            done = subprocess.run([EDGE, *command, "--models", os.path.join(folder, "models"), "--state", os.path.join(self.folder, "refusing"), "--socket", os.path.join(folder, "agent.sock"), "--config", wrong],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("the source drop is a folder, which takes no triggers", done.stdout + done.stderr)
        self.assertEqual(sorted(os.walk(folder)), before)


class EdgeOutage(unittest.TestCase):
    def test_nothing_is_lost_by_a_dead_broker_kills_and_a_full_disk(self):
        folder = tempfile.mkdtemp(prefix="vedette-line-test-")
        self.addCleanup(shutil.rmtree, folder)
        models, drops, disk, lines = (os.path.join(folder, name) for name in ("models", "drops", "disk", "lines"))
        for path in (models, drops, disk):
            os.mkdir(path)
        subprocess.run([os.path.join(BUILD, "tests", "write_tiny_model"), os.path.join(models, "part")], check=True)
        picture = os.path.join(folder, "part.png")
        Image.new("RGB", (64, 64), (255, 0, 0)).save(picture)
        has_disk = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "none", disk], stderr=subprocess.DEVNULL).returncode == 0
        if has_disk:
            self.addCleanup(subprocess.run, ["umount", "-l", disk])
        broker = Broker(folder)
        self.addCleanup(broker.close)
        config = os.path.join(folder, "line.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"station": STATION, "models": {"start": ["part"]}, "journal": {"folder": os.path.join(disk, "journal"), "bytes": 64 << 20},
                       "sources": [{"kind": "folder", "name": "drop", "model": "part", "folder": drops, "after": "delete", "quiet_ms": 0}],
                       "sinks": [{"kind": "mqtt", "host": "127.0.0.1", "port": broker.port}, {"kind": "jsonl", "folder": lines}],
                       "outputs": [{"kind": "modbus", "port": 0}]}, file)
        agent = Agent(models, ["--config", config, "--cores", "1"])
        self.addCleanup(agent.destroy)
        feeder = Feeder(drops, picture)
        self.addCleanup(feeder.stop)
        shown = 0

        def judges(count):
            """Waits until so many further parts have been shown."""
            nonlocal shown
            port, wanted = int(re.findall(r"modbus listens .*port=(\d+)", agent.log())[-1]), shown + count
            wait_until(lambda: shown_sequence(port) >= wanted, "parts are judged")
            shown = shown_sequence(port)

        def resident():
            with open(f"/proc/{agent.process.pid}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        judges(25)  # The broker is not there yet.
        broker.start()
        subscriber = Subscriber(broker.port, f"vedette/{STATION}/#")
        self.addCleanup(subscriber.close)
        broker.save()
        verdicts = lambda: subscriber.of(f"vedette/{STATION}/verdict")
        wait_until(lambda: len(verdicts()) >= 50, "verdicts arrive")
        memory = resident()
        broker.kill()
        end_of_outage = time.monotonic() + OUTAGE
        for _ in range(2):
            judges(25)
            agent.kill()
            agent.start()
        judges(25)
        if has_disk:
            with contextlib.suppress(OSError), open(os.path.join(disk, "filler"), "wb", buffering=0) as filler:
                while filler.write(bytes(4096)):
                    pass
        judges(50)
        while time.monotonic() < end_of_outage:
            judges(10)
        if has_disk:
            os.remove(os.path.join(disk, "filler"))
        broker.start()
        judges(50)
        parts = feeder.stop()
        while left := len(os.listdir(drops)):
            wait_until(lambda: len(os.listdir(drops)) < left, "the parts that wait are judged")
        state = lambda: json.loads(subscriber.of(f"vedette/{STATION}/state")[-1])["journal"]
        wait_until(lambda: state()["last"] >= shown and state()["sinks"]["mqtt"]["delivered"] == state()["last"] == state()["sinks"]["jsonl"]["delivered"], "all verdicts arrive", LIMIT + OUTAGE)
        grown, counts = resident() - memory, state()
        self.assertEqual(agent.stop(), 0)
        print(f"{parts} parts, {counts['last']} records, {OUTAGE:g} s without a broker, memory {memory / 1e6:.1f} MB and {grown / 1e6:+.1f} MB")
        self.assertLess(grown, 16 << 20)
        self.assertEqual((counts["not_recorded"], counts["sinks"]["mqtt"]["dropped"], counts["sinks"]["jsonl"]["dropped"]), (0, 0, 0))
        records = [json.loads(text) for text in verdicts()]
        assert_whole(self, [record["seq"] for record in records], counts["last"])
        self.assertEqual({record["trigger_id"] for record in records if record["state"] == "judged"}, {f"{number:06}.png" for number in range(parts)})
        in_files = []
        for path in sorted(glob.glob(os.path.join(lines, "*.jsonl"))):
            with open(path, encoding="utf-8") as file:
                in_files += [json.loads(line)["seq"] for line in file]
        assert_whole(self, in_files, counts["last"])


if __name__ == "__main__":
    unittest.main()
