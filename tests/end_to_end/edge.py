"""Starts an edge agent of its own, and makes clients of its service from edge-agent.proto with Debian's grpcio, as the programs of customers do."""
import atexit
import functools
import importlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import grpc

from harness import BUILD, ROOT

# The agent may come from another build, with sanitizers for instance, which trains no models.
EDGE_BUILD = os.environ.get("VEDETTE_EDGE_BUILD", BUILD)
EDGE = os.path.join(EDGE_BUILD, "vedette-edge")
PROTO = os.path.join(ROOT, "src", "edge", "agent", "edge-agent.proto")


@functools.cache
def stubs():
    """Returns the modules edge_agent_pb2 and edge_agent_pb2_grpc, made as the head of the .proto file tells."""
    folder = tempfile.mkdtemp(prefix="vedette-stubs-")
    atexit.register(shutil.rmtree, folder, True)
    plugin = shutil.which("grpc_python_plugin")
    subprocess.run(["protoc", "-I", os.path.dirname(PROTO), "--python_out", folder, "--grpc_python_out", folder, "--plugin=protoc-gen-grpc_python=" + plugin, PROTO], check=True)
    sys.path.insert(0, folder)
    return importlib.import_module("edge_agent_pb2"), importlib.import_module("edge_agent_pb2_grpc")


class Agent:
    """Runs an agent on a folder of components. It can be stopped and started again."""

    def __init__(self, models, extra=(), socket=None, wait=True, program=(EDGE,)):
        self.program = list(program)
        self.models = models
        self.extra = list(extra)
        self.folder = tempfile.mkdtemp(prefix="vedette-edge-")
        self.socket = socket or os.path.join(self.folder, "agent.sock")
        self.state = os.path.join(self.folder, "state")
        self.log_path = os.path.join(self.folder, "agent.log")
        atexit.register(self.destroy)
        self.start(wait)

    def start(self, wait=True):
        with open(self.log_path, "ab") as log:
            offset = log.tell()
            self.process = subprocess.Popen([*self.program, "--models", self.models, "--socket", "unix://" + self.socket, "--state", self.state, *self.extra], stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while wait and time.monotonic() < deadline:
            found = re.search(r"listening .*port=(\d+)", self.log()[offset:])
            if found:
                self.port = int(found.group(1))
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        if wait:
            raise RuntimeError("the agent did not start: " + self.log())

    def wait_for_line(self, text, offset=0, limit=30):
        """Waits until a line of the log holds the text."""
        deadline = time.monotonic() + limit
        while text not in self.log()[offset:]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the log lacks {text!r}: {self.log()}")
            time.sleep(0.001)

    def log(self):
        with open(self.log_path, "rb") as log:
            return log.read().decode("utf-8", "replace")

    def channel(self):
        """Opens a channel of its own, with a connection that no other channel shares."""
        return grpc.insecure_channel("unix://" + self.socket, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])

    def client(self):
        return stubs()[1].EdgeAgentStub(self.channel())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def destroy(self):
        if self.process.poll() is None:
            self.kill()
        if os.path.exists(self.log_path):
            found = re.search(r"^.*(runtime error:|ERROR: \w+Sanitizer).*$", self.log(), re.M)
            if found:
                raise AssertionError("a sanitizer found a fault: " + self.log()[found.start():])
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_for(client, component, limit=60, **wanted):
    """Polls as the published programs do until the model runs. Returns the description."""
    messages = stubs()[0]
    deadline = time.monotonic() + limit
    while True:
        described = client.DescribeModel(messages.DescribeModelRequest(model_component=component)).model_description
        if described.status == messages.RUNNING and wanted.get("text", "") in described.status_message:
            return described
        if described.status == messages.FAILED:
            raise RuntimeError(described.status_message)
        if time.monotonic() > deadline:
            raise RuntimeError(f"the model is {described.status}: {described.status_message}")
        time.sleep(0.02)


def detect(client, request, limit=60):
    """Has a picture judged. A call that is refused because the machine is busy is repeated, as programs on the line do."""
    deadline = time.monotonic() + limit
    while True:
        try:
            return client.DetectAnomalies(request).detect_anomaly_result
        except grpc.RpcError as e:
            if e.code() != grpc.StatusCode.RESOURCE_EXHAUSTED or time.monotonic() > deadline:
                raise
