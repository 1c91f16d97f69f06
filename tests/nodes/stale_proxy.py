"""A proxy with a fault that is put there on purpose: it answers some reads from an old copy, as a cache in front of a database would. The tests prove with it that the checker sees such faults."""
import hashlib
import random
import socket

import cluster  # noqa: F401 - it finds the folder of the next module
from other_s3 import Proxy


def told(answer):
    """Returns what an answer says: its status and its body. Its headers differ from call to call."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], body


class StaleProxy(Proxy):
    def __init__(self, target, share, seed):
        """`target`: (host, port). `share`: the part of the reads that get the first answer that this target had ever seen."""
        self.target, self.share, self.random = target, share, random.Random(seed)
        self.old, self.count = {}, 0
        super().__init__()

    def serve(self, connection):
        try:
            with connection, socket.create_connection(self.target) as upstream:
                requests, answers = connection.makefile("rb"), upstream.makefile("rb")
                while request := self.read_message(requests):
                    upstream.sendall(request)
                    answer = self.read_message(answers)
                    if not answer:
                        return
                    if request.startswith(b"GET "):
                        # The signature differs from call to call; the target of the call, and who asks, do not.
                        asker = request.split(b"Credential=")[1].split(b"/")[0]
                        what = hashlib.sha256(request.split(b" ")[1] + asker).digest()
                        with self.lock:
                            old = self.old.setdefault(what, answer)
                            if told(old) != told(answer) and self.random.random() < self.share:
                                answer, self.count = old, self.count + 1
                    connection.sendall(answer)
        except (OSError, ValueError, IndexError):
            return
