"""Plays the programs that customers wrote for the edge agent: they judge files, run a camera's loop, pass pictures and masks in shared memory, and start, list, describe and stop models. Verdicts are
compared bit for bit with those of the server from whose packaging job the model comes.

VEDETTE_HOSTILE_SECONDS=600 attacks the agent for ten minutes instead of 8 seconds.
"""
import contextlib
import glob
import hashlib
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import unittest
import uuid

import grpc
from PIL import Image

from edge import EDGE, Agent, detect, wait_for
from packaged_model import MODEL, SIDE, PackagedModel, as_float32

HOSTILE_SECONDS = float(os.environ.get("VEDETTE_HOSTILE_SECONDS", "8"))


@contextlib.contextmanager
def segment(size, content=b""):
    """A POSIX shared memory segment, as shm_open makes it."""
    name = "/vedette-test-" + uuid.uuid4().hex
    path = "/dev/shm" + name
    with open(path, "wb") as file:
        file.write(content)
        file.truncate(size)
    try:
        yield name, path
    finally:
        if os.path.exists(path):
            os.remove(path)


class Edge(PackagedModel):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The second version calls everything normal, so that each verdict tells which version gave it.
        cls.server.client("vedette").update_model_threshold(**MODEL, Threshold=1e6)
        cls.after = {path: cls.detect_at_server(content) for path, content in cls.pictures.items()}
        cls.packages["2.0.0"] = cls.package("2.0.0")
        cls.models = os.path.join(cls.folder, "models")
        cls.install("part", "1.0.0", cls.models)

    def agent(self, *extra, **options):
        agent = Agent(options.pop("models", self.models), extra, **options)
        self.addCleanup(agent.destroy)
        return agent

    def running(self):
        agent = self.agent("--start", "part")
        client = agent.client()
        wait_for(client, "part")
        return agent, client

    def check_code(self, code, call, request, text=""):
        with self.assertRaises(grpc.RpcError) as caught:
            call(request)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        self.assertIn(text, caught.exception.details())

    def test_1_programs_that_judge_files(self):
        agent = self.agent()
        client, m = agent.client(), self.messages
        described = client.DescribeModel(m.DescribeModelRequest(model_component="part")).model_description
        self.assertEqual((described.model_component, described.status), ("part", m.STOPPED))
        self.check_code(grpc.StatusCode.FAILED_PRECONDITION, client.DetectAnomalies, self.request(next(iter(self.pictures))), "The model is STOPPED.")
        self.assertEqual(client.StartModel(m.StartModelRequest(model_component="part")).status, m.STARTING)
        wait_for(client, "part")
        self.check_code(grpc.StatusCode.FAILED_PRECONDITION, client.StartModel, m.StartModelRequest(model_component="part"), "can't perform the operation. The model is RUNNING.")
        for path, expected in self.before.items():
            with agent.channel() as channel:
                result = detect(self.stubs.EdgeAgentStub(channel), self.request(path))
            self.check_verdict(result, expected, result.anomaly_mask.byte_data)
        self.assertEqual({e["IsAnomalous"] for e in self.before.values()}, {True, False})
        self.assertEqual([(c.model_component, c.status) for c in client.ListModels(m.ListModelsRequest()).models], [("part", m.RUNNING)])
        # A published program sends the message of another call, which is the same on the wire.
        call = agent.channel().unary_unary("/AWS.LookoutVision.EdgeAgent/DescribeModel", m.StartModelRequest.SerializeToString, m.DescribeModelResponse.FromString)
        self.assertEqual(call(m.StartModelRequest(model_component="part")).model_description.status, m.RUNNING)
        self.assertEqual(client.StopModel(m.StopModelRequest(model_component="part")).status, m.STOPPED)
        self.check_code(grpc.StatusCode.FAILED_PRECONDITION, client.StopModel, m.StopModelRequest(model_component="part"), "The model is STOPPED.")

    def test_2_a_camera_keeps_one_channel_while_others_come_and_go(self):
        agent, camera = self.running()
        faults = []

        def visit():
            try:
                for path in list(self.pictures)[:3] * 4:
                    with agent.channel() as channel:
                        result = detect(self.stubs.EdgeAgentStub(channel), self.request(path))
                    self.check_verdict(result, self.before[path], result.anomaly_mask.byte_data)
            except Exception as e:  # noqa: BLE001
                faults.append(e)
        visitors = [threading.Thread(target=visit) for _ in range(3)]
        for thread in visitors:
            thread.start()
        for path in list(self.pictures) * 3:
            result = detect(camera, self.request(path))
            self.check_verdict(result, self.before[path], result.anomaly_mask.byte_data)
        for thread in visitors:
            thread.join()
        self.assertEqual(faults, [])

    def test_3_pictures_and_masks_in_shared_memory(self):
        _, client = self.running()
        m, size = self.messages, 3 * SIDE * SIDE
        for number, (path, expected) in enumerate(self.before.items()):
            # Both numbers that the handle of the mask has in published clients, and the mask beside the picture in the same segment.
            member = ("shared_memory_handle", "shared_memory_handle_of_old_samples")[number % 2]
            with segment(7 + 2 * size, b"offset " + self.pixels(path)) as (name, file):
                request = m.DetectAnomaliesRequest(
                    model_component="part", bitmap=m.Bitmap(width=SIDE, height=SIDE, shared_memory_handle=m.SharedMemoryHandle(name=name, size=size, offset=7)),
                    anomaly_mask_params=m.AnomalyMaskParams(**{member: m.SharedMemoryHandle(name=name, size=size, offset=7 + size)}))
                result = detect(client, request)
                self.assertEqual(result.anomaly_mask.WhichOneof("data"), "shared_memory_handle")
                with open(file, "rb") as content:
                    content = content.read()
                self.assertEqual(content[:7 + size], b"offset " + self.pixels(path))
                self.check_verdict(result, expected, content[7 + size:])
        # Without a handle for it, the mask is in the answer.
        request.ClearField("anomaly_mask_params")
        with segment(size, self.pixels(path)) as (name, _):
            request.bitmap.shared_memory_handle.CopyFrom(m.SharedMemoryHandle(name=name, size=size))
            result = detect(client, request)
            self.check_verdict(result, expected, result.anomaly_mask.byte_data)

    def test_4_wrong_requests_get_their_codes(self):
        _, client = self.running()
        m, size = self.messages, 3 * SIDE * SIDE
        path = next(iter(self.pictures))
        invalid, missing = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
        for call, request in ((client.DetectAnomalies, self.request(path, "")), (client.StartModel, m.StartModelRequest()), (client.StopModel, m.StopModelRequest()), (client.DescribeModel, m.DescribeModelRequest())):
            self.check_code(invalid, call, request)
            request.model_component = "nobody"
            self.check_code(missing, call, request)
        handle = m.SharedMemoryHandle
        with segment(size) as (name, _):
            for bitmap in (m.Bitmap(), m.Bitmap(width=SIDE, height=SIDE), m.Bitmap(width=SIDE, height=SIDE, byte_data=bytes(size - 1)), m.Bitmap(width=SIDE, height=SIDE, byte_data=bytes(size + 3)),
                           m.Bitmap(width=64, height=64, byte_data=bytes(3 * 64 * 64)), m.Bitmap(width=-SIDE, height=-SIDE, byte_data=bytes(size)), m.Bitmap(width=2**31 - 1, height=2**31 - 1, byte_data=b"x"),
                           m.Bitmap(width=SIDE, height=SIDE, shared_memory_handle=handle(name=name + "-not", size=size)), m.Bitmap(width=SIDE, height=SIDE, shared_memory_handle=handle(name=name, size=size, offset=1)),
                           m.Bitmap(width=SIDE, height=SIDE, shared_memory_handle=handle(name=name, size=size - 1)), m.Bitmap(width=SIDE, height=SIDE, shared_memory_handle=handle(name=name, size=size, offset=2**64 - 1)),
                           m.Bitmap(width=SIDE, height=SIDE, shared_memory_handle=handle(name="/../etc/passwd", size=size))):
                self.check_code(invalid, client.DetectAnomalies, m.DetectAnomaliesRequest(model_component="part", bitmap=bitmap))
            for mask in (handle(name=name, size=size - 1), handle(name=name, size=size + 1), handle(name="", size=size), handle(name=name + "-not", size=size)):
                request = self.request(path)
                request.anomaly_mask_params.shared_memory_handle.CopyFrom(mask)
                self.check_code(invalid, client.DetectAnomalies, request)
        # Channels in another order are no error, though the verdict is worthless.
        request = self.request(path)
        request.bitmap.byte_data = Image.merge("RGB", Image.open(io.BytesIO(self.pictures[path])).convert("RGB").split()[::-1]).tobytes()
        client.DetectAnomalies(request)

    def test_5_a_second_agent_is_refused_and_the_first_serves_on(self):
        first, client = self.running()
        second = subprocess.run([EDGE, "--models", self.models, "--socket", first.socket, "--state", os.path.join(self.folder, "second")], capture_output=True, text=True, timeout=30)
        self.assertEqual(second.returncode, 1)
        self.assertIn("Another program already serves on the socket", second.stderr)
        self.assertTrue(stat.S_ISSOCK(os.stat(first.socket).st_mode))
        self.assertEqual(stat.S_IMODE(os.stat(first.socket).st_mode), 0o660)
        self.assertEqual(len(client.ListModels(self.messages.ListModelsRequest()).models), 1)
        with first.channel() as channel:
            self.assertEqual(len(self.stubs.EdgeAgentStub(channel).ListModels(self.messages.ListModelsRequest()).models), 1)
        self.assertEqual(first.stop(), 0)
        self.assertFalse(os.path.exists(first.socket))

    def test_6_a_new_version_takes_over_without_dropping_a_call(self):
        models = os.path.join(self.folder, "updated")
        self.install("part", "1.0.0", models)
        agent = self.agent("--start", "part", models=models)
        client = agent.client()
        wait_for(client, "part")
        path = next(p for p, e in self.before.items() if e["IsAnomalous"])
        # A version that is not whole leaves the old one in service, and says so.
        broken = os.path.join(models, "part", "3.0.0")
        os.makedirs(broken)
        described = wait_for(client, "part", text="Version 3.0.0 could not be used")
        self.assertIn("1.0.0", described.status_message)
        shutil.rmtree(broken)
        verdicts, stop = [], threading.Event()

        def judge():
            while not stop.is_set():
                verdicts.append(detect(client, self.request(path)).is_anomalous)
        camera = threading.Thread(target=judge)
        camera.start()
        self.install("part", "2.0.0", models)
        wait_for(client, "part", text="2.0.0")
        stop.set()
        camera.join()
        verdicts.append(detect(client, self.request(path)).is_anomalous)
        self.assertTrue(verdicts[0])
        self.assertEqual(verdicts, sorted(verdicts, reverse=True))  # first the old version, then the new one
        for path, expected in self.after.items():
            result = detect(client, self.request(path))
            self.check_verdict(result, expected, result.anomaly_mask.byte_data)

    def test_7_an_agent_that_is_killed_during_a_switch_comes_back_with_a_whole_version(self):
        models = os.path.join(self.folder, "killed")
        path = next(p for p, e in self.before.items() if e["IsAnomalous"])
        self.install("part", "1.0.0", models)
        agent = self.agent("--start", "part", models=models)
        for line in (None, "a new version is tried", "model switched", "a new version is tried", "model switched"):
            wait_for(agent.client(), "part")
            offset = len(agent.log())
            self.install("part", "2.0.0", models)
            if line:
                agent.wait_for_line(line, offset)
            agent.kill()
            agent.start()
            client = agent.client()
            described = wait_for(client, "part")
            result = detect(client, self.request(path))
            expected = self.after if "2.0.0" in described.status_message else self.before
            self.check_verdict(result, expected[path], result.anomaly_mask.byte_data)
            agent.kill()
            shutil.rmtree(os.path.join(models, "part", "2.0.0"))
            agent.start()
        self.assertIn("1.0.0", wait_for(agent.client(), "part").status_message)

    def test_8_another_machine_calls_with_tls_and_shows_a_certificate(self):
        def made(name, *words):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                            "-addext", "subjectAltName=DNS:localhost", "-keyout", os.path.join(self.folder, name + ".key"), "-out", os.path.join(self.folder, name + ".pem"), *words], check=True, capture_output=True)
            return os.path.join(self.folder, name + ".pem"), os.path.join(self.folder, name + ".key")
        certificate, key = made("agent")
        client_certificate, client_key = made("client")
        agent = self.agent("--start", "part", "--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key, "--tls-client-ca", client_certificate)
        read = lambda path: open(path, "rb").read()  # noqa: SIM115
        credentials = grpc.ssl_channel_credentials(read(certificate), read(client_key), read(client_certificate))
        with grpc.secure_channel(f"localhost:{agent.port}", credentials) as channel:
            client = self.stubs.EdgeAgentStub(channel)
            wait_for(client, "part")
            path = next(iter(self.pictures))
            result = detect(client, self.request(path))
            self.check_verdict(result, self.before[path], result.anomaly_mask.byte_data)
        for channel in (grpc.secure_channel(f"localhost:{agent.port}", grpc.ssl_channel_credentials(read(certificate))), grpc.insecure_channel(f"localhost:{agent.port}")):
            with channel:
                self.check_code(grpc.StatusCode.UNAVAILABLE, self.stubs.EdgeAgentStub(channel).ListModels, self.messages.ListModelsRequest())
        refused = subprocess.run([EDGE, "--models", self.models, "--socket", "none", "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=30)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("needs a TLS certificate", refused.stderr)

    def test_9_health_and_metrics(self):
        agent, client = self.running()
        check = agent.channel().unary_unary("/grpc.health.v1.Health/Check")
        self.assertEqual(check(b""), b"\x08\x01")  # HealthCheckResponse with status SERVING
        client.DetectAnomalies(self.request(next(iter(self.pictures))))
        self.assertEqual(agent.stop(), 0)
        with open(os.path.join(agent.state, "metrics.prom"), encoding="utf-8") as file:
            metrics = file.read()
        self.assertIn('vedette_edge_judged_total{component="part"} 1\n', metrics)

    def test_a_a_damaged_model_fails_with_a_reason(self):
        models = os.path.join(self.folder, "damaged")
        self.install("part", "1.0.0", models)
        os.makedirs(os.path.join(models, "empty"))
        for blob in glob.glob(os.path.join(models, "part", "1.0.0", "blobs", "*")):
            os.truncate(blob, 100)
        agent = self.agent("--start", "part,empty", models=models)
        client = agent.client()
        # --start waits for a component's first version. Whoever starts it without one is told.
        client.StartModel(self.messages.StartModelRequest(model_component="empty"))
        for component in ("part", "empty"):
            with self.assertRaises(RuntimeError):
                wait_for(client, component)
            self.check_code(grpc.StatusCode.FAILED_PRECONDITION, client.DetectAnomalies, self.request(next(iter(self.pictures)), component), "The model is FAILED.")
        shutil.rmtree(os.path.join(models, "part", "1.0.0"))
        self.install("part", "1.0.0", models)
        client.StartModel(self.messages.StartModelRequest(model_component="part"))
        wait_for(client, "part")

    def test_b_hostile_clients_harm_nobody(self):
        agent, client = self.running()
        path = next(iter(self.pictures))
        with open(os.path.join(self.folder, "picture.rgb"), "wb") as file:
            file.write(self.pixels(path))
        hostile = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(__file__), "hostile_edge.py"), agent.socket, "part", str(SIDE), str(SIDE), "--seconds", str(HOSTILE_SECONDS)],
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(hostile.kill)
        began = newest = time.monotonic()
        judged, refused, longest_wait, memory = 0, 0, 0, []
        while hostile.poll() is None:
            try:
                result = client.DetectAnomalies(self.request(path), timeout=20).detect_anomaly_result
            except grpc.RpcError as e:
                # The others may keep the cores busy for long; then a call is refused at once and may be repeated.
                self.assertEqual(e.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, e.details())
                refused += 1
                continue
            self.check_verdict(result, self.before[path], result.anomaly_mask.byte_data)
            judged += 1
            now = time.monotonic()
            longest_wait, newest = max(longest_wait, now - newest), now
            memory.append((now - began, agent.resident_bytes() / 2**20))
        attacks = hostile.stdout.read()
        hostile.stdout.close()
        self.assertEqual(hostile.returncode, 0, attacks)
        self.assertGreater(judged, 0)
        largest = [max((size for at, size in memory if half <= at / HOSTILE_SECONDS < half + 0.5), default=0) for half in (0, 0.5)]
        told = f"{judged} verdicts, {refused} refused, longest wait {longest_wait:.1f} s, most memory in both halves {largest[0]:.0f} and {largest[1]:.0f} MiB; {attacks}"
        print(told, file=sys.stderr)
        self.assertLess(longest_wait, 60, told)
        # What the agent needs does not grow with the time that it is attacked for.
        self.assertLess(largest[1], 1.25 * largest[0] + 32, told)
        self.assertEqual(agent.stop(), 0)

    def test_c_verdicts_are_recorded_and_delivered(self):
        verdicts = os.path.join(self.folder, "verdicts")
        config = os.path.join(self.folder, "config.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"station": "line-1", "models": {"start": ["part"]}, "journal": {"pictures": {"keep": "anomalies"}}, "sinks": [{"kind": "jsonl", "name": "files", "folder": verdicts}]}, file)
        agent = self.agent("--config", config)
        client = agent.client()
        wait_for(client, "part")
        for path in self.before:
            client.DetectAnomalies(self.request(path))
        request = self.request(next(iter(self.before)))
        request.bitmap.width = request.bitmap.height = 64
        request.bitmap.byte_data = bytes(3 * 64 * 64)
        self.check_code(grpc.StatusCode.INVALID_ARGUMENT, client.DetectAnomalies, request)
        request.bitmap.width = 0  # This is refused before any model is asked.
        self.check_code(grpc.StatusCode.INVALID_ARGUMENT, client.DetectAnomalies, request)
        agent.kill()  # What was answered is recorded.
        agent.start()
        lines = lambda: [json.loads(line) for name in sorted(glob.glob(os.path.join(verdicts, "*.jsonl"))) for line in open(name, encoding="utf-8")]  # noqa: SIM115
        deadline = time.monotonic() + 30
        # After a kill, sinks may get records twice, and never miss one.
        while len(records := {r["seq"]: r for r in lines()}) < len(self.before) + 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        records = list(records.values())
        self.assertEqual([r["seq"] for r in records], list(range(1, len(self.before) + 3)))
        self.assertEqual([r["is_anomalous"] for r in records], [*(e["IsAnomalous"] for e in self.before.values()), True, True])
        self.assertEqual([r["state"] for r in records], ["judged"] * len(self.before) + ["wrong_picture"] * 2)
        self.assertEqual({(r["station"], r["source"], r["model"]) for r in records}, {("line-1", "grpc", "part")})
        for record, (path, expected) in zip(records, self.before.items()):
            if expected["IsAnomalous"]:
                self.assertEqual(record["picture_sha256"], hashlib.sha256(self.pixels(path)).hexdigest())
            self.assertEqual(as_float32(record["confidence"]), as_float32(expected["Confidence"]))
        broken = subprocess.run([EDGE, "--models", self.models, "--socket", "none", "--listen", "127.0.0.1:0", "--config", os.devnull], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(broken.returncode, 0)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    unittest.main()
