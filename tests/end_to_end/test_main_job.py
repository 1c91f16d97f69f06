"""Tests the main job as a customer's program does it (upload, import, train, host, detect, stop, delete), on the rendered sample set and,
where it lies beside the checkout, on the original getting-started set."""
import os
import unittest

from harness import COOKIES, Server, sample_set
from main_job import MainJob

SERVER = None
SAMPLE = None


def setUpModule():
    global SERVER, SAMPLE
    SERVER = Server(budget=20)
    SAMPLE = sample_set()


def tearDownModule():
    SERVER.destroy()


class OverBoto3(MainJob, unittest.TestCase):
    def setUp(self):
        self.api, self.s3 = SERVER.client("lookoutvision"), SERVER.client("s3")

    def test_rendered_sample(self):
        right, metrics = self.job(SAMPLE, "sample", ["train", "test"])
        self.assertGreaterEqual(metrics["ROCAUC"], 0.95)
        self.assertGreaterEqual(right, 0.85)
        self.assertEqual({m["ClassName"] for m in metrics["PixelAnomalyClassMetrics"]}, {"scratch", "dent", "stain", "missinghole"})

    @unittest.skipUnless(os.path.isdir(COOKIES), "the original getting-started set does not lie beside this checkout")
    def test_cookies(self):
        right, metrics = self.job(COOKIES, "cookies", ["train"])
        self.assertGreaterEqual(metrics["ROCAUC"], 0.90)
        self.assertGreaterEqual(right, 0.80)


if __name__ == "__main__":
    unittest.main()
