"""Starts a server of its own for end-to-end tests and speaks to it with Debian's boto3, as a customer's program would.

Run with /usr/bin/python3: only Debian's python3-boto3 still contains the service.
"""
import atexit
import configparser
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import boto3
from botocore.config import Config

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("VEDETTE_BUILD", os.path.join(ROOT, "build", "release"))
VEDETTE = os.path.join(BUILD, "vedette")
# The original getting-started set is other people's: it is used where it lies beside the checkout, and skipped elsewhere.
COOKIES = os.path.join(ROOT, "..", "shared", "data", "cookies")
REGION = "us-east-1"


class Server:
    """A server process on a data folder; restartable."""

    def __init__(self, data=None, extra=()):
        self.data = data or tempfile.mkdtemp(prefix="vedette-e2e-")
        self.extra = list(extra)
        self.process = None
        self.log_path = os.path.join(self.data, "server.log")
        os.makedirs(self.data, exist_ok=True)
        atexit.register(self.destroy)
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            offset = log.tell()
            self.process = subprocess.Popen(
                [VEDETTE, "serve", "--data", self.data, "--listen", "127.0.0.1:0", *self.extra], stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError("the server ended: " + self.log()[offset:])
            match = re.search(r"listening scheme=(\S+) address=(\S+)", self.log()[offset:])
            if match:
                self.scheme, self.address = match.groups()
                return
            time.sleep(0.02)
        raise RuntimeError("the server did not start: " + self.log())

    def log(self):
        with open(self.log_path, "rb") as log:
            return log.read().decode("utf-8", "replace")

    @property
    def url(self):
        return self.scheme + "://" + self.address

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def destroy(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.data, ignore_errors=True)

    def credentials(self):
        parser = configparser.ConfigParser()
        parser.read(os.path.join(self.data, "admin-credentials"))
        return {"aws_access_key_id": parser["default"]["aws_access_key_id"], "aws_secret_access_key": parser["default"]["aws_secret_access_key"]}

    def client(self, service, credentials=None, **config):
        settings = {"retries": {"max_attempts": 1}, "read_timeout": 60, **config}
        if service == "s3":
            settings["s3"] = {"addressing_style": "path"}
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, config=Config(**settings), **(credentials or self.credentials()))


def run(*command, **options):
    """Runs one of the programs; its standard output. Fails with its standard error."""
    done = subprocess.run([VEDETTE, *map(str, command)], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"vedette {command[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def upload_set(s3, folder, bucket, manifests):
    """Uploads the pictures and masks that manifests name, and the manifests with full s3:// references."""
    s3.create_bucket(Bucket=bucket)
    sent = set()
    for manifest in manifests:
        lines = []
        with open(os.path.join(folder, "manifests", manifest), encoding="utf-8") as file:
            for line in filter(str.strip, file):
                entry = json.loads(line)
                for member in ("source-ref", "anomaly-mask-ref"):
                    if member not in entry:
                        continue
                    key = entry[member]
                    if key not in sent:
                        with open(os.path.join(folder, key), "rb") as body:
                            s3.put_object(Bucket=bucket, Key=key, Body=body.read())
                        sent.add(key)
                    entry[member] = f"s3://{bucket}/{key}"
                lines.append(json.dumps(entry))
        s3.put_object(Bucket=bucket, Key="manifests/" + manifest, Body="\n".join(lines).encode())
    return len(sent)


def wait_while(describe, busy, interval=0.2, limit=300):
    """Polls as clients do; the last description."""
    deadline = time.monotonic() + limit
    while True:
        description = describe()
        if description["Status"] not in busy:
            return description
        if time.monotonic() > deadline:
            raise RuntimeError(f"still {description['Status']} after {limit} s: {description['StatusMessage']}")
        time.sleep(interval)


def labelled_pictures(folder, manifest):
    """(path, is anomalous) of a manifest with relative references."""
    with open(os.path.join(folder, "manifests", manifest), encoding="utf-8") as file:
        for line in filter(str.strip, file):
            entry = json.loads(line)
            kinds = [m["class-name"] for m in entry.values() if isinstance(m, dict) and m.get("type") == "groundtruth/image-classification"]
            yield os.path.join(folder, entry["source-ref"]), kinds[0] == "anomaly"
