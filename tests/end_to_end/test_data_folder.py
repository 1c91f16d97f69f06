"""Tests data folders that lost something: the server must say so and delete nothing."""
import contextlib
import glob
import hashlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest
from urllib.error import HTTPError
from urllib.request import urlopen

from botocore.exceptions import ClientError
from harness import VEDETTE, Server, run

import abuse


def content_files(data):
    return {name: os.path.join(folder, name) for folder, _, names in os.walk(os.path.join(data, "objects")) for name in names
            if "/contents/" in folder + "/" or "/set-aside/" in folder + "/"}


def copy(path, to):
    shutil.copyfile(path, to)


class LostParts(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.destroy)
        self.data = self.server.data
        self.index = os.path.join(self.data, "objects", "index.sqlite")
        self.metadata = os.path.join(self.data, "metadata.sqlite")
        self.s3 = self.server.client("s3")
        self.s3.create_bucket(Bucket="kept")
        self.put(range(5))
        self.server.client("lookoutvision").create_project(ProjectName="kept")

    def put(self, numbers):
        for number in numbers:
            self.server.client("s3").put_object(Bucket="kept", Key=str(number), Body=b"content %d" % number)

    def keys(self):
        return sorted(int(o["Key"]) for o in self.server.client("s3").list_objects_v2(Bucket="kept").get("Contents", []))

    def becomes(self, name, value):
        """A metric has this value once the upkeep thread, which begins beside the first calls, has looked."""
        deadline = time.monotonic() + 20
        while True:
            with urlopen(self.server.url + "/metrics") as answer:
                found = int(re.search(rf"^{name} (\d+)$", answer.read().decode(), re.M).group(1))
            if found == value or time.monotonic() > deadline:
                self.assertEqual(found, value, name)
                return
            time.sleep(0.02)

    def refused(self, *words):
        """Checks that the server refuses to start in these words, twice, and changes no file."""
        before = self.snapshot()
        for _ in range(2):
            done = subprocess.run([VEDETTE, "serve", "--data", self.data, "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 1, done.stderr)
            for word in words:
                self.assertIn(word, done.stderr)
        self.assertEqual(self.snapshot(), before)

    def snapshot(self):
        out = {}
        for folder, _, names in os.walk(self.data):
            for name in names:
                if name in ("server.log", "lock", "hold") or name.endswith(("-shm", "-wal")):
                    continue
                with open(os.path.join(folder, name), "rb") as file:
                    out[os.path.join(folder, name)] = hashlib.sha256(file.read()).hexdigest()
        return out

    def start_with(self, *flags):
        self.server.extra = list(flags)
        self.server.start()
        self.server.extra = []

    def test_an_index_that_is_gone_or_empty(self):
        self.server.stop()
        right = self.index + ".right"
        copy(self.index, right)
        os.remove(self.index)
        self.refused("index.sqlite, is missing", "--accept-loss index")
        open(self.index, "w").close()
        self.refused("index.sqlite, is empty", "--accept-loss index")
        files = set(content_files(self.data))
        self.start_with("--accept-loss", "index")
        self.assertEqual(self.server.client("s3").list_buckets()["Buckets"], [])
        self.becomes("vedette_objects_set_aside", 5)
        self.assertIn("contents set aside", self.server.log())
        self.server.stop()
        self.assertEqual(set(content_files(self.data)), files)
        copy(right, self.index)  # With the right index everything is there again.
        self.server.start()
        self.assertEqual(self.keys(), list(range(5)))
        self.assertEqual(self.server.client("s3").get_object(Bucket="kept", Key="3")["Body"].read(), b"content 3")
        self.becomes("vedette_objects_set_aside", 0)
        self.becomes("vedette_objects_missing", 0)

    def test_an_index_cut_off_or_scribbled_on(self):
        self.server.stop()
        right = self.index + ".right"
        copy(self.index, right)
        os.truncate(self.index, os.path.getsize(self.index) // 2 // 4096 * 4096)
        self.refused("damaged", "backup")
        with open(self.index, "wb") as file:
            file.write(os.urandom(50_000))
        self.refused("index.sqlite", "damaged")
        copy(right, self.index)
        self.server.start()
        self.assertEqual(self.keys(), list(range(5)))

    def accept_damage(self, what, database, scribble):
        """A damaged database is set aside in one step, under a name that says when, and a new one serves."""
        self.server.stop()
        with open(database, "wb") as file:
            file.write(scribble)
        self.refused(os.path.basename(database), "damaged", "--accept-loss")
        self.start_with("--accept-loss", what)
        aside = glob.glob(database + ".lost-*")
        self.assertEqual(len([name for name in aside if not name.endswith(("-wal", "-shm"))]), 1, aside)
        self.assertRegex(aside[0], r"\.lost-\d{8}T\d{6}Z")
        with open(aside[0], "rb") as file:
            self.assertEqual(file.read(), scribble)
        with urlopen(self.server.url + "/readyz") as answer:
            self.assertEqual(answer.status, 200)

    def test_a_damaged_index_is_set_aside_in_one_step(self):
        right = self.index + ".right"
        self.server.stop()
        copy(self.index, right)
        self.accept_damage("index", self.index, os.urandom(50_000))
        self.assertEqual(self.server.client("s3").list_buckets()["Buckets"], [])
        self.becomes("vedette_objects_set_aside", 5)
        self.server.stop()
        copy(right, self.index)
        self.server.start()
        self.assertEqual(self.keys(), list(range(5)))

    def test_damaged_metadata_are_set_aside_in_one_step(self):
        self.accept_damage("metadata", self.metadata, b"SQLite?" * 1000)
        self.assertEqual(self.server.client("lookoutvision").list_projects()["Projects"], [])
        self.assertEqual(self.keys(), list(range(5)))
        self.server.stop()
        self.server.start()  # needs no flag any more

    def test_a_database_that_is_whole_is_not_set_aside(self):
        self.server.stop()
        self.start_with("--accept-loss", "index", "--accept-loss", "metadata")
        self.assertEqual(glob.glob(self.data + "/**/*.lost-*", recursive=True), [])
        self.assertEqual(self.keys(), list(range(5)))
        self.assertEqual(len(self.server.client("lookoutvision").list_projects()["Projects"]), 1)

    def test_an_index_of_yesterday(self):
        self.server.stop()
        copy(self.index, self.index + ".yesterday")
        self.server.start()
        self.put(range(10, 20))
        self.server.stop()
        copy(self.index, self.index + ".today")
        copy(self.index + ".yesterday", self.index)
        self.refused("10 are not named by index.sqlite", "--accept-loss index")
        self.start_with("--accept-loss", "index")
        self.assertEqual(self.keys(), list(range(5)))
        self.becomes("vedette_objects_set_aside", 10)
        self.server.stop()
        copy(self.index + ".today", self.index)
        self.server.start()
        self.assertEqual(self.keys(), [*range(5), *range(10, 20)])
        self.assertEqual(self.server.client("s3").get_object(Bucket="kept", Key="19")["Body"].read(), b"content 19")

    def test_contents_that_are_gone_are_told(self):
        self.server.stop()
        os.remove(next(iter(content_files(self.data).values())))
        self.server.start()
        self.becomes("vedette_objects_missing", 1)
        self.assertIn("contents missing objects=1", self.server.log())
        out = self.data + "-copy"
        self.addCleanup(shutil.rmtree, out, ignore_errors=True)
        done = subprocess.run([VEDETTE, "backup", "--data", self.data, "--out", out], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"lost the content of kept/\d")
        restored = Server(data=out)
        self.addCleanup(restored.destroy)
        self.assertEqual(len(restored.client("s3").list_objects_v2(Bucket="kept")["Contents"]), 5)

    def test_metadata_that_is_gone_empty_or_somebody_elses(self):
        self.server.stop()
        right = self.metadata + ".right"
        copy(self.metadata, right)
        os.remove(self.metadata)
        self.refused("metadata.sqlite is missing or empty", "--accept-loss metadata")
        node = os.path.join(self.data, "node-id")
        os.rename(node, node + ".kept")
        self.refused("metadata.sqlite is missing or empty")
        os.rename(node + ".kept", node)
        open(self.metadata, "w").close()
        self.refused("metadata.sqlite is missing or empty")
        with open(self.metadata, "wb") as file:
            file.write(b"SQLite?" * 1000)
        self.refused("metadata.sqlite", "damaged")
        os.remove(self.metadata)
        with sqlite3.connect(self.metadata) as empty:  # This is a database, but it holds nothing of the server's.
            empty.execute("PRAGMA user_version=0")
            empty.execute("CREATE TABLE x (y)")
        empty.close()
        done = subprocess.run([VEDETTE, "serve", "--data", self.data, "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("knows no user and no key", done.stderr)
        old_credentials = self.server.credentials()
        os.remove(self.metadata)
        self.start_with("--accept-loss", "metadata")
        self.assertNotEqual(self.server.credentials(), old_credentials)
        self.assertEqual(self.server.client("lookoutvision").list_projects()["Projects"], [])
        self.assertEqual(self.keys(), list(range(5)))
        self.server.stop()
        for suffix in ("-wal", "-shm"):
            if os.path.exists(self.metadata + suffix):
                os.remove(self.metadata + suffix)
        copy(right, self.metadata)
        self.server.start()
        projects = self.server.client("lookoutvision", credentials=old_credentials).list_projects()["Projects"]
        self.assertEqual([p["ProjectName"] for p in projects], ["kept"])

    def test_a_master_key_that_is_gone_or_another(self):
        self.server.stop()
        key = os.path.join(self.data, "master-key")
        os.rename(key, key + ".right")
        self.refused("master-key is missing", "--accept-loss master-key")
        with open(key, "wb") as file:
            file.write(os.urandom(32))
        self.refused("not the one that sealed")
        with open(key, "wb") as file:
            file.write(b"short")
        self.refused("damaged", "--accept-loss master-key")
        os.remove(key)
        tool = subprocess.run([VEDETTE, "key", "create", "--data", self.data, "--user", "admin"], capture_output=True, text=True)
        self.assertNotEqual(tool.returncode, 0)
        self.assertIn("master-key is missing", tool.stderr)
        self.assertFalse(os.path.exists(key))
        os.rename(key + ".right", key)
        self.server.start()
        self.assertEqual(self.keys(), list(range(5)))
        self.server.stop()
        os.rename(key, key + ".lost")
        old = self.server.credentials()
        self.start_with("--accept-loss", "master-key")
        self.assertEqual(self.keys(), list(range(5)))
        with self.assertRaises(ClientError) as caught:
            self.server.client("s3", credentials=old).list_buckets()
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 403)

    def test_a_lost_node_id_keeps_the_keys(self):
        self.server.stop()
        os.remove(os.path.join(self.data, "node-id"))
        credentials = self.server.credentials()
        self.server.start()
        self.assertEqual(self.server.credentials(), credentials)
        self.assertEqual(self.keys(), list(range(5)))

    def ready(self):
        """The status of /readyz and what it says."""
        try:
            with urlopen(self.server.url + "/readyz") as answer:
                return answer.status, answer.read().decode().strip()
        except HTTPError as error:
            return error.code, error.read().decode().strip()

    def test_readiness_knows_the_index(self):
        self.assertEqual(self.ready(), (200, "ok"))
        with open(self.index, "r+b") as file:
            file.write(os.urandom(os.path.getsize(self.index)))
        self.assertEqual(self.ready(), (503, "the database does not answer"))

    def test_a_server_that_drains_still_answers_until_a_second_signal(self):
        self.server.stop()
        self.start_with("--drain-seconds", "600")
        vedette = self.server.client("vedette")
        node, = vedette.list_nodes()["Nodes"]
        self.assertEqual((node["State"], node["Address"]), ("LIVE", self.server.url))
        self.server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        while self.ready()[0] == 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(self.ready(), (503, "this node is draining"))
        with urlopen(self.server.url + "/healthz") as answer:
            self.assertEqual(answer.status, 200)
        self.assertEqual(vedette.list_nodes()["Nodes"][0]["State"], "DRAINING")
        self.assertEqual(self.keys(), list(range(5)))
        self.server.stop()
        self.assertEqual(self.server.process.returncode, 0)

    def test_a_folder_of_a_newer_version_is_left_alone(self):
        self.server.stop()
        # No change may wait in a write-ahead log for the next process that opens the database.
        with contextlib.closing(sqlite3.connect(os.path.join(self.data, "metadata.sqlite"))) as metadata:
            metadata.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with contextlib.closing(sqlite3.connect(self.index)) as index:
            version = index.execute("PRAGMA user_version").fetchone()[0]
            index.execute("PRAGMA user_version=99")
        self.refused("newer version", "index.sqlite")
        with contextlib.closing(sqlite3.connect(self.index)) as index:
            index.execute(f"PRAGMA user_version={version}")
        self.server.start()
        self.assertEqual(self.keys(), list(range(5)))


class FullDisk(unittest.TestCase):
    @unittest.skipUnless(os.geteuid() == 0, "mounting a small disk needs root")
    def test_what_the_databases_cannot_write_is_503(self):
        folder = tempfile.mkdtemp(prefix="vedette-disk-")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True).returncode != 0:
            self.skipTest("this machine mounts no small disks")
        self.addCleanup(os.rmdir, folder)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        server = Server(data=os.path.join(folder, "data"))
        self.addCleanup(server.destroy)
        s3, api = server.client("s3"), server.client("lookoutvision")
        s3.create_bucket(Bucket="full")
        s3.put_object(Bucket="full", Key="before", Body=b"before")
        filler = os.path.join(folder, "filler")
        with open(filler, "wb", buffering=0) as file, self.assertRaises(OSError):
            while True:
                file.write(bytes(4096))

        def status(call):
            for number in range(300):
                try:
                    call(number)
                except ClientError as error:
                    return error.response["ResponseMetadata"]["HTTPStatusCode"]
            return None
        self.assertEqual(status(lambda n: s3.create_bucket(Bucket=f"bucket-{n}")), 503)
        self.assertEqual(status(lambda n: api.create_project(ProjectName=f"p{n}")), 503)
        # An empty object has room for its content, but not for its entry: the content loses its name again.
        self.assertEqual(status(lambda n: s3.put_object(Bucket="full", Key=f"empty-{n}", Body=b"")), 503)
        there = {name for name in content_files(server.data) if not name.endswith(".part")}
        os.remove(filler)
        self.assertEqual(s3.get_object(Bucket="full", Key="before")["Body"].read(), b"before")
        with contextlib.closing(sqlite3.connect(os.path.join(server.data, "objects", "index.sqlite"))) as index:
            self.assertEqual(there, {content for content, in index.execute("SELECT content FROM objects")})
        s3.put_object(Bucket="full", Key="after", Body=b"after")
        api.create_project(ProjectName="after")


class Abuse(unittest.TestCase):
    def test_a_few_rounds_of_kills_and_damage(self):
        lines = []
        outcome = abuse.abuse(kills=6, damages=3, seed=7, say=lines.append)
        self.assertEqual(outcome, [], lines)

    def test_what_a_server_loses_is_found(self):
        def remove_a_file(data):
            os.remove(sorted(path for path in content_files(data).values() if not path.endswith(".part"))[0])

        def change_a_file(data):
            with open(sorted(path for path in content_files(data).values() if not path.endswith(".part"))[0], "r+b") as file:
                file.write(b"other")

        def remove_a_row(database, table):
            with contextlib.closing(sqlite3.connect(database)) as connection, connection:
                connection.execute(f"DELETE FROM {table} WHERE (SELECT COUNT(*) FROM {table}) > 0")

        for while_down, words in (
                (remove_a_file, ("contents are missing", "not readable")), (change_a_file, ("not readable", "not what was put", "something else")),
                (lambda data: remove_a_row(os.path.join(data, "objects", "index.sqlite"), "objects"), ("is gone", "ended")),
                (lambda data: remove_a_row(os.path.join(data, "metadata.sqlite"), "projects"), ("is gone",))):
            with self.subTest(words=words):
                try:
                    found = abuse.abuse(kills=3, damages=0, seed=11, say=lambda line: None, while_down=while_down)
                except RuntimeError as error:
                    found = [str(error)]  # the server refuses to start
                self.assertTrue(any(word in text for text in found for word in words), found)

    def test_a_backup_of_a_server_that_deletes_all_the_time(self):
        server = Server()
        self.addCleanup(server.destroy)
        out = server.data + "-copy"
        self.addCleanup(shutil.rmtree, out, ignore_errors=True)
        load = abuse.Load(server, seed=3)
        load.start()
        try:
            for _ in range(3):
                run("backup", "--data", server.data, "--out", out)
        finally:
            load.stop()
        restored = Server(data=out)
        self.addCleanup(restored.destroy)
        s3 = restored.client("s3")
        listed = s3.list_objects_v2(Bucket=abuse.BUCKET).get("Contents", [])
        for entry in listed:
            s3.get_object(Bucket=abuse.BUCKET, Key=entry["Key"])["Body"].read()
        self.assertNotIn("contents missing", restored.log())


if __name__ == "__main__":
    unittest.main()
