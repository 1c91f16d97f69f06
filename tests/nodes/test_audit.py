"""Two nodes over one PostgreSQL and one S3 service: what happened at either of them is told by both, also after a kill and after the database was away."""
import json
import os
import re
import sys
import tempfile
import time
import unittest
import urllib.request

from botocore.exceptions import ClientError

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "end_to_end")]

from harness import Server  # noqa: E402
from postgresql import Postgresql  # noqa: E402


class AuditOfAllNodes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.database = Postgresql()
        cls.addClassCleanup(cls.database.destroy)
        cls.objects = Server()
        cls.addClassCleanup(cls.objects.destroy)
        cls.objects.client("s3").create_bucket(Bucket="installation")
        key = tempfile.NamedTemporaryFile(prefix="vedette-master-key-")  # of mode 0600
        cls.addClassCleanup(key.close)
        key.write(os.urandom(32))
        key.flush()
        extra = ["--metadata", cls.database.url, "--master-key", key.name, "--objects", "s3://installation/objects", "--objects-endpoint", cls.objects.url]
        cls.a, cls.b = (Server(extra=extra, environment=cls.objects.client_environment()) for _ in range(2))
        for node in (cls.a, cls.b):
            cls.addClassCleanup(node.destroy)

    def client(self, node, service, keys=None):
        # The first node made the administrator.
        return node.client(service, keys or self.a.credentials(), retries={"max_attempts": 8})

    def listed(self, node, **filters):
        # Those who ask for a resource name it, too; they are left out.
        pages = self.client(node, "vedette").get_paginator("list_audit_events").paginate(EventSource="lookoutvision.amazonaws.com", **filters)
        return [event["Record"] for page in pages for event in page["Events"]]

    def wait_for(self, node, count, **filters):
        """Returns the lines that the node lists once they are so many."""
        deadline = time.monotonic() + 60
        while len(lines := self.listed(node, **filters)) < count:
            self.assertLess(time.monotonic(), deadline, lines)
            time.sleep(0.05)
        return lines

    @staticmethod
    def in_files(node, project):
        lines = []
        for name in sorted(os.listdir(os.path.join(node.data, "audit"))):
            with open(os.path.join(node.data, "audit", name), encoding="utf-8") as file:
                lines += [line for line in file.read().splitlines() if (json.loads(line)["requestParameters"] or {}).get("projectName") == project]
        return lines

    def test_every_node_lists_what_happened_at_all_of_them(self):
        admin = self.client(self.a, "vedette")
        admin.create_user(UserName="ann")
        key = admin.create_access_key(UserName="ann")["AccessKey"]
        ann = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        self.client(self.a, "lookoutvision").create_project(ProjectName="line7")
        self.client(self.b, "lookoutvision").describe_project(ProjectName="line7")
        with self.assertRaises(ClientError):
            self.client(self.b, "lookoutvision", ann).delete_project(ProjectName="line7")
        self.client(self.a, "lookoutvision").delete_project(ProjectName="line7")
        # Nobody waits for the lines of the node that is asked.
        self.assertIn("DeleteProject", [json.loads(line)["eventName"] for line in self.listed(self.a, ResourceName="line7", UserName="admin")])
        # A call that a client repeated has a line for each time.
        written = self.in_files(self.a, "line7") + self.in_files(self.b, "line7")
        self.assertGreaterEqual(len(written), 4)
        self.assertGreaterEqual(len(self.in_files(self.b, "line7")), 2)
        lines = self.wait_for(self.b, len(written), ResourceName="line7")
        self.assertCountEqual(lines, written)
        self.assertEqual(lines, self.wait_for(self.a, len(written), ResourceName="line7"))
        times = [json.loads(line)["eventTime"] for line in lines]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertEqual({json.loads(line)["errorCode"] for line in self.listed(self.b, UserName="ann", EventName="DeleteProject")}, {"AccessDeniedException"})
        self.assertEqual(self.listed(self.b, ResourceName="line7", PaginationConfig={"PageSize": 1}), lines)

    def test_what_a_killed_node_had_not_brought_yet_comes_when_it_starts_again(self):
        for i in range(2):
            self.client(self.b, "lookoutvision").create_project(ProjectName=f"killed{i}")
            self.b.kill()
            self.b.start()
        for i in range(2):
            self.assertEqual(self.wait_for(self.a, 1, ResourceName=f"killed{i}"), self.in_files(self.b, f"killed{i}"))

    def test_lines_come_after_the_database_was_away(self):
        self.database.stop("immediate")
        self.database.start()
        self.client(self.b, "lookoutvision").create_project(ProjectName="afterwards")
        self.wait_for(self.a, 1, ResourceName="afterwards")
        with urllib.request.urlopen(self.b.url + "/metrics") as answer:
            metrics = answer.read().decode()
        self.assertTrue(re.search(r"^vedette_audit_lag_seconds \d+\.\d+$", metrics, re.M), metrics)


if __name__ == "__main__":
    unittest.main()
