"""Moves the metadata of a real data folder to PostgreSQL and back with `vedette metadata copy`."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import ROOT, VEDETTE, Server

sys.path.insert(0, os.path.join(ROOT, "tests"))
from postgresql import Postgresql


def copy(source, target):
    return subprocess.run([VEDETTE, "metadata", "copy", "--from", source, "--to", target], capture_output=True, text=True, check=False)


class MetadataCopy(unittest.TestCase):
    def test_a_folder_moves_to_postgresql_and_back(self):
        database = Postgresql()
        self.addCleanup(database.destroy)
        server = Server()
        client = server.client("lookoutvision")
        client.create_project(ProjectName="line7")
        refused = copy(server.data, database.url)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("another vedette serve uses", refused.stderr)
        server.stop()

        there = copy(server.data, database.url)
        self.assertEqual(there.returncode, 0, there.stderr)
        self.assertRegex(there.stdout, r"projects +1 rows  sha256 [0-9a-f]{64}")
        self.assertNotIn("user=", there.stdout)
        self.assertEqual(database.sql("SELECT name FROM vedette.projects"), "line7")
        again = copy(server.data, database.url)
        self.assertEqual(again.returncode, 1)
        self.assertIn("not empty", again.stderr)

        # The folder without its metadata, which then comes back.
        moved = tempfile.mkdtemp(prefix="vedette-e2e-")
        self.addCleanup(shutil.rmtree, moved, True)
        for name in os.listdir(server.data):
            if not name.startswith("metadata.sqlite"):
                source = os.path.join(server.data, name)
                (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, os.path.join(moved, name))
        back = copy(database.url, moved)
        self.assertEqual(back.returncode, 0, back.stderr)
        self.assertEqual(back.stdout.splitlines()[:-1], there.stdout.splitlines()[:-1])
        restored = Server(data=moved)
        self.assertEqual([p["ProjectName"] for p in restored.client("lookoutvision").list_projects()["Projects"]], ["line7"])


if __name__ == "__main__":
    unittest.main()
