"""Puts mixed load on a server that is killed again and again, then flips bits and removes files in copies of its data folder.

This must hold: nothing that was acknowledged is lost or comes back changed, nothing is deleted unasked, and a damaged copy is either
refused with its cause or serves every object that was not damaged.

    /usr/bin/python3 abuse.py --kills 200 --damages 100

This prints one line per finding and ends with 1 if there was any.
"""
import argparse
import hashlib
import os
import random
import shutil
import sys
import tempfile
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError
from harness import Server

BUCKET = "abuse"
WRITERS = 4
FAILURES = (BotoCoreError, ClientError)


def body_of(text):
    digest = hashlib.sha256(text.encode()).digest()
    return digest * (1 + digest[0] * 8)


class Load:
    """Runs writers that put, replace and delete objects, upload in parts and make projects. Each writer has keys of its own and knows what was acknowledged.

    `state` maps a key to the texts whose content it may have; None means that it may be absent. A call that was cut off leaves two texts."""

    def __init__(self, server, seed):
        self.server, self.random = server, random.Random(seed)
        self.state, self.projects, self.lock = {}, {}, threading.Lock()
        self.stopping = False
        self.threads = []
        try:
            server.client("s3").create_bucket(Bucket=BUCKET)
        except ClientError as error:
            if "BucketAlreadyOwnedByYou" not in str(error):
                raise

    def start(self):
        self.stopping = False
        self.threads = [threading.Thread(target=self.work, args=(n, random.Random(self.random.random()))) for n in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping = True
        self.join()

    def join(self):
        for thread in self.threads:
            thread.join()

    def attempt(self, table, key, value, call):
        with self.lock:
            before = table.get(key, {None})
            table[key] = before | {value}
        call()
        with self.lock:
            table[key] = {value}

    def work(self, writer, rng):
        settings = {"retries": {"max_attempts": 0}, "read_timeout": 10, "connect_timeout": 2}
        s3, api = self.server.client("s3", **settings), self.server.client("lookoutvision", **settings)
        try:
            while not self.stopping:
                key, text = f"{writer}/{rng.randrange(40)}", str(rng.random())
                action = rng.random()
                if action < 0.55:
                    self.attempt(self.state, key, text, lambda: s3.put_object(Bucket=BUCKET, Key=key, Body=body_of(text)))  # noqa: B023
                elif action < 0.8:
                    self.attempt(self.state, key, None, lambda: s3.delete_object(Bucket=BUCKET, Key=key))  # noqa: B023
                elif action < 0.9:
                    upload = {"Bucket": BUCKET, "Key": key, "UploadId": s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]}
                    tag = s3.upload_part(**upload, PartNumber=1, Body=body_of(text))["ETag"]
                    if rng.random() < 0.3:
                        s3.abort_multipart_upload(**upload)
                        continue
                    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
                    self.attempt(self.state, key, text, lambda: s3.complete_multipart_upload(**upload, MultipartUpload=parts))  # noqa: B023
                else:
                    name = f"p{writer}-{rng.randrange(10)}"
                    with self.lock:
                        there = self.projects.get(name, {None}) == {"there"}
                    try:
                        if there:
                            self.attempt(self.projects, name, None, lambda: api.delete_project(ProjectName=name))  # noqa: B023
                        else:
                            self.attempt(self.projects, name, "there", lambda: api.create_project(ProjectName=name))  # noqa: B023
                    except ClientError as error:
                        if error.response["Error"]["Code"] not in ("ConflictException", "ResourceNotFoundException"):
                            raise
                        # An earlier call that was cut off had been carried out, as this answer shows.
                        with self.lock:
                            self.projects[name] = {None} if there else {"there"}
        except FAILURES:
            return  # The server was killed.

    def findings(self, server):
        """Returns the differences between what a server on the data has and what was acknowledged. From here on the load expects what the server has."""
        out = []
        s3, api = server.client("s3"), server.client("lookoutvision")
        listed = {o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET) for o in page.get("Contents", [])}
        for key in sorted(listed | set(self.state)):
            expected = self.state.get(key, {None})
            if key not in listed:
                found = None
            else:
                try:
                    content = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
                    found = next((text for text in expected if text is not None and body_of(text) == content), "something else")
                except FAILURES as error:
                    found = f"not readable: {error}"
            if found not in expected:
                out.append(f"{key} is {'gone' if found is None else 'not what was put' if None not in expected else found}")
            self.state[key] = {found}
        there = {p["ProjectName"] for page in api.get_paginator("list_projects").paginate() for p in page["Projects"]}
        for name in sorted(there | set(self.projects)):
            found = "there" if name in there else None
            if found not in self.projects.get(name, {None}):
                out.append(f"project {name} is {'there' if found else 'gone'}")
            self.projects[name] = {found}
        return out


