"""Tests `vedette convert`: the rendered sample goes to COCO and back, and pictures that are shown turned are judged by Pillow."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from PIL import Image, ImageOps

from harness import SMALL_SAMPLE, VEDETTE, run, sample_set


def lines_of(folder, kind):
    with open(os.path.join(folder, "manifests", kind + ".manifest"), encoding="utf-8") as file:
        return {line["source-ref"]: line for line in map(json.loads, filter(str.strip, file))}


def labelled_mask(folder, line):
    """Returns the label of each pixel, or nothing for a line without a mask."""
    if "anomaly-mask-ref" not in line:
        return None
    names = {tuple(bytes.fromhex(e["hex-color"][1:])): e["class-name"] for e in line["anomaly-mask-ref-metadata"]["internal-color-map"].values()}
    with Image.open(os.path.join(folder, line["anomaly-mask-ref"])) as mask:
        pixels = mask.convert("RGB")
    return [names[p] for p in pixels.getdata()]


class Convert(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vedette-convert-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def fails(self, *command):
        done = subprocess.run([VEDETTE, *command], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def write_turned(self, name, orientation, size=(40, 24)):
        exif = Image.Exif()
        exif[274] = orientation
        Image.new("RGB", size, (90, 90, 90)).save(self.path(name), exif=exif)

    def test_the_sample_goes_to_coco_and_back_without_a_loss(self):
        sample = sample_set(*SMALL_SAMPLE)
        for shapes in ("polygons", "runs"):
            coco, again = self.path(shapes), self.path(shapes + "-again")
            run("convert", sample, "--to", "coco", "--shapes", shapes, "--out", coco)
            with open(os.path.join(coco, "annotations", "instances_train.json"), encoding="utf-8") as file:
                written = json.load(file)
            self.assertEqual(len(written["images"]), 40)
            self.assertEqual({c["name"] for c in written["categories"]}, {"scratch", "dent", "stain", "missinghole"})
            self.assertTrue(all(isinstance(a["segmentation"], dict if shapes == "runs" else list) for a in written["annotations"]))
            run("convert", coco, "--images-root", sample, "--unannotated", "normal", "--out", again)
            for kind in ("train", "test"):
                before, after = lines_of(sample, kind), lines_of(again, kind)
                self.assertEqual(set(before), set(after))
                for name, line in before.items():
                    self.assertEqual(line["anomaly-label-metadata"]["class-name"], after[name]["anomaly-label-metadata"]["class-name"])
                    self.assertEqual(labelled_mask(sample, line), labelled_mask(again, after[name]), name)
            # What was converted is read as any dataset: its COCO is the same once more.
            run("convert", again, "--images-root", sample, "--to", "coco", "--shapes", shapes, "--out", self.path(shapes + "-third"))
            with open(os.path.join(self.path(shapes + "-third"), "annotations", "instances_train.json"), encoding="utf-8") as file:
                self.assertEqual(json.load(file)["annotations"], written["annotations"])

    def test_annotations_of_turned_pictures_are_turned_back_as_pillow_does(self):
        shapes = [{"label": "dent", "shape_type": "rectangle", "points": [[2, 3], [9, 5]]}, {"label": "dent", "shape_type": "polygon", "points": [[1, 8], [6, 8], [6, 20], [1, 20]]}]
        os.makedirs(self.path("set"))
        for orientation in range(1, 9):
            name = f"set/{orientation}.jpg"
            self.write_turned(name, orientation)
            with Image.open(self.path(name)) as picture:
                width, height = ImageOps.exif_transpose(picture).size
            with open(self.path(f"set/{orientation}.json"), "w", encoding="utf-8") as file:
                json.dump({"imagePath": f"{orientation}.jpg", "imageWidth": width, "imageHeight": height, "imageData": None, "flags": {}, "shapes": shapes}, file)
        done = subprocess.run([VEDETTE, "convert", self.path("set"), "--out", self.path("out")], capture_output=True, text=True, check=True)
        self.assertIn("7 pictures were annotated as their EXIF orientation turns them", done.stderr)
        lines = lines_of(self.path("out"), "train")
        for orientation in range(1, 9):
            with Image.open(os.path.join(self.path("out"), lines[f"{orientation}.jpg"]["anomaly-mask-ref"])) as mask:
                self.assertEqual(mask.size, (40, 24))
                exif = Image.Exif()
                exif[274] = orientation
                mask.save(self.path("turned.png"), exif=exif)
            with Image.open(self.path("turned.png")) as mask:
                shown = ImageOps.exif_transpose(mask).convert("RGB")
            marked = {(x, y) for x in range(shown.width) for y in range(shown.height) if shown.getpixel((x, y)) != (255, 255, 255)}
            expected = {(x, y) for x in range(2, 9) for y in range(3, 5)} | {(x, y) for x in range(1, 6) for y in range(8, 20)}
            self.assertEqual(marked, expected, orientation)

    def write_coco(self, annotations, name="labels.json"):
        with open(self.path(name), "w", encoding="utf-8") as file:
            json.dump({"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 64}], "categories": [{"id": 1, "name": "missing hole"}], "annotations": annotations}, file)
        Image.new("RGB", (64, 64)).save(self.path("a.png"))
        return self.path(name)

    def test_names_and_places_are_told(self):
        source = self.write_coco([{"id": 4, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}])
        done = subprocess.run([VEDETTE, "convert", source, "--bucket", "s3://line7/set", "--out", self.path("new", "out")], capture_output=True, text=True, check=True)
        self.assertIn('missinghole (from "missing hole")', done.stdout)
        self.assertIn("1 box was drawn as a filled rectangle", done.stderr)
        line = lines_of(self.path("new", "out"), "train")["s3://line7/set/a.png"]
        self.assertEqual(line["anomaly-mask-ref"], "s3://line7/set/masks/a.png")
        self.assertIn("s3://bucket", self.fails("convert", source, "--bucket", "line7", "--out", self.path("other")))

    def test_bad_entries_are_named_and_strict_writes_nothing(self):
        source = self.write_coco([{"id": 4, "image_id": 1, "category_id": 1, "bbox": [1, 2, -3, 4]}])
        done = subprocess.run([VEDETTE, "convert", source, "--out", self.path("out")], capture_output=True, text=True, check=True)
        self.assertIn("left out: labels.json: annotation 4 (/annotations/0): its bbox has a negative side", done.stderr)
        before = sorted(os.listdir(self.folder))
        self.assertIn("--strict", self.fails("convert", source, "--strict", "--out", self.path("strict")))
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_only_a_new_or_empty_folder_is_written(self):
        source = self.write_coco([])
        os.makedirs(self.path("full", "x"))
        self.assertIn("not an empty folder", self.fails("convert", source, "--out", self.path("full")))
        os.makedirs(self.path("empty"))
        run("convert", source, "--out", self.path("empty"))
        self.assertEqual(os.listdir(self.path("empty", "manifests")), ["train.manifest"])

    def test_files_of_no_format_are_refused(self):
        with open(self.path("notes.txt"), "w", encoding="utf-8") as file:
            file.write("nothing")
        self.assertIn("of no format that is known", self.fails("convert", self.folder, "--out", self.path("out")))
        self.assertIn("no file of the format cvat", self.fails("convert", self.folder, "--from", "cvat", "--out", self.path("out")))
        elsewhere = self.path("elsewhere")
        os.makedirs(elsewhere)
        source = self.write_coco([])
        self.assertIn("which --images-root changes", self.fails("convert", source, "--images-root", elsewhere, "--out", self.path("out")))
        self.assertFalse(os.path.exists(self.path("out")))


if __name__ == "__main__":
    unittest.main()
