"""Does to an edge agent what hostile or broken programs may do: random and torn messages, sizes that lie, segments that shrink and vanish during calls, many connections, calls that are given up, and
answers that nobody reads. It looks for nothing; whether the agent lives and serves others is for others to see.

    hostile_edge.py SOCKET COMPONENT WIDTH HEIGHT [--seconds N] [--connections N]
"""
import argparse
import os
import random
import resource
import socket
import threading
import time
import uuid

import grpc

from edge import stubs

METHODS = ("DetectAnomalies", "StartModel", "ListModels", "DescribeModel", "Nothing")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Hostile:
    def __init__(self, arguments):
        self.socket, self.component, self.width, self.height = arguments.socket, arguments.component, arguments.width, arguments.height
        self.connections = arguments.connections
        self.end = time.monotonic() + arguments.seconds
        self.random = random.Random(7)
        self.messages, self.stub = stubs()
        self.counts = {}

    def is_time(self):
        return time.monotonic() < self.end

    def channel(self):
        return grpc.insecure_channel("unix://" + self.socket, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def picture(self):
        return self.messages.DetectAnomaliesRequest(model_component=self.component, bitmap=self.messages.Bitmap(width=self.width, height=self.height, byte_data=bytes(3 * self.width * self.height)))

    def call(self, channel, method, request, timeout=5):
        """Calls with raw bytes and swallows whatever is answered."""
        try:
            channel.unary_unary("/AWS.LookoutVision.EdgeAgent/" + method)(request, timeout=timeout)
            self.count("answered")
        except grpc.RpcError as e:
            self.count(e.code().name)

    def random_messages(self):
        with self.channel() as channel:
            while self.is_time():
                request = bytearray(self.picture().SerializeToString()) if self.random.random() < 0.5 else bytearray(self.random.randbytes(self.random.randrange(200)))
                for _ in range(self.random.randrange(20)):
                    if request:
                        request[self.random.randrange(min(len(request), 64))] = self.random.randrange(256)
                self.call(channel, self.random.choice(METHODS), bytes(request[:self.random.choice((len(request), len(request) // 2, 40))]))

    def lying_sizes(self):
        m, numbers = self.messages, (0, 1, 63, 64, self.width, 4096, 4097, 65536, 2**31 - 1, -1, -2**31)
        sizes = (0, 1, 3 * self.width * self.height, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
        with self.channel() as channel:
            while self.is_time():
                handle = lambda: m.SharedMemoryHandle(name=self.random.choice(("", "/", "/x", "a" * 300, "/../etc/passwd", "/dev/shm")), size=self.random.choice(sizes), offset=self.random.choice(sizes))
                bitmap = m.Bitmap(width=self.random.choice(numbers), height=self.random.choice(numbers))
                if self.random.random() < 0.5:
                    bitmap.byte_data = bytes(self.random.choice((0, 1, 100, 3 * self.width * self.height, 3 * 64 * 64)))
                else:
                    bitmap.shared_memory_handle.CopyFrom(handle())
                request = m.DetectAnomaliesRequest(model_component=self.component, bitmap=bitmap)
                if self.random.random() < 0.3:
                    request.anomaly_mask_params.shared_memory_handle.CopyFrom(handle())
                self.call(channel, "DetectAnomalies", request.SerializeToString())

    def vanishing_segments(self):
        m, size = self.messages, 3 * self.width * self.height
        with self.channel() as channel:
            while self.is_time():
                name = "/vedette-hostile-" + uuid.uuid4().hex
                path = "/dev/shm" + name
                with open(path, "wb") as file:
                    file.truncate(2 * size)
                request = m.DetectAnomaliesRequest(
                    model_component=self.component, bitmap=m.Bitmap(width=self.width, height=self.height, shared_memory_handle=m.SharedMemoryHandle(name=name, size=size)),
                    anomaly_mask_params=m.AnomalyMaskParams(shared_memory_handle=m.SharedMemoryHandle(name=name, size=size, offset=size)))
                call = channel.unary_unary("/AWS.LookoutVision.EdgeAgent/DetectAnomalies").future(request.SerializeToString(), timeout=5)
                time.sleep(self.random.random() * 0.005)
                if self.random.random() < 0.7:
                    os.truncate(path, self.random.choice((0, 1, size // 2, size + 1)))
                os.remove(path)
                try:
                    call.result()
                    self.count("answered")
                except grpc.RpcError as e:
                    self.count(e.code().name)

    def given_up_calls(self):
        while self.is_time():
            with self.channel() as channel:
                calls = [channel.unary_unary("/AWS.LookoutVision.EdgeAgent/DetectAnomalies").future(self.picture().SerializeToString(), timeout=5) for _ in range(10)]
                time.sleep(self.random.random() * 0.01)
                for call in calls:
                    call.cancel()
            self.count("given up")

    def open_socket(self):
        file = socket.socket(socket.AF_UNIX)
        file.settimeout(2)
        file.connect(self.socket)
        return file

    def many_connections(self):
        """Opens many connections, most of which say nothing and some nonsense."""
        files = []
        while self.is_time():
            try:
                file = self.open_socket()
                if len(files) % 3 == 0:
                    file.send(self.random.choice((PREFACE, PREFACE + b"\0\0\0\4\0\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n", self.random.randbytes(100))))
                files.append(file)
                self.count("connections")
            except OSError:
                self.count("refused connections")
                time.sleep(0.01)
            if len(files) >= self.connections:
                for file in files:
                    file.close()
                files = []
        for file in files:
            file.close()

    def silent_readers(self):
        """Sends whole calls and never reads an answer."""
        def frame(kind, flags, stream, content):
            return len(content).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + content

        def literal(name, value):
            return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value
        head = b"\x83\x86" + literal(b":path", b"/AWS.LookoutVision.EdgeAgent/DetectAnomalies") + literal(b":authority", b"x") + literal(b"content-type", b"application/grpc") + literal(b"te", b"trailers")
        request = self.picture().SerializeToString()
        message = b"\0" + len(request).to_bytes(4, "big") + request
        files = []
        while self.is_time():
            try:
                file = self.open_socket()
                files.append(file)
                # A window of 1 byte for the answer; the request itself fits into the window that gRPC gives.
                file.sendall(PREFACE + frame(4, 0, 0, b"\0\4\0\0\0\1"))
                for stream in range(1, 9, 2):
                    file.sendall(frame(1, 4, stream, head))
                    for at in range(0, len(message), 16384):
                        file.sendall(frame(0, 1 if at + 16384 >= len(message) else 0, stream, message[at:at + 16384]))
                self.count("silent readers")
            except OSError:
                self.count("silent readers that were cut off")
            if len(files) > 10:
                files.pop(0).close()
            time.sleep(0.05)
        for file in files:
            file.close()

    def run(self):
        threads = [threading.Thread(target=t) for t in (self.random_messages, self.lying_sizes, self.vanishing_segments, self.given_up_calls, self.many_connections, self.silent_readers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(dict(sorted(self.counts.items())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("component")
    parser.add_argument("width", type=int)
    parser.add_argument("height", type=int)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=1000)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    Hostile(parser.parse_args()).run()
