"""Tests objects under faults: kills in the middle of many puts and of multipart uploads, and a disk that fills up."""
import hashlib
import io
import os
import re
import subprocess
import tarfile
import tempfile
import threading
import time
import unittest
from urllib.request import urlopen

from botocore.exceptions import BotoCoreError, ClientError

from harness import Server


def content(number):
    return hashlib.sha256(str(number).encode()).digest() * (1 + number % 300)


class Kills(unittest.TestCase):
    def test_every_acknowledged_object_is_whole_and_no_other_is_visible(self):
        server = Server()
        self.addCleanup(server.destroy)
        server.client("s3").create_bucket(Bucket="kills")
        acknowledged, sent, next_number, lock = set(), set(), iter(range(1000)), threading.Lock()

        def put_until_it_breaks():
            s3 = server.client("s3", retries={"max_attempts": 0})
            while True:
                with lock:
                    number = next(next_number, None)
                    if number is None:
                        return
                    sent.add(number)
                try:
                    s3.put_object(Bucket="kills", Key=str(number), Body=content(number))
                except (BotoCoreError, ClientError):
                    return
                with lock:
                    acknowledged.add(number)

        for kill_at in (150, 400, 700):
            threads = [threading.Thread(target=put_until_it_breaks) for _ in range(4)]
            for thread in threads:
                thread.start()
            while len(acknowledged) < kill_at and any(t.is_alive() for t in threads):
                time.sleep(0.001)
            server.kill()
            for thread in threads:
                thread.join()
            server.start()
        put_until_it_breaks()
        s3 = server.client("s3")
        listed = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="kills") for o in page["Contents"]]
        self.assertEqual(len(listed), len(set(listed)))
        self.assertLessEqual({str(n) for n in acknowledged}, set(listed))
        self.assertLessEqual(set(listed), {str(n) for n in sent})
        for key in listed:  # A put that was cut off before its answer is there whole or not at all.
            self.assertEqual(s3.get_object(Bucket="kills", Key=key)["Body"].read(), content(int(key)), key)
        # Nothing of the puts that were cut off is left on the disk.
        server.stop()
        server.start()
        files = sum(len(names) for _, _, names in os.walk(os.path.join(server.data, "objects", "contents")))
        self.assertEqual(files, len(listed))

    def test_archives_are_unpacked_whole_or_not_at_all(self):
        server = Server()
        self.addCleanup(server.destroy)
        server.client("s3").create_bucket(Bucket="packs")
        acknowledged, numbers, lock = set(), iter(range(10_000)), threading.Lock()

        def archive(number):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as file:
                for entry in range(64):
                    info = tarfile.TarInfo(f"{number}/{entry}")
                    info.size = len(content(number))
                    file.addfile(info, io.BytesIO(content(number)))
            return buffer.getvalue()

        def put_until_it_breaks():
            s3 = server.client("s3", retries={"max_attempts": 0})
            while True:
                with lock:
                    number = next(numbers)
                try:
                    s3.put_object(Bucket="packs", Key="pack", Body=archive(number), Metadata={"snowball-auto-extract": "true"})
                except (BotoCoreError, ClientError):
                    return
                with lock:
                    acknowledged.add(number)

        for kill_at in (3, 20, 40):  # The first kill is early: what it leaves is then much beside what is there.
            threads = [threading.Thread(target=put_until_it_breaks) for _ in range(4)]
            for thread in threads:
                thread.start()
            while len(acknowledged) < kill_at and any(t.is_alive() for t in threads):
                time.sleep(0.001)
            server.kill()
            for thread in threads:
                thread.join()
            server.start()
        s3 = server.client("s3")
        listed = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="packs") for o in page["Contents"]]
        whole = {key.split("/")[0] for key in listed}
        self.assertEqual(len(listed), 64 * len(whole))
        self.assertLessEqual({str(number) for number in acknowledged}, whole)
        for key in listed:
            self.assertEqual(s3.get_object(Bucket="packs", Key=key)["Body"].read(), content(int(key.split("/")[0])), key)
        server.stop()
        server.start()
        names = [name for _, _, names in os.walk(os.path.join(server.data, "objects", "contents")) for name in names]
        self.assertEqual((len(names), [name for name in names if name.endswith(".part")]), (len(listed), []))

    def test_a_multipart_upload_goes_on_after_a_kill(self):
        server = Server()
        self.addCleanup(server.destroy)
        s3 = server.client("s3")
        s3.create_bucket(Bucket="parts")
        upload = {"Bucket": "parts", "Key": "k", "UploadId": s3.create_multipart_upload(Bucket="parts", Key="k")["UploadId"]}
        body = os.urandom(5 << 20)
        first = s3.upload_part(**upload, PartNumber=1, Body=body)["ETag"]
        server.kill()
        server.start()
        s3 = server.client("s3")
        self.assertEqual([p["ETag"] for p in s3.list_parts(**upload)["Parts"]], [first])
        second = s3.upload_part(**upload, PartNumber=2, Body=b"end")["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]}
        s3.complete_multipart_upload(**upload, MultipartUpload=parts)
        server.kill()
        server.start()
        self.assertEqual(server.client("s3").get_object(Bucket="parts", Key="k")["Body"].read(), body + b"end")


class FullDisk(unittest.TestCase):
    @unittest.skipUnless(os.geteuid() == 0, "mounting a small disk needs root")
    def test_a_full_disk_gives_an_error_and_keeps_what_was_there(self):
        folder = tempfile.mkdtemp(prefix="vedette-disk-")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True).returncode != 0:
            self.skipTest("this machine mounts no small disks")
        self.addCleanup(os.rmdir, folder)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        server = Server(data=os.path.join(folder, "data"))
        self.addCleanup(server.destroy)
        s3 = server.client("s3")
        s3.create_bucket(Bucket="full")
        body, kept = os.urandom(4 << 20), []
        with self.assertRaises(ClientError) as caught:
            for number in range(40):
                s3.put_object(Bucket="full", Key=str(number), Body=body)
                kept.append(str(number))
        self.assertIn(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], (500, 503))
        self.assertGreater(len(kept), 5)
        self.assertEqual([o["Key"] for o in s3.list_objects_v2(Bucket="full")["Contents"]], sorted(kept))
        for key in kept:
            self.assertEqual(s3.get_object(Bucket="full", Key=key)["Body"].read(), body)
        # Once there is room again, puts succeed.
        s3.delete_objects(Bucket="full", Delete={"Objects": [{"Key": k} for k in kept[:3]]})
        s3.put_object(Bucket="full", Key="after", Body=body)
        self.assertEqual(s3.get_object(Bucket="full", Key="after")["Body"].read(), body)


