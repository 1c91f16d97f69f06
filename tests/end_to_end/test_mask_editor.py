"""Tests that masks which are drawn in the console's editor arrive on the grid and in the colours that the server reads. A Chromium does what a person does."""
import io
import json
import os
import shutil
import struct
import subprocess
import time
import unittest

from harness import BUILD, Server
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SCRIPT = os.path.join(BUILD, "console", "copy", "console", "browser", "mask_editor.mjs")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
WIDTH, HEIGHT = 640, 480
LABEL = (0xE5, 0x39, 0x35)
WHITE = (255, 255, 255)
SERVER = None


def setUpModule():
    global SERVER
    SERVER = Server()


def tearDownModule():
    SERVER.destroy()


def picture(orientation=1):
    exif = Image.Exif()
    exif[274] = orientation
    out = io.BytesIO()
    Image.linear_gradient("L").resize((WIDTH, HEIGHT)).convert("RGB").save(out, "JPEG", exif=exif)
    return out.getvalue()


def mask_with_gamma():
    """Returns a palette PNG as ImageMagick writes them, with a mark in its corner."""
    mask = Image.new("P", (WIDTH, HEIGHT))
    mask.putpalette([*WHITE, *LABEL])
    mask.paste(1, (10, 20, 60, 50))
    info = PngInfo()
    info.add(b"gAMA", struct.pack(">I", 45455))
    info.add(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
    out = io.BytesIO()
    mask.save(out, "PNG", pnginfo=info)
    return out.getvalue()


@unittest.skipUnless(os.path.exists(CHROMIUM) and shutil.which("node") and os.path.exists(SCRIPT), "needs Chromium, Node and a build with the console")
class MaskEditor(unittest.TestCase):
    def setUp(self):
        self.s3, self.lookout = SERVER.client("s3"), SERVER.client("lookoutvision")
        self.s3.create_bucket(Bucket="line7")
        for key, orientation in (("turned.jpg", 6), ("coloured.jpg", 1), ("plain.jpg", 1)):
            self.s3.put_object(Bucket="line7", Key=key, Body=picture(orientation))
        self.s3.put_object(Bucket="line7", Key="mask.png", Body=mask_with_gamma())
        label = {"class-name": "anomaly", "type": "groundtruth/image-classification", "human-annotated": "yes"}
        colours = {"0": {"class-name": "BACKGROUND", "hex-color": "#ffffff"}, "1": {"class-name": "scratch", "hex-color": "#E53935"}}
        lines = [
            {"source-ref": "s3://line7/turned.jpg", "station": "east"},
            {"source-ref": "s3://line7/coloured.jpg", "anomaly-label": 1, "anomaly-label-metadata": label, "anomaly-mask-ref": "s3://line7/mask.png",
             "anomaly-mask-ref-metadata": {"internal-color-map": colours, "type": "groundtruth/semantic-segmentation", "human-annotated": "yes"}},
            {"source-ref": "s3://line7/plain.jpg"},
        ]
        self.s3.put_object(Bucket="line7", Key="train.manifest", Body="\n".join(map(json.dumps, lines)))
        self.lookout.create_project(ProjectName="flanges")
        self.lookout.create_dataset(ProjectName="flanges", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "line7", "Key": "train.manifest"}}})
        while self.lookout.describe_dataset(ProjectName="flanges", DatasetType="train")["DatasetDescription"]["Status"] == "CREATE_IN_PROGRESS":
            time.sleep(0.05)

    def entry(self, key):
        entries = self.lookout.list_dataset_entries(ProjectName="flanges", DatasetType="train", SourceRefContains=key)["DatasetEntries"]
        return json.loads(entries[0])

    def mask(self, key):
        line = self.entry(key)
        self.assertEqual(line["anomaly-label-metadata"]["class-name"], "anomaly")
        self.assertIn({"class-name": "scratch", "hex-color": "#E53935", "confidence": 1}, line["anomaly-mask-ref-metadata"]["internal-color-map"].values())
        bucket, mask_key = line["anomaly-mask-ref"][len("s3://"):].split("/", 1)
        self.assertEqual(bucket, "line7")
        mask = Image.open(io.BytesIO(self.s3.get_object(Bucket=bucket, Key=mask_key)["Body"].read()))
        self.assertEqual((mask.format, mask.mode, mask.size), ("PNG", "P", (WIDTH, HEIGHT)))
        return mask.convert("RGB")

    def assert_marked(self, mask, rectangle):
        """The mask has a stroke in the middle of the rectangle, and marks nothing outside of it."""
        self.assertEqual({color for _, color in mask.getcolors()}, {WHITE, LABEL})
        left, top, right, bottom = rectangle
        self.assertEqual(mask.getpixel(((left + right) // 2, (top + bottom) // 2)), LABEL)
        marks = Image.eval(mask.getchannel("B"), lambda value: 255 - value).getbbox()
        self.assertTrue(left <= marks[0] and top <= marks[1] and marks[2] <= right and marks[3] <= bottom, marks)

    def check_turned(self):
        self.assert_marked(self.mask("turned.jpg"), (84, 44, 216, 76))
        self.assertEqual(self.entry("turned.jpg")["station"], "east", "Members of the user's own stay in the line.")

    def check_coloured(self):
        deadline = time.monotonic() + 20
        while self.entry("coloured.jpg")["anomaly-mask-ref"] == "s3://line7/mask.png" and time.monotonic() < deadline:
            time.sleep(0.05)
        mask = self.mask("coloured.jpg")
        self.assertEqual(mask.crop((10, 20, 60, 50)).getcolors(), [(50 * 30, LABEL)])
        mask.paste(WHITE, (10, 20, 60, 50))
        self.assert_marked(mask, (384, 284, 466, 316))

    def check_draft(self):
        self.assert_marked(self.mask("plain.jpg"), (284, 184, 396, 216))

    def test_masks_are_drawn_on_the_grid_and_in_the_colours_of_the_server_and_survive_a_dead_tab(self):
        addresses = [f"s3://line7/{key}.jpg" for key in ("turned", "coloured", "plain")]
        command = ["node", SCRIPT, "flanges", str(WIDTH), str(HEIGHT), *addresses]
        checked = []
        with subprocess.Popen(command, env=SERVER.client_environment(VEDETTE_ENDPOINT=SERVER.url), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as browser:
            try:
                for line in browser.stdout:
                    name = line.split()[1]
                    getattr(self, f"check_{name}")()
                    checked.append(name)
                    print("go on", file=browser.stdin, flush=True)
            except BaseException:
                browser.kill()
                raise
        self.assertEqual((browser.returncode, checked), (0, ["turned", "coloured", "draft"]))


if __name__ == "__main__":
    unittest.main()
