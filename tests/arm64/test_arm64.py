"""The engine and the agent for 64-bit ARM, under qemu-user, give the verdicts of this machine's. `./test.sh arm64` builds them and runs this."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/end_to_end"))
from edge import Agent, detect, stubs, wait_for  # noqa: E402
from harness import SMALL_SAMPLE, run, sample_set  # noqa: E402

ARM = ROOT / "build/arm64"
BUILD = pathlib.Path(os.environ.get("VEDETTE_BUILD", ROOT / "build/release"))
# The scores of golden samples may deviate by so much between processors (kGoldenTolerance of vision/infer/infer.hpp).
TOLERANCE = 1e-2
# Processors without AVX-512 multiply in fp32, as arm64 does.
IN_FP32 = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
# A core that small boards have; qemu's own default has instructions that they lack.
QEMU = ["qemu-aarch64-static", "-cpu", "cortex-a72", "-L", str(ARM / "sysroot")]


def judge_under_qemu(model, picture, **environment):
    return subprocess.run([*QEMU, ARM / "example/judge", model, picture], check=True, capture_output=True, text=True, env={**os.environ, **environment}).stdout


def kernels(text):
    """Returns the names of oneDNN's kernels by the kind of their operation, from what it prints with ONEDNN_VERBOSE=1."""
    found = {}
    for kind, name in re.findall(r"^(?:one)?dnn(?:l)?_verbose,exec,cpu,(\w+),([^,]+),", text, re.M):
        found.setdefault(kind, set()).add(name)
    return found


class Arm64(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.sample = sample_set(*SMALL_SAMPLE)
        cls.models = cls.folder.name + "/models"
        cls.model = cls.models + "/flange"
        os.mkdir(cls.models)
        run("train", "--manifest", cls.sample + "/manifests/train.manifest", "--out", cls.model, "--steps", "100", "--json")

    def pictures(self):
        """Returns some good pictures and some bad ones."""
        names = sorted(os.listdir(self.sample + "/test-images"))
        return [os.path.join(self.sample, "test-images", name) for kind in ("normal", "anomaly") for name in [n for n in names if kind in n][:3]]

    def test_gives_the_same_verdicts(self):
        pictures = self.pictures()
        here, quickest = ([json.loads(line) for line in run("detect", self.model, *pictures, "--json", env=environment).splitlines()] for environment in (IN_FP32, None))
        self.assertEqual(len(here), 6)
        for picture, own, in_quickest in zip(pictures, here, quickest, strict=True):
            first, *areas = judge_under_qemu(self.model, picture).splitlines()
            verdict, confidence, score, *_ = first.split()
            self.check(picture, own, verdict == "anomaly", float(confidence), float(score), {a.split()[0] for a in areas})
            self.assertEqual(own["is_anomalous"], in_quickest["is_anomalous"])

    def check(self, picture, own, is_anomalous, confidence, score, areas):
        deviation = abs(score - own["anomaly_score"]) / (1 + own["anomaly_score"])
        print(f"{os.path.basename(picture)}: {'anomaly' if is_anomalous else 'normal'}, score {score} there and {own['anomaly_score']} here, deviation {deviation:.2%}")
        self.assertEqual(is_anomalous, own["is_anomalous"])
        self.assertLess(deviation, TOLERANCE)
        self.assertAlmostEqual(confidence, own["confidence"], delta=0.01)
        self.assertEqual(areas - {"background"}, set(own["area_fractions"]))

    def test_the_agent_answers_over_its_socket(self):
        # A PNG file and its pixels, which any client passes, since programs may decode a JPEG file in different ways.
        pictures = [os.path.join(self.folder.name, f"{kind}.png") for kind in ("normal", "anomaly")]
        for source, target in zip(self.pictures()[::3], pictures, strict=True):
            Image.open(source).convert("RGB").save(target)
        here = [json.loads(line) for line in run("detect", self.model, *pictures, "--json", env=IN_FP32).splitlines()]
        messages = stubs()[0]
        agent = Agent(self.models, ["--start", "flange"], program=[*QEMU, str(ARM / "vedette-edge")])
        self.addCleanup(agent.destroy)
        client = agent.client()
        wait_for(client, "flange", limit=600)
        for path, own in zip(pictures, here, strict=True):
            picture = Image.open(path)
            request = messages.DetectAnomaliesRequest(model_component="flange", bitmap=messages.Bitmap(width=picture.width, height=picture.height, byte_data=picture.tobytes()))
            result = detect(client, request, limit=600)
            self.check(path, own, result.is_anomalous, result.confidence, result.anomaly_score, {a.name for a in result.anomalies})
        self.assertEqual({own["is_anomalous"] for own in here}, {True, False})
        self.assertEqual(agent.stop(), 0)

    def test_says_which_kernels_differ(self):
        picture = self.pictures()[0]
        there = kernels(judge_under_qemu(self.model, picture, ONEDNN_VERBOSE="1"))
        here = kernels(run("detect", self.model, picture, env={**os.environ, "ONEDNN_VERBOSE": "1"}))
        self.assertIn("convolution", there)
        self.assertIn("convolution", here)
        for kind in sorted({*here, *there}):
            print(f"{kind}: {', '.join(sorted(there.get(kind, {'none'})))} there, {', '.join(sorted(here.get(kind, {'none'})))} here")
        # No convolution may go through the reference kernel, which is slower by orders of magnitude.
        self.assertFalse([name for name in there["convolution"] if name.startswith("ref")])


if __name__ == "__main__":
    unittest.main()