class PowerCut(unittest.TestCase):
    """Tests what docs/s3.md states: the content, its folder and the index are on the disk before the answer goes out."""

    def test_an_answer_comes_after_the_syncs(self):
        if subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True).returncode != 0:
            self.skipTest("this machine traces no processes")
        server = Server()
        self.addCleanup(server.destroy)
        s3 = server.client("s3")
        s3.create_bucket(Bucket="synced")
        upload = {"Bucket": "synced", "Key": "parts", "UploadId": s3.create_multipart_upload(Bucket="synced", Key="parts")["UploadId"]}
        trace = os.path.join(server.data, "trace")
        # -yy shows the file behind a descriptor.
        tracer = subprocess.Popen(["strace", "-f", "-yy", "-s", "16", "-e", "trace=fsync,fdatasync,sendto,sendmsg,write,writev", "-o", trace, "-p", str(server.process.pid)],
                                  stderr=subprocess.PIPE)
        while b"attached" not in tracer.stderr.readline():
            pass
        s3.put_object(Bucket="synced", Key="k", Body=b"put")
        tag = s3.upload_part(**upload, PartNumber=1, Body=b"part")["ETag"]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
        s3.delete_object(Bucket="synced", Key="k")
        tracer.terminate()
        tracer.communicate()
        with open(trace, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        # Each entry holds what was synced between one answer and the next.
        answers, synced = [], set()
        for line in lines:
            call = re.match(r"\d+\s+(?:<\.\.\. )?(\w+)", line).group(1)
            if call in ("fsync", "fdatasync") and "resumed" not in line:
                path = re.search(r"<([^>]*)>", line).group(1)
                synced.add("content" if re.search(r"/contents/./\w+", path) else "folder" if "/contents/" in path else "index" if path.endswith("index.sqlite-wal") else path)
            if "HTTP/1.1 2" in line:
                answers.append(synced)
                synced = set()
        self.assertEqual(len(answers), 4, lines)
        for answer in answers[:3]:
            self.assertLessEqual({"content", "folder", "index"}, answer)
        self.assertIn("index", answers[3])


class Damage(unittest.TestCase):
    def test_a_damaged_object_is_found_and_reported(self):
        server = Server()
        self.addCleanup(server.destroy)
        s3 = server.client("s3")
        s3.create_bucket(Bucket="damage")
        for number in range(10):
            s3.put_object(Bucket="damage", Key=f"k {number}", Body=content(number))
        server.stop()
        for folder, _, names in os.walk(os.path.join(server.data, "objects", "contents")):
            for name in names:
                with open(os.path.join(folder, name), "r+b") as file:
                    if file.read() == content(7):
                        file.seek(5)
                        file.write(b"!")
        server.start()

        def metric():
            with urlopen(server.url + "/metrics") as answer:
                return re.search(r"^vedette_objects_damaged (\d+)$", answer.read().decode(), re.M).group(1)
        deadline = time.monotonic() + 30
        while metric() != "1" and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(metric(), "1")
        self.assertRegex(server.log(), r'damaged object bucket=damage key="?k 7"? version=null reason=.*SHA-256')


if __name__ == "__main__":
    unittest.main()
