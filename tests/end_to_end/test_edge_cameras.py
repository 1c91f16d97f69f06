"""The edge's sources of pictures with real parts: Aravis' fake GigE camera, GStreamer's test source and an RTSP server, a watched folder, and camera programs that are killed."""
import hashlib
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import paho.mqtt.client as mqtt

from test_edge_outputs import Broker

BUILD = os.environ.get("VEDETTE_BUILD", os.path.join(os.path.dirname(__file__), "..", "..", "build", "release"))
HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 60


class FakeCamera:
    def __init__(self, *arguments):
        self.process = subprocess.Popen(["/usr/bin/python3", os.path.join(HERE, "fake_cameras.py"), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = self.process.stdout.readline().strip()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Probe:
    """Runs edge_source_probe with these sources."""

    def __init__(self, *sources, triggers=(), environment=None):
        self.folder = tempfile.mkdtemp(prefix="vedette-edge-")
        configuration = os.path.join(self.folder, "configuration.json")
        with open(configuration, "w", encoding="utf-8") as file:
            json.dump({"sources": sources, "triggers": [{"path": os.path.join(self.folder, "trigger.sock"), **t} if t["kind"] == "socket" else t for t in triggers]}, file)
        self.log = open(os.path.join(self.folder, "log"), "w", encoding="utf-8")
        self.process = subprocess.Popen([os.path.join(BUILD, "edge_source_probe"), configuration, self.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env={**os.environ, **(environment or {})})
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def next(self, wanted, patience=PATIENCE):
        """Returns the next line for which wanted() holds."""
        seen, deadline = [], time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                line = self.lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                break
            if wanted(line):
                return line
            seen.append(line)
        with open(self.log.name, encoding="utf-8") as log:
            raise AssertionError(f"what was waited for did not come; seen: {seen[-5:]}; log: {log.read()[-2000:]}")

    def picture(self):
        line = self.next(lambda line: "sha256" in line or "no_picture" in line or "error" in line)
        if "file" in line:
            with open(line["file"], "rb") as file:
                line["pixels"] = file.read()
            os.remove(line["file"])
        return line

    def logged(self):
        with open(self.log.name, encoding="utf-8") as log:
            return log.read()

    def state(self, state):
        return self.next(lambda line: line.get("state") == state)

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def counters(self, source):
        self.say(f"state {source}")
        return self.next(lambda line: "counters" in line)["counters"]

    def camera_programs(self):
        found = []
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/children", encoding="utf-8") as file:
                found += map(int, file.read().split())
        return found

    def stop_early(self):
        """Ends the program, so that its camera is free for the next one."""
        self.process.stdin.close()
        self.process.wait(PATIENCE)

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(PATIENCE)
        self.reader.join()
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.folder)
        return self.process.returncode


def is_running(process):
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class EdgeCameraTest(unittest.TestCase):
    def probe(self, *sources, **options):
        probe = Probe(*sources, **options)
        self.addCleanup(probe.stop)
        return probe

    def wait_for(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)


class AravisTest(EdgeCameraTest):
    # The port of GigE Vision's control channel is fixed, so that two cameras need two addresses: this one is unlikely to be another suite's.
    ADDRESS = "127.0.0.1"

    @classmethod
    def setUpClass(cls):
        cls.camera = FakeCamera("gige", cls.ADDRESS)
        assert cls.camera.said == "running"

    @classmethod
    def tearDownClass(cls):
        cls.camera.stop()

    def source(self, **more):
        return {"kind": "aravis", "name": "gige", "camera": self.ADDRESS, "restart_ms": 500, "pixel_format": "Mono8", "features": {"ExposureTimeAbs": 10000}, **more}

    def check_ramp(self, picture):
        """The fake camera draws a diagonal ramp of greys, which moves from frame to frame. At an exposure of 10 ms the greys are as they are."""
        self.assertEqual((picture["width"], picture["height"], picture["format"]), (512, 512, "Mono8"))
        first = picture["pixels"][0]
        expected = b"".join(bytes(3 * [(first + x + y) % 255]) for y in range(512) for x in range(512))
        self.assertEqual(picture["pixels"], expected)

    def test_whole_frames_of_exact_pixels_arrive_without_packet_sockets(self):
        probe = self.probe(self.source(packet_socket=False, trigger={"rate": 25}))
        for _ in range(25):
            self.check_ramp(probe.picture())
        counters = probe.counters("gige")
        self.assertGreaterEqual(counters["pictures"], 25)
        self.assertLessEqual(counters["incomplete"], 2)

    def test_software_triggers_are_answered_by_their_id(self):
        probe = self.probe(self.source(trigger={"mode": "software", "timeout_ms": 5000}))
        probe.say("trigger gige early")
        self.assertIn("not ready", probe.picture()["no_picture"])
        probe.state("online")
        for part in ("part-1", "part-2", "part-3"):
            before = time.time_ns()
            probe.say(f"trigger gige {part}")
            picture = probe.picture()
            self.assertEqual(picture["trigger"], part)
            self.check_ramp(picture)
            self.assertLess(before, picture["triggered_at"])
            self.assertLess(picture["triggered_at"], picture["pictured_at"])
        self.assertEqual(probe.counters("gige")["no_pictures"], 1)

    def test_pixel_formats_are_set_and_told(self):
        for pixel_format in ("RGB8", "Mono16", "BayerRG8"):
            probe = self.probe(self.source(pixel_format=pixel_format, trigger={"rate": 25}))
            picture = probe.picture()
            self.assertEqual((picture["format"], picture["width"], picture["height"]), (pixel_format, 512, 512))
            probe.stop_early()

    def test_features_reach_the_camera(self):
        picture = self.probe(self.source(features={"ExposureTimeAbs": 1000})).picture()
        self.assertEqual(picture["pixels"], bytes(3 * 512 * 512))  # the fake camera is black at a tenth of its usual exposure

    def test_what_the_camera_does_not_know_is_told(self):
        probe = self.probe(self.source(features={"NoSuchFeature": 1}))
        self.assertEqual(probe.state("offline")["reason"], "The camera has no feature NoSuchFeature.")

    def test_a_camera_that_is_away_comes_back(self):
        probe = self.probe(self.source(camera="127.0.0.9", restart_ms=50))
        self.assertIn("No such camera answers", probe.state("offline")["reason"])
        self.assertGreaterEqual(probe.state("offline")["restarts"], 1)


class GStreamerTest(EdgeCameraTest):
    def test_colours_keep_their_order_in_every_format(self):
        for caps in ("RGB", "BGR", "RGBx", "BGRx", "RGBA", "BGRA"):
            # The width is odd, so that rows have padding. The foreground is 0xAARRGGBB.
            probe = self.probe({"kind": "gstreamer", "name": "test", "pipeline": f"videotestsrc pattern=solid-color foreground-color=0xff2040c0 ! video/x-raw,format={caps},width=101,height=64,framerate=30/1"})
            picture = probe.picture()
            self.assertEqual(picture["pixels"], bytes([0x20, 0x40, 0xC0]) * 101 * 64, caps)
            probe.stop_early()

    def raw_picture(self, data, caps):
        """Returns the picture that frames of these bytes become, and how the stream ended."""
        folder = tempfile.mkdtemp(prefix="vedette-edge-")
        self.addCleanup(shutil.rmtree, folder)
        raw = os.path.join(folder, "frame")
        with open(raw, "wb") as file:
            file.write(data)
        probe = self.probe({"kind": "gstreamer", "name": "raw", "trigger": {"mode": "hardware"}, "pipeline": f"filesrc location={raw} blocksize={len(data)} ! {caps},width=64,height=64,framerate=1/1"})
        picture = probe.picture()
        self.assertEqual(probe.state("offline")["reason"], "The stream has ended.")
        return picture

    def test_samples_and_bayer_patterns_are_exact(self):
        samples = [(x * 64 + y) % 4096 for y in range(64) for x in range(64)]
        deep = self.raw_picture(b"".join(s.to_bytes(2, "little") for s in samples), "video/x-raw,format=GRAY16_LE")
        self.assertEqual(deep["format"], "Mono16")
        self.assertEqual(deep["pixels"], b"".join(bytes([(s * 255 + 2047) // 4095]) * 3 for s in samples))
        grey = self.raw_picture(bytes(s % 256 for s in samples), "video/x-raw,format=GRAY8")
        self.assertEqual(grey["pixels"], b"".join(bytes([s % 256]) * 3 for s in samples))
        # Red samples alone are bright: at such a sample the filters find neither green nor blue.
        bayer = self.raw_picture(bytes(200 if y % 2 == 0 and x % 2 == 1 else 0 for y in range(64) for x in range(64)), "video/x-bayer,format=grbg")
        self.assertEqual(bayer["format"], "BayerGR8")
        self.assertEqual(bayer["pixels"][3:6], bytes([200, 0, 0]))

    def test_a_wrong_pipeline_is_told(self):
        probe = self.probe({"kind": "gstreamer", "name": "test", "pipeline": "nosuchelement"})
        self.assertIn("does not understand the pipeline", probe.state("offline")["reason"])

    def test_a_format_that_is_not_taken_is_told_with_its_remedy(self):
        probe = self.probe({"kind": "gstreamer", "name": "test", "pipeline": "videotestsrc ! video/x-raw,format=I420"})
        self.assertRegex(probe.state("offline")["reason"], "videoconvert|not understand")

    def test_an_rtsp_camera_comes_back_after_it_was_away(self):
        def start(color, *port):
            launch = f"( videotestsrc is-live=true pattern=solid-color foreground-color={color} ! video/x-raw,format=I420,width=128,height=96,framerate=15/1 ! jpegenc quality=95 ! rtpjpegpay name=pay0 )"
            camera = FakeCamera("rtsp", launch, *port)
            self.addCleanup(camera.stop)
            return camera
        camera = start("0xffd02040")
        probe = self.probe({"kind": "gstreamer", "name": "rtsp", "url": f"rtsp://user:secret@127.0.0.1:{camera.said}/camera", "restart_ms": 200, "silence_ms": 15000, "trigger": {"rate": 30}})
        picture = probe.picture()
        self.assertEqual((picture["width"], picture["height"]), (128, 96))
        for got, sent in zip(picture["pixels"][:3], (0xD0, 0x20, 0x40)):
            self.assertAlmostEqual(got, sent, delta=20)  # the server's JPEG has another range of values
        camera.stop()
        self.assertNotIn("secret", probe.state("offline")["reason"])
        # The camera program finds nobody for a while, and ends and is started again until the camera is back.
        probe.next(lambda line: line.get("state") == "offline" and line["restarts"] >= 2)
        start("0xff2040d0", camera.said)
        probe.state("online")
        picture = probe.picture()
        for got, sent in zip(picture["pixels"][:3], (0x20, 0x40, 0xD0)):
            self.assertAlmostEqual(got, sent, delta=20)


class WatchdogTest(EdgeCameraTest):
    SOURCE = {"kind": "gstreamer", "name": "test", "restart_ms": 50, "trigger": {"rate": 20}, "pipeline": "videotestsrc is-live=true ! video/x-raw,format=RGB,width=64,height=64,framerate=30/1"}

    def test_a_killed_camera_program_is_started_again(self):
        probe = self.probe(self.SOURCE)
        probe.picture()
        [program] = probe.camera_programs()
        os.kill(program, signal.SIGSEGV)
        self.assertIn("ended by signal 11", probe.state("offline")["reason"])
        probe.picture()
        self.assertEqual(probe.counters("test")["restarts"], 1)

    def test_a_hanging_camera_is_noticed(self):
        probe = self.probe({**self.SOURCE, "silence_ms": 500, "trigger": {"rate": 30}, "pipeline": "videotestsrc ! video/x-raw,format=RGB,width=64,height=64 ! identity sleep-time=60000000"})
        self.assertIn("gave no whole frame for 500 ms", probe.state("offline")["reason"])

    def test_the_camera_program_ends_with_its_agent(self):
        probe = self.probe(self.SOURCE)
        probe.picture()
        [program] = probe.camera_programs()
        with open(f"/proc/{program}/status", encoding="utf-8") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(int(status["CapEff"], 16) & ~(1 << 13), 0)
        probe.process.kill()
        probe.process.wait()
        self.wait_for(lambda: not is_running(program))

    def test_the_camera_program_ends_when_the_agent_stops(self):
        probe = self.probe(self.SOURCE)
        probe.picture()
        [program] = probe.camera_programs()
        probe.process.stdin.close()
        self.assertEqual(probe.process.wait(PATIENCE), 0)
        self.assertFalse(is_running(program))

    def test_nobody_else_can_use_the_program(self):
        ran = subprocess.run([os.path.join(BUILD, "vedette-edge-camera")], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(ran.returncode, 2)
        self.assertIn("is started by vedette-edge", ran.stderr)


class TriggerTest(EdgeCameraTest):
    def test_the_socket_triggers_a_streaming_camera(self):
        source = {**WatchdogTest.SOURCE, "trigger": {"mode": "software", "timeout_ms": 2000}}
        probe = self.probe(source, triggers=[{"kind": "socket"}])
        probe.state("online")
        probe.say("send test part-7")
        picture = probe.picture()
        self.assertEqual(picture["trigger"], "part-7")
        self.assertLess(picture["triggered_at"], picture["pictured_at"])
        probe.say("send nobody part-8")
        self.assertEqual(probe.next(lambda line: "refused" in line)["refused"], "There is no such source.")

    def test_messages_trigger_a_camera_and_retained_ones_do_not(self):
        folder = tempfile.mkdtemp(prefix="vedette-edge-")
        self.addCleanup(shutil.rmtree, folder)
        broker = Broker(folder)
        self.addCleanup(broker.close)
        broker.start()
        plant = mqtt.Client()
        plant.reconnect_delay_set(min_delay=1, max_delay=1)
        plant.connect("127.0.0.1", broker.port)
        plant.loop_start()
        self.addCleanup(plant.loop_stop)
        published = set()
        plant.on_publish = lambda client, data, number: published.add(number)

        def publish(topic, text, **more):
            # A message that finds no connection is kept and sent with the next one, which its own wait_for_publish() takes for a failure.
            number = plant.publish(topic, text, qos=2, **more).mid
            self.wait_for(lambda: number in published)
        publish("line/part", '{"serial": "of yesterday"}', retain=True)
        broker.save()
        address = {"kind": "mqtt", "source": "test", "host": "127.0.0.1", "port": broker.port, "qos": 2}
        probe = self.probe({**WatchdogTest.SOURCE, "trigger": {"mode": "software", "timeout_ms": 20000}},
                           triggers=[{**address, "topic": "line/part", "id_member": "serial"}, {**address, "topic": "line/plain"}])
        probe.state("online")
        ignored = lambda: probe.logged().count("retained trigger ignored")
        self.wait_for(lambda: ignored() == 1)

        def takes(topic, text, part, **more):
            publish(topic, text, **more)
            self.assertEqual(probe.picture()["trigger"], part)
        takes("line/part", '{"serial": "part-1"}', "part-1", retain=True)  # It is new, although the broker keeps it, too.
        takes("line/part", '{"serial": 17}', "17")
        broker.kill()
        broker.start()
        self.wait_for(lambda: ignored() == 2)
        takes("line/part", '{"serial": "part-2"}', "part-2")
        for text, reason in (("part-3", "no JSON object"), ('{"part": 3}', "no member serial"), ('{"serial": "%s"}' % ("x" * 200), "128 bytes"), ("[" * 70_000, "64 KiB")):
            publish("line/part", text)
            self.wait_for(lambda: reason in probe.logged())
        takes("line/plain", "part-4", "part-4")
        self.assertEqual(probe.counters("test")["pictures"], 4)

    def test_a_trigger_without_a_picture_in_time_is_told(self):
        source = {**WatchdogTest.SOURCE, "pipeline": "videotestsrc is-live=true ! video/x-raw,format=RGB,width=64,height=64,framerate=1/10", "trigger": {"mode": "software", "timeout_ms": 100}}
        probe = self.probe(source)
        probe.state("online")
        probe.say("trigger test part-9")
        picture = probe.picture()
        self.assertEqual(picture["trigger"], "part-9")
        if "no_picture" not in picture:  # the very first frame may have answered
            probe.say("trigger test part-10")
            picture = probe.picture()
        self.assertEqual(picture["no_picture"], "no picture came within 100 ms")


class FolderTest(EdgeCameraTest):
    def test_files_are_given_and_a_killed_agent_gives_none_twice(self):
        folder = tempfile.mkdtemp(prefix="vedette-edge-")
        self.addCleanup(shutil.rmtree, folder)
        source = {"kind": "folder", "name": "drop", "folder": folder, "after": "move", "quiet_ms": 0}
        probe = self.probe(source)
        probe.state("online")
        for i in range(20):
            with open(os.path.join(folder, f".{i}.part"), "wb") as file:
                file.write(b"picture %d" % i)
            os.rename(file.name, os.path.join(folder, f"{i}.png"))
        for i in range(20):
            picture = probe.picture()
            self.assertEqual(picture["trigger"], f"{i}.png")
            self.assertEqual(picture["sha256"], hashlib.sha256(b"picture %d" % i).hexdigest())
        self.wait_for(lambda: len(os.listdir(os.path.join(folder, "done"))) == 20)
        probe.process.kill()
        probe.process.wait()
        with open(os.path.join(folder, "20.png"), "wb") as file:
            file.write(b"new")
        again = self.probe(source)
        self.assertEqual(again.picture()["trigger"], "20.png")


if __name__ == "__main__":
    unittest.main()