def readable(server, load, credentials):
    """Returns the keys for which the server returns what was put, and the keys for which it returns something else."""
    s3, good, wrong = server.client("s3", credentials, retries={"max_attempts": 0}), set(), set()
    for key, (text,) in load.state.items():
        if text is None:
            continue
        try:
            content = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except FAILURES:
            continue
        (good if content == body_of(text) else wrong).add(key)
    return good, wrong


def files_of(data):
    return sorted(os.path.relpath(os.path.join(folder, name), data) for folder, _, names in os.walk(data) for name in names
                  if name not in ("server.log", "lock", "hold") and not name.endswith("-shm"))


def damage(data, rng):
    """Flips a bit of a file or removes a file. Returns what was done, and to which file."""
    there = [p for p in files_of(data) if os.path.getsize(os.path.join(data, p)) > 0]
    # There are hundreds of contents and a dozen other files, so the kind of the file is chosen first, each with the same chance.
    kinds = [[p for p in there if p.startswith("objects/contents/") == is_content] for is_content in (True, False)]
    path = rng.choice(rng.choice(kinds))
    full = os.path.join(data, path)
    if rng.random() < 0.4:
        os.remove(full)
        return path, "lost"
    with open(full, "r+b") as file:
        at = rng.randrange(os.path.getsize(full))
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << rng.randrange(8))]))
    return path, f"bit flipped at {at}"


def abuse(kills, damages, seed, say=print, while_down=lambda data: None):
    """Runs the load, the kills and the damages, and returns the findings. `while_down` is called with the data folder after each kill; a test removes something there."""
    rng, findings = random.Random(seed), []
    server = Server()
    load = Load(server, seed)
    try:
        for kill in range(kills):
            load.start()
            time.sleep(rng.uniform(0.02, 0.6))
            server.kill()
            load.join()
            while_down(server.data)
            server.start()
            if "contents missing" in server.log():
                findings.append(f"kill {kill}: contents are missing")
            findings += [f"kill {kill}: {text}" for text in load.findings(server)]
        say(f"{kills} kills: {sum(v != {None} for v in load.state.values())} objects and {sum(v != {None} for v in load.projects.values())} projects stand, {len(findings)} findings")
        server.stop()
        refused, credentials = 0, server.credentials()  # the server's credentials, since those in the copy may be damaged
        for number in range(damages):
            folder = tempfile.mkdtemp(prefix="vedette-damaged-")
            shutil.rmtree(folder)
            shutil.copytree(server.data, folder)
            try:
                path, what = damage(folder, rng)
                before = set(files_of(folder))
                try:
                    copy = Server(data=folder)
                except RuntimeError as error:
                    refused += 1
                    if "vedette: " not in str(error):
                        findings.append(f"damage {number} ({path}, {what}): ended without a reason: {error}")
                    continue
                try:
                    is_content = path.startswith("objects/contents/")
                    # SQLite keeps no checksums of its pages, so a bit flipped inside a row that stays readable changes the object of that row only.
                    most_lacking = 1 if is_content or (path == "objects/index.sqlite" and what != "lost") else 0
                    good, wrong = readable(copy, load, credentials)
                    lacking = sum(v != {None} for v in load.state.values()) - len(good)
                    if lacking > most_lacking or (wrong and not is_content):
                        findings.append(f"damage {number} ({path}, {what}): {lacking} objects are not readable, {len(wrong)} wrong")
                finally:
                    copy.stop()
                gone = {os.path.basename(p) for p in before if "objects/contents" in p and not p.endswith(".part")} - {os.path.basename(p) for p in files_of(folder)}
                if gone:
                    findings.append(f"damage {number} ({path}, {what}): {len(gone)} files were deleted")
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        say(f"{damages} damaged copies: {refused} refused, {len(findings)} findings in all")
    finally:
        load.stopping = True
        server.destroy()
    return findings


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--damages", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = abuse(options.kills, options.damages, options.seed)
    for line in found:
        print(line)
    sys.exit(1 if found else 0)
