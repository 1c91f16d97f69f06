"""Tests the local tools: sample, train, evaluate and detect."""
import filecmp
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

from PIL import Image, ImageDraw, ImageFilter

from harness import SMALL_SAMPLE, VEDETTE, run, sample_set, write_tiny_set


class Tools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="vedette-tools-")
        cls.sample = os.path.join(cls.folder, "sample")
        shutil.copytree(sample_set(*SMALL_SAMPLE, shrink=4), cls.sample)
        cls.model = os.path.join(cls.folder, "model")
        cls.summary = json.loads(run("train", "--manifest", cls.sample + "/manifests/train.manifest", "--out", cls.model, "--steps", "40", "--json").splitlines()[-1])

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def fails(self, *command):
        done = subprocess.run([VEDETTE, *command], capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_the_same_pictures_and_seed_give_the_same_bytes(self):
        again = os.path.join(self.folder, "again")
        run("train", "--manifest", self.sample + "/manifests/train.manifest", "--out", again, "--steps", "40", "--json")
        names = sorted(os.path.relpath(os.path.join(root, f), self.model) for root, _, files in os.walk(self.model) for f in files)
        self.assertEqual(names, sorted(os.path.relpath(os.path.join(root, f), again) for root, _, files in os.walk(again) for f in files))
        def evaluation(folder):
            with open(os.path.join(folder, "evaluation.json"), encoding="utf-8") as f:
                return {k: v for k, v in json.load(f).items() if k not in ("seconds", "stage_seconds")}

        self.assertEqual(evaluation(self.model), evaluation(again))
        names.remove("evaluation.json")  # This file lies beside the model and holds times.
        for name in names:
            self.assertTrue(filecmp.cmp(os.path.join(self.model, name), os.path.join(again, name), shallow=False), name)
        other = os.path.join(self.folder, "other-sample")
        run("sample", other, *SMALL_SAMPLE)
        for name in ("manifests/train.manifest", "training-images/anomaly-3.jpg", "mask-images/anomaly-3.png"):
            self.assertTrue(filecmp.cmp(os.path.join(sample_set(*SMALL_SAMPLE), name), os.path.join(other, name), shallow=False), name)

    def test_evaluate_reports_what_scripts_rely_on(self):
        summary = json.loads(run("evaluate", self.model, "--manifest", self.sample + "/manifests/test.manifest", "--json").splitlines()[-1])
        for member in ("image_auroc", "average_precision", "precision", "recall", "f1", "ece", "pixel_auroc", "aiou", "testing_images", "unreadable", "ms_per_image"):
            self.assertIn(member, summary)
        self.assertEqual(set(summary["aiou"]), {"scratch", "dent", "stain", "missinghole"})
        self.assertGreater(summary["image_auroc"], 0.85)

    def test_report_shows_the_training_pictures_and_others(self):
        page = os.path.join(self.folder, "report.html")
        run("report", self.model, "--out", page, "--pictures", "8")
        with open(page, encoding="utf-8") as f:
            text = f.read()
        for part in ("out of fold", "ROC", "nearest normal patch", "memory_bank", "Learning curve", "learning to draw defects"):
            self.assertIn(part, text)
        self.assertEqual(text.count("data:image/jpeg;base64,") % 2, 0)
        self.assertGreaterEqual(text.count("data:image/jpeg;base64,"), 16)
        self.assertNotIn("http", text)
        run("report", self.model, "--manifest", self.sample + "/manifests/test.manifest", "--out", page, "--pictures", "2")
        with open(page, encoding="utf-8") as f:
            self.assertNotIn("out of fold", f.read())
        bare = os.path.join(self.folder, "bare")
        shutil.copytree(self.model, bare)
        os.remove(os.path.join(bare, "evaluation.json"))
        self.assertIn("evaluation.json", self.fails("report", bare))

    def test_a_black_picture_is_anomalous_with_a_reason(self):
        picture = os.path.join(self.sample, "test-images", sorted(os.listdir(self.sample + "/test-images"))[0])
        black = os.path.join(self.folder, "black.png")
        Image.new("RGB", Image.open(picture).size).save(black)
        line = json.loads(run("detect", self.model, black, "--json").splitlines()[-1])
        self.assertTrue(line["is_anomalous"])
        self.assertIn("darker", line["reason"])

    def test_detect_names_the_file_at_fault_and_goes_on(self):
        broken = os.path.join(self.folder, "broken.jpg")
        with open(broken, "wb") as file:
            file.write(b"\xff\xd8\xff\xe0nothing")
        good = self.sample + "/test-images/test-normal-1.jpg"
        masks = os.path.join(self.folder, "masks")
        done = subprocess.run([VEDETTE, "detect", self.model, broken, good, "--json", "--masks-out", masks], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("broken.jpg", done.stderr)
        line = json.loads(done.stdout)
        self.assertEqual(line["image"], good)
        self.assertEqual(Image.open(masks + "/test-normal-1-mask.png").size, (160, 120))

    def test_a_program_without_a_server_gives_the_same_verdict_and_mask(self):
        picture = next(os.path.join(self.sample, "test-images", n) for n in sorted(os.listdir(self.sample + "/test-images")) if "anomaly" in n)
        masks = os.path.join(self.folder, "example-masks")
        line = json.loads(run("detect", self.model, picture, "--json", "--masks-out", masks))
        own = os.path.join(self.folder, "own-mask.png")
        program = os.path.join(os.path.dirname(VEDETTE), "tests", "verdict_example")
        first, *areas = subprocess.run([program, self.model, picture, own], check=True, capture_output=True, text=True).stdout.splitlines()
        self.assertEqual(first.split()[0], "anomaly" if line["is_anomalous"] else "normal")
        self.assertAlmostEqual(float(first.split()[1]), line["confidence"], 4)
        self.assertTrue(filecmp.cmp(own, line["mask"], shallow=False))
        found = {a.split()[0]: a.split()[1:3] for a in areas if not a.startswith("background")}
        self.assertEqual(set(found), set(line["area_fractions"]))
        with Image.open(own) as mask:
            shown = {"#%02X%02X%02X" % color[1] for color in mask.getcolors()} - {"#FFFFFF"}
        self.assertEqual(shown, {color.upper() for color in line["mask_colors"].values()})
        for label, (color, share) in found.items():
            self.assertEqual(color, line["mask_colors"][label])
            self.assertAlmostEqual(float(share) / 100, line["area_fractions"][label], 5)

    def test_folders_of_good_pictures_alone_train_a_model(self):
        folders = {}
        for kind in ("normal", "anomaly"):
            folders[kind] = os.path.join(self.folder, "only-" + kind)
            os.makedirs(folders[kind])
            for name in os.listdir(self.sample + "/training-images"):
                if name.startswith(kind):
                    os.symlink(os.path.join(self.sample, "training-images", name), os.path.join(folders[kind], name))
        Image.open(self.sample + "/training-images/normal-1.jpg").resize((125, 100)).save(folders["normal"] + "/zz-smaller.png")
        with open(folders["normal"] + "/zz-broken.png", "wb") as file:
            file.write(b"no picture")
        black = os.path.join(folders["normal"], "zz-black.png")
        Image.new("RGB", (160, 120)).save(black)
        model = os.path.join(self.folder, "normal-only")
        done = subprocess.run([VEDETTE, "train", "--normal", folders["normal"], "--out", model], capture_output=True, text=True, check=True)
        self.assertIn("zz-broken.png", done.stderr)
        self.assertIn("letterboxed", done.stderr)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["unreadable"], 1)
        # The training judges its pictures as `detect` does: one that no model of the others can judge is anomalous, with the reason.
        with open(os.path.join(model, "evaluation.json"), encoding="utf-8") as file:
            judged = {os.path.basename(p["image"]): p for p in json.load(file)["predictions"]}
        self.assertEqual(judged["zz-black.png"]["called"], "anomaly")
        self.assertIn("darker", judged["zz-black.png"]["reason"])
        self.assertNotIn("reason", judged["normal-1.jpg"])
        os.remove(black)
        summary = json.loads(run("evaluate", model, "--normal", folders["normal"], "--anomaly", folders["anomaly"], "--json").splitlines()[-1])
        self.assertGreater(summary["image_auroc"], 0.8)

        # Defects and black-and-white masks beside them make a segmentation model with one label.
        masks = os.path.join(self.folder, "black-and-white")
        os.makedirs(masks)
        for name in os.listdir(self.sample + "/mask-images"):
            mask = Image.open(os.path.join(self.sample, "mask-images", name)).convert("L").point(lambda v: 0 if v == 255 else 255)
            mask.save(os.path.join(masks, name))
        pictures = ["--normal", folders["normal"], "--anomaly", folders["anomaly"], "--masks", masks]
        run("train", *pictures, "--steps", "20", "--out", os.path.join(self.folder, "masked"))
        summary = json.loads(run("evaluate", os.path.join(self.folder, "masked"), *pictures, "--json").splitlines()[-1])
        self.assertEqual(list(summary["aiou"]), ["anomaly"])
        self.assertGreater(summary["pixel_auroc"], 0.9)

    def test_a_few_good_pictures_move_a_model_to_another_batch(self):
        # In the small pictures of the other tests a moved model finds too few of the defects.
        sample, model = sample_set(*SMALL_SAMPLE), os.path.join(self.folder, "not-moved")
        run("train", "--manifest", sample + "/manifests/train.manifest", "--out", model, "--steps", "40")

        # The new batch comes from a lens that is out of focus, which the model takes for a picture that it cannot judge.
        def soften(prefix, source, count):
            folder = os.path.join(self.folder, "soft-" + source + "-" + prefix)
            os.makedirs(folder)
            names = sorted(n for n in os.listdir(os.path.join(sample, source)) if prefix in n)[:count]
            for name in names:
                Image.open(os.path.join(sample, source, name)).filter(ImageFilter.GaussianBlur(4)).save(os.path.join(folder, name + ".png"))
            return folder

        ten, good, bad = soften("normal", "training-images", 10), soften("normal", "test-images", 10), soften("anomaly", "test-images", 10)

        def judge(model, *pictures):
            return json.loads(run("evaluate", model, *pictures, "--json").splitlines()[-1])

        self.assertEqual(judge(model, "--normal", good)["false_alarm_rate"], 1)
        with open(model + "/manifest.json", "rb") as file:
            before = file.read()
        moved, again = os.path.join(self.folder, "moved"), os.path.join(self.folder, "moved-again")
        summary = json.loads(run("rebase", model, "--normal", ten, "--out", moved, "--json").splitlines()[-1])
        self.assertIn("called 10 of these 10 good pictures anomalous", summary["warnings"][0])
        self.assertLess(summary["false_alarm_rate"], 0.5)
        after = judge(moved, "--normal", good, "--anomaly", bad)
        self.assertLess(after["false_alarm_rate"], 0.5)
        self.assertGreater(after["image_auroc"], 0.8)
        # The old batch is not forgotten, the old model stays, and the same pictures give the same bytes.
        self.assertGreater(judge(moved, "--manifest", sample + "/manifests/test.manifest")["image_auroc"], 0.85)
        with open(model + "/manifest.json", "rb") as file:
            self.assertEqual(file.read(), before)
        run("rebase", model, "--normal", ten, "--out", again, "--json")
        self.assertTrue(filecmp.cmp(moved + "/manifest.json", again + "/manifest.json", shallow=False))
        run("report", moved, "--out", os.path.join(self.folder, "moved.html"))

        few = os.path.join(self.folder, "few")
        os.makedirs(few)
        for number, name in enumerate(sorted(os.listdir(ten))[:4]):
            shutil.copy(os.path.join(ten, name), few)
            shutil.copy(os.path.join(ten, name), os.path.join(few, f"copy-{number}.png"))
        self.assertIn("At least 5 different good pictures are needed, but only 4 can be used", self.fails("rebase", model, "--normal", few, "--out", moved))
        self.assertIn("good pictures of the new batch are needed", self.fails("rebase", model, "--out", moved).lower())
        self.assertIn("no model", self.fails("rebase", few, "--normal", ten, "--out", moved))

    def test_masks_are_found_read_and_checked_before_the_training(self):
        good, bad = os.path.join(self.folder, "masks-good"), os.path.join(self.folder, "masks-bad")
        os.makedirs(good)
        os.makedirs(bad + "/scratch")
        names = sorted(os.listdir(self.sample + "/training-images"))
        for name in [n for n in names if n.startswith("normal")][:8]:
            os.symlink(os.path.join(self.sample, "training-images", name), os.path.join(good, name))
        anomalies = [n for n in names if n.startswith("anomaly")][:6]
        stems = [os.path.splitext(n)[0] for n in anomalies]
        marks = {}
        for name, stem in zip(anomalies, stems):
            os.symlink(os.path.join(self.sample, "training-images", name), os.path.join(bad, "scratch", name))
            marks[stem] = Image.open(f"{self.sample}/mask-images/{stem}.png").convert("L").point(lambda v: 0 if v == 255 else 1)
        masks = os.path.join(self.folder, "masks-mvtec", "scratch")
        os.makedirs(masks)
        pictures = ["--normal", good, "--anomaly", bad, "--masks", os.path.dirname(masks)]
        model = os.path.join(self.folder, "masks-model")
        for stem in stems:  # The mask holds the class numbers 0 and 1, which look black.
            marks[stem].save(f"{masks}/{stem}_mask.png")
        done = subprocess.run([VEDETTE, "train", *pictures, "--steps", "20", "--out", model, "--json"], capture_output=True, text=True, check=True)
        self.assertNotIn("masks", done.stderr.replace("drawing masks", ""))
        self.assertGreater(json.loads(done.stdout.splitlines()[-1])["pixel_auroc"], 0.8)

        os.rename(f"{masks}/{stems[0]}_mask.png", f"{masks}/other_mask.png")
        done = subprocess.run([VEDETTE, "evaluate", model, *pictures], capture_output=True, text=True, check=True)
        self.assertIn("1 of 6 pictures", done.stderr)
        self.assertIn(anomalies[0], done.stderr)
        self.assertIn("1 of 6 masks", done.stderr)
        self.assertIn("other_mask.png", done.stderr)

        marks[stems[1]].point(lambda v: 0).save(f"{masks}/{stems[1]}_mask.png")
        refused = os.path.join(self.folder, "masks-refused")
        self.assertIn(f"{stems[1]}_mask.png marks nothing", self.fails("train", *pictures, "--out", refused))
        for name in os.listdir(masks):
            os.rename(os.path.join(masks, name), os.path.join(masks, "x" + name))
        self.assertIn("none of the 6 masks", self.fails("train", *pictures, "--out", refused))
        self.assertFalse(os.path.exists(refused))

    def test_a_test_set_that_is_too_small_is_refused_before_the_training(self):
        lines = [json.loads(line) for line in open(self.sample + "/manifests/test.manifest", encoding="utf-8")]
        manifest = self.sample + "/manifests/good-only.manifest"
        with open(manifest, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines if "anomaly-mask-ref" not in line)
        out = os.path.join(self.folder, "untested")
        told = self.fails("train", "--manifest", self.sample + "/manifests/train.manifest", "--test-manifest", manifest, "--out", out)
        self.assertIn("The test dataset needs at least 1 normal and 1 anomalous images", told)
        self.assertNotIn("looking for a common pose", told)
        self.assertFalse(os.path.exists(out))

    def test_defects_that_training_had_not_seen_are_judged(self):
        lines = [json.loads(line) for line in open(self.sample + "/manifests/test.manifest", encoding="utf-8")]
        renamed = 0
        for line in lines:
            for entry in line.get("anomaly-mask-ref-metadata", {}).get("internal-color-map", {}).values():
                if entry["class-name"].upper() != "BACKGROUND":
                    entry["class-name"] = "unheard"
                    renamed += 1
        manifest = self.sample + "/manifests/unseen.manifest"
        with open(manifest, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        done = subprocess.run([VEDETTE, "evaluate", self.model, "--manifest", manifest], capture_output=True, text=True, check=True)
        summary = json.loads(done.stdout.splitlines()[-1])
        self.assertGreater(renamed, 0)
        self.assertEqual((summary["testing_images"], summary["unreadable"]), (len(lines), 0))
        self.assertIn('"unheard"', summary["warnings"][0])
        self.assertGreater(summary["pixel_auroc"], 0.8)

    def test_the_golden_sample_is_a_picture_that_the_model_can_judge(self):
        folder, model = os.path.join(self.folder, "one-is-foreign"), os.path.join(self.folder, "golden")
        # The first defect is a picture of red stripes; the others look like the good pictures, so that nothing else is far from them.
        *grain, defect = write_tiny_set(folder, normal=35, anomaly=1)
        foreign = Image.new("RGB", (96, 96))
        for x in range(0, 96, 8):
            ImageDraw.Draw(foreign).line((x, 0, x, 96), fill=(255, 0, 0), width=3)
        foreign.save(folder + "/images/foreign.png")
        defects = [{**defect, "source-ref": name} for name in ("images/foreign.png", *(line["source-ref"] for line in grain[25:]))]
        with open(folder + "/all.manifest", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in grain[:25] + defects)
        run("train", "--manifest", folder + "/all.manifest", "--out", model, "--budget", "6")
        foreign = json.loads(run("detect", model, folder + "/images/foreign.png", "--json").splitlines()[-1])
        self.assertIn("unlike", foreign["reason"])
        for blob in pathlib.Path(model, "blobs").iterdir():
            content = blob.read_bytes()
            length = int.from_bytes(content[:8], "little")
            header = json.loads(content[8:8 + length])
            if "golden.0" in header:
                begin, end = header["golden.0"]["data_offsets"]
                values = struct.unpack(f"<{(end - begin) // 2}e", content[8 + length + begin:8 + length + end])
        self.assertGreater(max(values[1::3]), 50, "the golden sample is the foreign picture, which has no green")

    def copies(self, name, count, save):
        """Writes good training pictures of the sample set in another form and returns their paths."""
        folder = os.path.join(self.folder, name)
        os.makedirs(folder)
        out = []
        for i in range(count):
            out.append(save(Image.open(f"{self.sample}/training-images/normal-{i + 1}.jpg"), f"{folder}/{i:03}"))
        return out

    def test_a_picture_is_judged_alike_in_every_format_and_under_any_name(self):
        picture = Image.open(f"{self.sample}/training-images/normal-1.jpg")
        folder = os.path.join(self.folder, "formats")
        os.makedirs(folder)
        paths = []
        for name, kind, options in (("a.png", "PNG", {}), ("b.bmp", "BMP", {}), ("c.tif", "TIFF", {"compression": "tiff_lzw"}), ("d.tiff", "TIFF", {}),
                                    ("e.webp", "WEBP", {"lossless": True}), ("f.jpg", "PNG", {}), ("g", "BMP", {})):
            paths.append(os.path.join(folder, name))
            picture.save(paths[-1], kind, **options)
        lines = [json.loads(line) for line in run("detect", self.model, *paths, "--json").splitlines()]
        self.assertEqual(len(lines), len(paths))
        self.assertEqual({line["anomaly_score"] for line in lines}, {lines[0]["anomaly_score"]})

    def test_an_ignored_orientation_is_said(self):
        exif = Image.Exif()
        exif[0x112] = 6
        path = os.path.join(self.folder, "turned.jpg")
        picture = Image.open(f"{self.sample}/training-images/normal-1.jpg")
        picture.save(path, exif=exif, quality=95)
        done = subprocess.run([VEDETTE, "detect", self.model, path], capture_output=True, text=True, check=True)
        self.assertIn("EXIF orientation (6)", done.stderr)
        with open(os.path.join(self.folder, "turned.manifest"), "w", encoding="utf-8") as f:
            for source in (path, f"{self.sample}/training-images/normal-1.jpg"):
                f.write(json.dumps({"source-ref": source, "a": 0, "a-metadata": {"type": "groundtruth/image-classification", "class-name": "normal"}}) + "\n")
        done = subprocess.run([VEDETTE, "evaluate", self.model, "--manifest", f.name], capture_output=True, text=True, check=True)
        self.assertIn("1 pictures have an EXIF orientation", done.stderr)
        self.assertIn("different EXIF orientations", done.stderr)

    def test_twelve_bits_are_scaled_alike_in_training_and_detection(self):
        def save(picture, path):
            samples = [value * 4095 // 255 for value in picture.convert("L").getdata()]
            deep = Image.new("I;16", picture.size)
            deep.frombytes(b"".join(value.to_bytes(2, "little") for value in samples))
            deep.save(path + ".png")
            return path + ".png"

        self.copies("twelve", 12, save)
        folder = os.path.join(self.folder, "twelve")
        model = os.path.join(self.folder, "twelve-model")
        done = subprocess.run([VEDETTE, "train", "--normal", folder, "--out", model, "--steps", "20"], capture_output=True, text=True, check=True)
        self.assertIn("12 pictures use only the lowest 12 of 16 bits", done.stderr)
        with open(os.path.join(model, "manifest.json"), encoding="utf-8") as f:
            self.assertEqual(json.load(f)["image"]["sample_bits"], 12)
        # With 8 bits it is nearly the same picture; with 16 bits it has another range.
        eight, sixteen = os.path.join(self.folder, "eight.png"), os.path.join(self.folder, "sixteen.png")
        Image.open(f"{self.sample}/training-images/normal-1.jpg").convert("L").save(eight)
        deep = Image.open(f"{folder}/000.png")
        loud = Image.new("I;16", deep.size)
        loud.frombytes(b"".join((value * 16).to_bytes(2, "little") for value in deep.getdata()))
        loud.save(sixteen)
        twelve, plain, other = [json.loads(line) for line in run("detect", model, f"{folder}/000.png", eight, sixteen, "--json").splitlines()]
        self.assertAlmostEqual(twelve["anomaly_score"], plain["anomaly_score"], delta=0.05 * twelve["anomaly_score"])
        self.assertTrue(other["is_anomalous"])
        self.assertIn("range", other["reason"])

    def test_a_jpeg_without_its_end_is_judged_and_an_empty_file_is_called_so(self):
        with open(f"{self.sample}/training-images/normal-1.jpg", "rb") as f:
            content = f.read()
        whole, cut, empty = (os.path.join(self.folder, name) for name in ("whole.jpg", "no_end.jpg", "zero.jpg"))
        for path, part in ((whole, content), (cut, content[:-2]), (empty, b"")):
            with open(path, "wb") as f:
                f.write(part)
        lines = [json.loads(line) for line in run("detect", self.model, whole, cut, "--json").splitlines()]
        self.assertEqual(lines[0]["anomaly_score"], lines[1]["anomaly_score"])
        self.assertIn("the file is empty", self.fails("detect", self.model, empty))

    def test_bench_measures_every_stage(self):
        # This comes last: two models, of which one is in memory at a time.
        for extra in ([], ["--connections", "4", "--rate", "10", "--cores", "1"], ["--models", "2", "--model-memory", "1"]):
            lines = run("bench", self.model, self.sample + "/test-images", "--seconds", "1", *extra).splitlines()
            self.assertTrue(lines[0].startswith("stage"), lines[0])
            summary = json.loads(lines[-1])
            self.assertEqual(summary["failed"], 0)
            self.assertGreater(summary["verdicts"], 0)
            self.assertEqual(list(summary["stages"]), ["body", "wait", "verify", "queue", "decode", "resize", "network", "mask", "encode", "other", "total", "outside"])
            for member in ("p50_ms", "p99_ms", "floor_ms", "p50_over_floor", "overhead_ms", "images_per_second", "start_to_hosted_ms", "resident_mb"):
                self.assertGreater(summary[member], 0, member)
            self.assertGreaterEqual(summary["p99_ms"], summary["p50_ms"])
        empty = os.path.join(self.folder, "nothing")
        os.makedirs(empty)
        self.assertIn("no picture", self.fails("bench", self.model, empty))

    def test_errors_name_what_is_wrong(self):
        manifest = os.path.join(self.folder, "bad.manifest")
        with open(manifest, "w", encoding="utf-8") as file:
            file.write('{"source-ref":"a.jpg"}\nnonsense\n')
        self.assertIn("bad.manifest, line 2", self.fails("train", "--manifest", manifest, "--out", self.folder + "/x"))
        self.assertIn("no model", self.fails("detect", self.sample, self.sample + "/test-images/test-normal-1.jpg"))
        self.assertIn("holds no model", self.fails("train", "--manifest", self.sample + "/manifests/train.manifest", "--out", self.sample))
        damaged = os.path.join(self.folder, "damaged")
        shutil.copytree(self.model, damaged)
        blob = os.path.join(damaged, "blobs", sorted(os.listdir(damaged + "/blobs"))[0])
        with open(blob, "r+b") as file:
            file.seek(100)
            byte = file.read(1)
            file.seek(100)
            file.write(bytes([byte[0] ^ 1]))
        self.assertIn("was changed", self.fails("detect", damaged, self.sample + "/test-images/test-normal-1.jpg"))


if __name__ == "__main__":
    unittest.main()
