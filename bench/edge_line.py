#!/usr/bin/python3
"""Measures a station with real neighbours: how long after a camera's frame the MQTT message is there, and how long calls of a Python client take.

    bench/edge_line.py MODEL [--size WIDTHxHEIGHT] [--rate N] [--seconds S] [--program build/release/vedette-edge]

It needs Debian's mosquitto, python3-paho-mqtt, python3-grpcio and GStreamer's test source. MODEL is the folder of a trained model; a copy of
it judges pictures of the given size. The camera is a GStreamer test source in a camera program of its own, the broker a mosquitto on this
machine, and each message is timed in a subscriber. The client has the settings that every client has, but for the size of messages. The
script prints JSON, one object per line; times are milliseconds.
"""
import argparse
import json
import os
import pathlib
import queue
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "end_to_end"))

import grpc  # noqa: E402
import paho.mqtt.client as mqtt  # noqa: E402

import edge  # noqa: E402

STATION = "bench"


def quantiles(values):
    values = sorted(values)
    return {"count": len(values), "p50": round(statistics.median(values), 2), "p90": round(values[int(0.9 * (len(values) - 1))], 2), "p99": round(values[int(0.99 * (len(values) - 1))], 2)}


def copy_model(source, target, width, height):
    """Copies a model and says that its pictures have another size; the network's input stays as it is."""
    shutil.copytree(source, target)
    manifest = json.loads((target / "manifest.json").read_text())
    manifest["image"].update(width=width, height=height)
    (target / "manifest.json").write_text(json.dumps(manifest))


def judging(agent):
    """Returns the number of pictures that the agent has judged and the seconds that this took, once its metrics are written at the end."""
    numbers = {}
    for line in pathlib.Path(agent.state, "metrics.prom").read_text().splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            numbers[name.split("{")[0]] = float(value)
    return numbers


class Broker:
    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(["/usr/sbin/mosquitto", "-p", str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def measure_camera(arguments, models):
    width, height = arguments.size
    messages = queue.Queue()
    with Broker() as broker, tempfile.TemporaryDirectory() as folder:
        subscriber = mqtt.Client()
        subscriber.on_connect = lambda client, *_: client.subscribe(f"vedette/{STATION}/verdict", qos=1)
        subscriber.on_message = lambda _, __, message: messages.put((time.time_ns(), message.payload))
        subscriber.connect("127.0.0.1", broker.port)
        subscriber.loop_start()
        config = os.path.join(folder, "line.json")
        source = {"kind": "gstreamer", "name": "cam", "model": "part", "trigger": {"mode": "free", "rate": arguments.rate},
                  "pipeline": f"videotestsrc is-live=true pattern=ball ! video/x-raw,format=RGB,width={width},height={height},framerate={arguments.rate}/1"}
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"station": STATION, "sources": [source], "sinks": [{"kind": "mqtt", "host": "127.0.0.1", "port": broker.port}]}, file)
        agent = edge.Agent(str(models), ["--config", config, "--start", "part"])
        edge.wait_for(agent.client(), "part")
        to_verdict, to_message, whole = [], [], []
        end = time.monotonic() + 2 + arguments.seconds
        while time.monotonic() < end:
            try:
                at, payload = messages.get(timeout=1)
            except queue.Empty:
                continue
            record = json.loads(payload)
            if record["state"] not in ("judged", "cannot_judge") or time.monotonic() < end - arguments.seconds:
                continue
            to_verdict.append((record["t_verdict_ns"] - record["t_picture_ns"]) / 1e6)
            to_message.append((at - record["t_verdict_ns"]) / 1e6)
            whole.append((at - record["t_picture_ns"]) / 1e6)
        agent.stop()
        numbers = judging(agent)
        subscriber.loop_stop()
        agent.destroy()
    inference = 1000 * numbers["vedette_edge_judging_seconds_total"] / numbers["vedette_edge_judged_total"]
    print(json.dumps({"what": "camera", "width": width, "height": height, "rate": arguments.rate, "judging_mean": round(inference, 2), "frame_to_verdict": quantiles(to_verdict),
                      "verdict_to_message": quantiles(to_message), "frame_to_message": quantiles(whole), "beside_judging_mean": round(statistics.mean(whole) - inference, 2)}), flush=True)


def measure_client(arguments, models):
    width, height = arguments.size
    messages = edge.stubs()[0]
    agent = edge.Agent(str(models), ["--start", "part"])
    try:
        client = agent.client()
        edge.wait_for(client, "part")
        picture = bytes(100 + (i * 7919 >> 4) % 32 for i in range(3 * width)) * height
        name = f"/vedette-bench-{os.getpid()}"
        with open("/dev/shm" + name, "wb") as file:
            file.write(picture)
            file.truncate(2 * len(picture))
        try:
            handle = messages.SharedMemoryHandle
            for way in ("bytes", "shared memory"):
                times = []
                end = time.monotonic() + arguments.seconds
                while time.monotonic() < end or len(times) < 10:
                    start = time.perf_counter()
                    if way == "bytes":
                        bitmap = messages.Bitmap(width=width, height=height, byte_data=picture)
                        request = messages.DetectAnomaliesRequest(model_component="part", bitmap=bitmap)
                    else:
                        bitmap = messages.Bitmap(width=width, height=height, shared_memory_handle=handle(name=name, size=len(picture)))
                        mask = messages.AnomalyMaskParams(shared_memory_handle=handle(name=name, size=len(picture), offset=len(picture)))
                        request = messages.DetectAnomaliesRequest(model_component="part", bitmap=bitmap, anomaly_mask_params=mask)
                    client.DetectAnomalies(request)
                    times.append(1000 * (time.perf_counter() - start))
                print(json.dumps({"what": "python client", "width": width, "height": height, "way": way, "call": quantiles(times[3:])}), flush=True)
        finally:
            os.remove("/dev/shm" + name)
    finally:
        agent.destroy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--size", type=lambda text: tuple(map(int, text.split("x"))), default=(768, 576))
    parser.add_argument("--rate", type=int, default=10, help="frames per second that are judged")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--program", default=edge.EDGE)
    parser.add_argument("--only", choices=("camera", "client"))
    arguments = parser.parse_args()
    edge.EDGE = arguments.program
    with tempfile.TemporaryDirectory() as folder:
        models = pathlib.Path(folder)
        copy_model(arguments.model, models / "part", *arguments.size)
        if arguments.only != "client":
            measure_camera(arguments, models)
        if arguments.only != "camera":
            measure_client(arguments, models)


if __name__ == "__main__":
    main()
