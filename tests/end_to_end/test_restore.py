"""The drill of docs/postgresql.md: an installation on PostgreSQL and S3 is backed up with packaging/backup-nodes.sh while it runs, lost as a whole, and brought back as it
was at a moment in between."""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from harness import ROOT, VEDETTE, Server, run, wait_while, write_tiny_set

sys.path.insert(0, os.path.join(ROOT, "tests"))
from postgresql import PROGRAMS, Postgresql, make_folder

SCRIPT = os.path.join(ROOT, "packaging", "backup-nodes.sh")


def wait_until(is_true, limit=60):
    deadline = time.monotonic() + limit
    while not is_true():
        if time.monotonic() > deadline:
            raise RuntimeError("it did not happen in time")
        time.sleep(0.05)


class Restore(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vedette-restore-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.backup = make_folder()  # PostgreSQL's user archives its WAL there
        self.addCleanup(shutil.rmtree, self.backup, True)
        self.master_key = os.path.join(self.folder, "master-key")
        with open(os.open(self.master_key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(32))

    def options(self, database, s3):
        return ["--metadata", database.url, "--objects", "s3://plant/server", "--objects-endpoint", s3.url, "--master-key", self.master_key]

    def keys(self, s3):
        return {name.upper(): value for name, value in s3.credentials().items()}

    def run_script(self, *arguments, **environment):
        path = os.pathsep.join((PROGRAMS, os.path.dirname(VEDETTE), os.environ["PATH"]))
        done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path, **environment})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def back_up(self, database, s3):
        return self.run_script("backup", self.backup, VEDETTE_METADATA=database.url, VEDETTE_OBJECTS="s3://plant/server", VEDETTE_OBJECTS_ENDPOINT=s3.url, VEDETTE_BUCKETS="line7",
                               **self.keys(s3))

    def make_dataset(self, api, s3, project, lines):
        """Returns when the project's dataset holds these pictures."""
        s3.put_object(Bucket="line7", Key=project + ".manifest", Body="\n".join(json.dumps({**line, "source-ref": "s3://line7/" + line["source-ref"]}) for line in lines).encode())
        api.create_project(ProjectName=project)
        source = {"GroundTruthManifest": {"S3Object": {"Bucket": "line7", "Key": project + ".manifest"}}}
        api.create_dataset(ProjectName=project, DatasetType="train", DatasetSource=source)
        described = wait_while(lambda: api.describe_dataset(ProjectName=project, DatasetType="train")["DatasetDescription"], ["CREATE_IN_PROGRESS"], 0.05)
        self.assertEqual(described["Status"], "CREATE_COMPLETE", described["StatusMessage"])

    def test_a_lost_installation_comes_back_as_it_was_at_a_moment(self):
        os.makedirs(os.path.join(self.backup, "wal"))
        os.chown(os.path.join(self.backup, "wal"), os.stat(self.backup).st_uid, os.stat(self.backup).st_gid)
        archive = f"test ! -f {self.backup}/wal/%f && cp %p {self.backup}/wal/%f.part && mv {self.backup}/wal/%f.part {self.backup}/wal/%f"
        database = Postgresql(settings={"archive_mode": "on", "archive_command": archive})
        self.addCleanup(database.destroy)
        store = Server()
        self.addCleanup(store.destroy)
        s3 = store.client("s3")
        for bucket in ("plant", "line7"):
            s3.create_bucket(Bucket=bucket)
        lines = write_tiny_set(self.folder, normal=4, anomaly=2)
        for line in lines:
            with open(os.path.join(self.folder, line["source-ref"]), "rb") as file:
                s3.put_object(Bucket="line7", Key=line["source-ref"], Body=file.read(), Metadata={"part": "seven"})
        node = Server(extra=self.options(database, store), environment=self.keys(store))
        self.addCleanup(node.destroy)
        api = node.client("lookoutvision")
        self.make_dataset(api, s3, "before-the-copy", lines[:2])
        credentials = node.credentials()

        self.back_up(database, store)
        # The name of the copy says its second, and a later one is wanted.
        name = os.listdir(os.path.join(self.backup, "base"))[0]
        wait_until(lambda: time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) > name)
        self.make_dataset(api, s3, "after-the-copy", lines[2:])
        moment = database.sql("SELECT clock_timestamp()")
        api.create_project(ProjectName="too-late")
        api.delete_dataset(ProjectName="after-the-copy", DatasetType="train")  # by mistake, say
        self.back_up(database, store)  # a copy of the database that is too young for that moment, and the objects that have come since
        last = database.sql("SELECT pg_walfile_name(pg_switch_wal())")
        wait_until(lambda: os.path.exists(os.path.join(self.backup, "wal", last)))

        # All of it is lost, but for the backup and the master key.
        node.destroy()
        store.destroy()
        database.destroy()

        def restore(data):
            os.rmdir(data) if os.path.exists(data) else None
            self.run_script("restore", self.backup, data, moment)
        database = Postgresql(settings={"archive_mode": "off"}, restore=restore)
        self.addCleanup(database.destroy)
        wait_until(lambda: database.sql("SELECT pg_is_in_recovery()") == "f")
        store = Server()
        self.addCleanup(store.destroy)
        s3 = store.client("s3")
        for bucket in ("plant", "line7"):
            s3.create_bucket(Bucket=bucket)
        options = ["--data", os.path.join(self.folder, "node"), *self.options(database, store)]

        def doctor():
            done = subprocess.run([VEDETTE, "doctor", "--references", "--json", *options], capture_output=True, text=True, check=False, env={**os.environ, **self.keys(store)})
            return {f["check"]: f for f in map(json.loads, done.stdout.splitlines()[:-1])}
        self.assertIn("6 of 6 pictures of datasets are missing", doctor()["pictures"]["message"])
        copy = [VEDETTE, "objects", "copy", "--from", self.backup, "--to", "s3://plant/server", "--objects-endpoint", store.url]
        subprocess.run(copy, check=True, capture_output=True, env={**os.environ, **self.keys(store)})
        found = doctor()
        self.assertEqual(found["pictures"], {"check": "pictures", "result": "ok", "message": "All 6 pictures of datasets are there."})
        self.assertEqual(found["models"]["result"], "ok")

        node = Server(data=os.path.join(self.folder, "node"), extra=self.options(database, store), environment=self.keys(store))
        self.addCleanup(node.destroy)
        api = node.client("lookoutvision", credentials=credentials)
        self.assertEqual(sorted(p["ProjectName"] for p in api.list_projects()["Projects"]), ["after-the-copy", "before-the-copy"])
        entries = api.list_dataset_entries(ProjectName="after-the-copy", DatasetType="train")["DatasetEntries"]
        self.assertEqual([json.loads(e)["source-ref"] for e in entries], ["s3://line7/" + line["source-ref"] for line in lines[2:]])
        with open(os.path.join(self.folder, lines[-1]["source-ref"]), "rb") as file:
            kept = s3.get_object(Bucket="line7", Key=lines[-1]["source-ref"])
            self.assertEqual((kept["Body"].read(), kept["Metadata"]), (file.read(), {"part": "seven"}))

        # A dump of the restored database is a database, too.
        database.run("createdb", "-h", database.folder, "-p", str(database.port), "-U", "vedette", "dumped")
        dump = os.path.join(database.folder, "dump")
        database.run("pg_dump", "--format=custom", "--file", dump, database.url)
        dumped = database.url.replace("/vedette?", "/dumped?")
        database.run("pg_restore", "--exit-on-error", "--dbname", dumped, dump)
        examined = run("metadata", "copy", "--from", dumped, "--to", os.path.join(self.folder, "of-the-dump"))
        self.assertRegex(examined, r"dataset_entries +6 rows")

        # Without a copy from before that moment, the script says so and makes nothing.
        for base in sorted(glob.glob(os.path.join(self.backup, "base", "*")))[:1]:
            shutil.rmtree(base)
        refused = subprocess.run([SCRIPT, "restore", self.backup, os.path.join(self.folder, "none"), moment], capture_output=True, text=True, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("no copy of the database", refused.stderr)


if __name__ == "__main__":
    unittest.main()
