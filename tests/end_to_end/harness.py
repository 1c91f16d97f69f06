"""Starts a server of its own for end-to-end tests and speaks to it with Debian's boto3, as a customer's program would.

Run the tests with /usr/bin/python3: only Debian's python3-boto3 still contains the service.
"""
import atexit
import configparser
import fcntl
import functools
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import boto3
from botocore.config import Config

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("VEDETTE_BUILD", os.path.join(ROOT, "build", "release"))
VEDETTE = os.path.join(BUILD, "vedette")
# The original getting-started set belongs to other people. Tests use it if it lies beside the checkout, and are skipped if it does not.
COOKIES = os.path.join(ROOT, "..", "shared", "data", "cookies")
REGION = "us-east-1"


class ReservedPort:
    """Reserves a port of 127.0.0.1 for a program that cannot choose one itself. The port stays bound here without being listened on, so that the system gives it to nobody else, while a program that
    sets SO_REUSEADDR, as servers do, can listen on it, also again after a restart."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.number = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()


class Server:
    """Runs a server process on a data folder. It can be stopped and started again. `budget` is the number of seconds that a training may take. With the default, each training takes the
    least number of steps, so that a model does not depend on how busy the machine is. `within` are words before the command, which choose where it runs. `program` can be another build of the server."""
    program = None

    def __init__(self, data=None, extra=(), environment=None, listen="127.0.0.1:0", budget=1, within=()):
        self.data = data or tempfile.mkdtemp(prefix="vedette-e2e-")
        self.extra = list(extra)
        self.budget = budget
        self.listen = listen
        self.within = within
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.log_path = os.path.join(self.data, "server.log")
        os.makedirs(self.data, exist_ok=True)
        atexit.register(self.destroy)
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            offset = log.tell()
            self.process = subprocess.Popen(
                [*self.within, self.program or VEDETTE, "serve", "--data", self.data, "--listen", self.listen, "--training-budget", str(self.budget), *self.extra], stderr=log, stdin=subprocess.DEVNULL, env=self.environment)
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
        if os.path.exists(self.log_path):
            found = re.search(r"^.*(runtime error:|ERROR: \w+Sanitizer).*$", self.log(), re.M)
            if found:
                raise AssertionError("a sanitizer found a fault: " + self.log()[found.start():])
        shutil.rmtree(self.data, ignore_errors=True)

    def credentials(self):
        parser = configparser.ConfigParser()
        parser.read(os.path.join(self.data, "admin-credentials"))
        return {"aws_access_key_id": parser["default"]["aws_access_key_id"], "aws_secret_access_key": parser["default"]["aws_secret_access_key"]}

    def client_environment(self, **more):
        """Returns environment variables for programs that look for keys and region where AWS's SDKs do."""
        keys = {name.upper(): value for name, value in self.credentials().items()}
        return {**os.environ, **keys, "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "", **more}

    def client(self, service, credentials=None, **config):
        settings = {"retries": {"max_attempts": 1}, "read_timeout": 60, **config}
        if service == "s3":
            settings["s3"] = {"addressing_style": "path"}
        session = boto3.Session() if service == "vedette" else boto3
        if service == "vedette":
            session._loader.search_paths.insert(0, client_models())
        return session.client(service, endpoint_url=self.url, region_name=REGION, config=Config(**settings), **(credentials or self.credentials()))


@functools.cache
def client_models():
    """Returns a folder with the service models that `vedette client-model install` writes."""
    folder = tempfile.mkdtemp(prefix="vedette-client-models-")
    atexit.register(shutil.rmtree, folder, True)
    run("client-model", "install", "--dir", folder)
    return folder


def run(*command, **options):
    """Runs one of the programs and returns its standard output. If it fails, the exception has its standard error."""
    done = subprocess.run([VEDETTE, *map(str, command)], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"vedette {command[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def sample_set(*words, shrink=1):
    """Returns the folder that `vedette sample` writes with these arguments. It is rendered once for each build of the program and shared by all suites,
    also by those that run at the same time. A test that wants to change something in it makes a copy. With `shrink` the sides of the pictures and masks, 640 × 480,
    are divided by this number: the time that a training takes goes with the number of pixels."""
    with open(VEDETTE, "rb") as program:
        build = hashlib.file_digest(program, "sha256").hexdigest()[:16]
    shared = os.path.join(BUILD, "tests", "samples")
    folder = os.path.join(shared, build, "-".join(("sample", *words, *(("shrink", str(shrink)) if shrink > 1 else ()))).replace("--", ""))
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with open(os.path.join(shared, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(folder):
            for old in os.listdir(shared):
                if old not in ("lock", build):
                    shutil.rmtree(os.path.join(shared, old))
            half = folder + ".half"
            shutil.rmtree(half, ignore_errors=True)
            run("sample", half, *words)
            if shrink > 1:
                shrink_pictures(half, shrink)
            os.rename(half, folder)
    return folder


def shrink_pictures(folder, factor):
    from PIL import Image
    for kind in ("training-images", "test-images", "mask-images"):
        for name in os.listdir(os.path.join(folder, kind)):
            path = os.path.join(folder, kind, name)
            with Image.open(path) as picture:
                # A mask must keep its colours, so that its pixels are not mixed.
                small = picture.resize((picture.width // factor, picture.height // factor), Image.NEAREST) if kind == "mask-images" else picture.reduce(factor)
            small.save(path, quality=95)


# The smallest set: 40 pictures to train the local tools with, and 20 to test. For the server it has too few of each kind of defect.
SMALL_SAMPLE = ("--count", "60", "--seed", "5")
# The smallest set that the server makes a segmentation model of: 80 pictures to train with, and 40 to test.
SERVER_SAMPLE = ("--count", "120")


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
    """Polls as clients do until the state ends, and returns the last description."""
    deadline = time.monotonic() + limit
    while True:
        description = describe()
        if description["Status"] not in busy:
            return description
        if time.monotonic() > deadline:
            raise RuntimeError(f"still {description['Status']} after {limit} s: {description['StatusMessage']}")
        time.sleep(interval)


def labelled_pictures(folder, manifest):
    """Returns (path, is anomalous) for each line of a manifest with relative references."""
    with open(os.path.join(folder, "manifests", manifest), encoding="utf-8") as file:
        for line in filter(str.strip, file):
            entry = json.loads(line)
            kinds = [m["class-name"] for m in entry.values() if isinstance(m, dict) and m.get("type") == "groundtruth/image-classification"]
            yield os.path.join(folder, entry["source-ref"]), kinds[0] == "anomaly"


def write_tiny_set(folder, normal=20, anomaly=10, masks=False, seed=1):
    """Writes a set that trains in seconds: 96 × 96 pictures of grain, the bad ones with a dark spot. It writes images/, masks/ and
    all.manifest with relative references, and returns the lines as dictionaries."""
    import random

    from PIL import Image, ImageDraw, ImageFilter
    random.seed(seed)
    os.makedirs(os.path.join(folder, "images"), exist_ok=True)
    os.makedirs(os.path.join(folder, "masks"), exist_ok=True)
    lines = []
    for i in range(normal + anomaly):
        is_anomalous = i >= normal
        name = f"{'bad' if is_anomalous else 'good'}{i:03}.png"
        picture = Image.effect_noise((96, 96), 30).filter(ImageFilter.GaussianBlur(1)).convert("RGB")
        line = {"source-ref": "images/" + name, "anomaly-label": int(is_anomalous), "anomaly-label-metadata": {
            "class-name": "anomaly" if is_anomalous else "normal", "type": "groundtruth/image-classification", "human-annotated": "yes",
            "creation-date": f"2022-03-{1 + i % 28:02}T10:00:00.000", "job-name": "labeling-job/tiny", "confidence": 1}}
        if is_anomalous:
            x, y, r = random.randrange(20, 76), random.randrange(20, 76), random.randrange(8, 14)
            ImageDraw.Draw(picture).ellipse((x - r, y - r, x + r, y + r), fill=(15, 10, 10))
            if masks:
                mask = Image.new("RGB", picture.size, "white")
                ImageDraw.Draw(mask).ellipse((x - r, y - r, x + r, y + r), fill=(0x23, 0xA4, 0x36))
                mask.save(os.path.join(folder, "masks", name))
                line["anomaly-mask-ref"] = "masks/" + name
                line["anomaly-mask-ref-metadata"] = {"internal-color-map": {"0": {"class-name": "BACKGROUND", "hex-color": "#ffffff"}, "1": {"class-name": "spot", "hex-color": "#23A436"}},
                                                     "type": "groundtruth/semantic-segmentation", "human-annotated": "yes"}
        picture.save(os.path.join(folder, "images", name))
        lines.append(line)
    with open(os.path.join(folder, "all.manifest"), "w", encoding="utf-8") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))
    return lines


def upload_lines(s3, folder, bucket, lines, key, prefix=""):
    """Uploads the pictures and masks of some lines, and a manifest that names them in the bucket."""
    try:
        s3.create_bucket(Bucket=bucket)
    except s3.exceptions.BucketAlreadyOwnedByYou:
        pass
    out = []
    for line in lines:
        line = dict(line)
        for member in ("source-ref", "anomaly-mask-ref"):
            if member in line:
                with open(os.path.join(folder, line[member]), "rb") as body:
                    s3.put_object(Bucket=bucket, Key=prefix + line[member], Body=body.read())
                line[member] = f"s3://{bucket}/{prefix}{line[member]}"
        out.append(line)
    s3.put_object(Bucket=bucket, Key=key, Body="\n".join(map(json.dumps, out)).encode())
    return out
