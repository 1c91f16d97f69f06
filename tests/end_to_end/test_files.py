"""Tests that nothing in people's folders is overwritten or deleted unasked, and that nothing is silently taken for something else."""
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from urllib.parse import unquote_to_bytes, urlparse

from harness import VEDETTE, Server, run, write_tiny_set


def call(*words):
    return subprocess.run([VEDETTE, *words], capture_output=True, text=True, errors="surrogateescape")


def contents(folder):
    """Returns every file below a folder and its bytes."""
    out = {}
    for root, _, files in os.walk(folder):
        for name in files:
            with open(os.path.join(root, name), "rb") as file:
                out[os.path.relpath(os.path.join(root, name), folder)] = file.read()
    return out


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = tempfile.mkdtemp(prefix="vedette-files-")
        cls.lines = write_tiny_set(cls.base, normal=12, anomaly=6)
        cls.sort(cls.base)
        cls.model = os.path.join(cls.base, "model")
        run("train", "--normal", cls.base + "/good", "--anomaly", cls.base + "/bad", "--out", cls.model, "--budget", "3")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.base)

    @staticmethod
    def sort(folder):
        """Makes folders good/ and bad/ beside images/, in which the same names occur: 000.png, 001.png."""
        for kind in ("good", "bad"):
            os.makedirs(os.path.join(folder, kind), exist_ok=True)
            for i, name in enumerate(sorted(n for n in os.listdir(folder + "/images") if n.startswith(kind))):
                shutil.copy(os.path.join(folder, "images", name), os.path.join(folder, kind, f"{i:03}.png"))

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vedette-files-")
        self.addCleanup(shutil.rmtree, self.folder)
        for kind in ("good", "bad"):
            shutil.copytree(os.path.join(self.base, kind), os.path.join(self.folder, kind))
        self.good, self.bad = self.folder + "/good", self.folder + "/bad"

    def train(self, out, *words):
        return call("train", "--normal", self.good, "--out", out, "--budget", "2", *words)

    def test_a_model_is_replaced_whatever_the_folder_is_called_and_nothing_beside_it(self):
        model = os.path.join(self.folder, "model")
        shutil.copytree(self.model, model)
        with open(model + "/notes.txt", "w", encoding="utf-8") as file:
            file.write("only copy")
        before = contents(model)
        done = self.train(model + "/")
        self.assertEqual(done.returncode, 0, done.stderr)
        after = contents(model)
        self.assertNotEqual(before["manifest.json"], after["manifest.json"])
        self.assertEqual(after["notes.txt"], b"only copy")
        run("detect", model, self.bad + "/000.png")
        self.assertEqual(sorted(os.listdir(self.folder)), ["bad", "good", "model"])

    def test_a_folder_that_holds_no_model_is_refused_before_the_training(self):
        site = os.path.join(self.folder, "site")
        shutil.copytree(self.good, site + "/photos")
        with open(site + "/manifest.json", "w", encoding="utf-8") as file:
            file.write('{"name": "a web page"}')
        with open(self.folder + "/file", "w", encoding="utf-8") as file:
            file.write("x")
        before = contents(self.folder)
        for out, reason in ((site, "holds no model"), (self.good, "holds no model"), (self.folder + "/file", "is a file"), (self.folder + "/file/model", "no folder")):
            done = self.train(out)
            self.assertEqual(done.returncode, 1, out)
            self.assertIn(reason, done.stderr)
            self.assertNotIn("%", done.stderr)  # No stage of the training was reported.
        self.assertEqual(contents(self.folder), before)

    def test_an_interrupted_training_leaves_the_old_model_and_nothing_else(self):
        model = os.path.join(self.folder, "model")
        shutil.copytree(self.model, model)
        temporary = os.path.join(self.folder, "tmp")
        os.makedirs(temporary)
        before = contents(self.folder)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            process = subprocess.Popen([VEDETTE, "train", "--normal", self.good, "--out", model, "--budget", "60"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                       env={**os.environ, "TMPDIR": temporary})
            self.assertIn(b"%", process.stderr.readline())  # The training runs.
            process.send_signal(number)
            self.assertNotEqual(process.wait(30), 0)
            process.stderr.close()
            if number == signal.SIGKILL:  # What nobody can tidy up lies in the system's temporary folder, never beside the model.
                shutil.rmtree(temporary)
                os.makedirs(temporary)
            self.assertEqual(contents(self.folder), before, number)
            self.assertEqual(os.listdir(temporary), [], number)

    def test_masks_never_take_the_place_of_pictures(self):
        before = contents(self.bad)
        pictures = sorted(glob.glob(self.bad + "/*.png"))
        lines = [json.loads(line) for line in run("detect", self.model, *pictures, "--masks-out", self.bad, "--json").splitlines()]
        after = contents(self.bad)
        self.assertEqual({name: after[name] for name in before}, before)
        self.assertEqual(set(after) - set(before), {f"{i:03}-mask.png" for i in range(6)})
        self.assertEqual([line["mask"] for line in lines], [p[:-4] + "-mask.png" for p in pictures])
        # A link reaches a picture that has the same name as another picture's mask.
        os.makedirs(self.folder + "/out")
        os.symlink("../bad/001.png", self.folder + "/out/000-mask.png")
        done = call("detect", self.model, *pictures, "--masks-out", self.folder + "/out")
        self.assertEqual(done.returncode, 1)
        self.assertIn("would be overwritten", done.stderr)
        self.assertEqual(done.stdout, "")
        # Pictures that have the same name have different masks.
        out = self.folder + "/masks"
        run("detect", self.model, self.good + "/000.png", self.bad + "/000.png", self.bad + "/001.png", "--masks-out", out)
        self.assertEqual(sorted(os.listdir(out)), ["001-mask.png", "bad-000-mask.png", "good-000-mask.png"])

    def test_a_report_takes_the_place_of_a_report_only(self):
        picture = self.good + "/000.png"
        before = contents(self.folder)
        for out in (picture, self.model + "/manifest.json", self.good):
            done = call("report", self.model, "--out", out, "--pictures", "0")
            self.assertEqual(done.returncode, 1, out)
            self.assertIn("no HTML page", done.stderr)
        self.assertEqual(contents(self.folder), before)
        for _ in range(2):
            run("report", self.model, "--out", self.folder + "/page.html", "--pictures", "0")

    def test_a_sample_is_not_rendered_over_something_else(self):
        os.makedirs(self.folder + "/mine/training-images")
        with open(self.folder + "/mine/notes.txt", "w", encoding="utf-8") as file:
            file.write("x")
        done = call("sample", self.folder + "/mine", "--count", "60")
        self.assertEqual(done.returncode, 1)
        self.assertIn("something else", done.stderr)
        self.assertEqual(list(contents(self.folder + "/mine")), ["notes.txt"])

    def test_a_service_model_that_somebody_else_wrote_is_kept(self):
        target = self.folder + "/models/lookoutvision/2020-11-20"
        os.makedirs(target)
        with open(target + "/service-2.json", "w", encoding="utf-8") as file:
            file.write("the vendor's")
        for _ in range(2):
            run("client-model", "install", "--dir", self.folder + "/models")
        kept = [name for name in os.listdir(target) if name.startswith("service-2.json.before-")]
        self.assertEqual(len(kept), 1)
        with open(os.path.join(target, kept[0]), encoding="utf-8") as file:
            self.assertEqual(file.read(), "the vendor's")
        with open(target + "/service-2.json", encoding="utf-8") as file:
            self.assertIn("CreateProject", file.read())

    def test_what_systems_leave_in_folders_is_not_looked_at(self):
        for name in (".ipynb_checkpoints/000-checkpoint.png", ".Trash-1000/files/x.png", "@eaDir/001.png/SYNOPHOTO_THUMB_M.png", "__MACOSX/002.png", "._000.png", "Thumbs.db"):
            os.makedirs(os.path.dirname(f"{self.good}/{name}"), exist_ok=True)
            shutil.copy(self.bad + "/000.png", f"{self.good}/{name}")
        os.symlink(".", self.good + "/current")
        os.symlink("/nonexistent.png", self.good + "/dangling.png")
        for name in ("a.cr2", "b.cr2", "notes.txt"):
            with open(f"{self.good}/{name}", "wb") as file:
                file.write(b"no picture")
        shutil.copy(self.good + "/000.png", self.good + "/picture.dat")  # The bytes of the file say that it is a picture.
        done = call("detect", self.model, self.good, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([json.loads(line)["image"] for line in done.stdout.splitlines()], [f"{self.good}/{i:03}.png" for i in range(12)] + [self.good + "/picture.dat"])
        for part in ("dangling.png", "2 .cr2, 1 .txt"):
            self.assertIn(part, done.stderr)

    def test_names_that_are_not_utf8_train_and_are_found_again(self):
        for kind in (self.good, self.bad):
            for name in os.listdir(kind):
                os.rename(f"{kind}/{name}", os.fsencode(kind) + b"/Pr\xfcfling_" + name.encode())
        model = os.path.join(self.folder, "latin")
        done = call("train", "--normal", self.good, "--anomaly", self.bad, "--out", model, "--budget", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["testing_images"], 18)
        run("report", model, "--out", self.folder + "/page.html", "--pictures", "4")
        with open(self.folder + "/page.html", encoding="utf-8") as file:
            self.assertNotIn("not where it was", file.read())
        for command in (["detect", model, self.bad], ["evaluate", model, "--normal", self.good, "--anomaly", self.bad]):
            lines = [json.loads(line) for line in run(*command, "--json").splitlines()]
            names = [line["image"] for line in lines if "image" in line]
            self.assertGreaterEqual(len(names), 6)
            for name in names:
                self.assertTrue(os.path.exists(unquote_to_bytes(urlparse(name).path)), name)

    def test_figures_that_are_not_defined_are_no_numbers(self):
        done = self.train(self.folder + "/m")
        self.assertEqual(done.returncode, 0, done.stderr)
        for text in (done.stdout, run("evaluate", self.folder + "/m", "--normal", self.good)):
            summary = json.loads(text.splitlines()[-1])
            for figure in ("image_auroc", "average_precision", "precision", "recall", "f1"):
                self.assertIsNone(summary[figure], figure)
            self.assertGreaterEqual(summary["false_alarm_rate"], 0)
            table = dict(line.rsplit(None, 1) for line in text.splitlines() if line.startswith(("AUROC", "F1", "recall", "false")))
            self.assertEqual({k.strip(): v == "–" for k, v in table.items()}, {"AUROC": True, "F1": True, "recall": True, "false alarm rate": False})
        run("report", self.folder + "/m", "--out", self.folder + "/page.html", "--pictures", "0")

    def test_copies_of_one_picture_are_told_before_the_training(self):
        for i in range(1, 12):
            shutil.copy(self.good + "/000.png", f"{self.good}/{i:03}.png")
        done = self.train(self.folder + "/m")
        self.assertEqual(done.returncode, 1)
        self.assertIn("The 12 good pictures are one and the same picture", done.stderr)
        # Four different pictures, each three times, make a model, and the copies are reported.
        for i in range(12):
            shutil.copy(f"{self.base}/good/{i % 4:03}.png", f"{self.good}/{i:03}.png")
        done = self.train(self.folder + "/m")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("8 of the 12 good pictures are copies", done.stderr)

    def test_an_empty_file_is_called_empty(self):
        open(self.folder + "/zero.jpg", "wb").close()
        done = call("detect", self.model, self.folder + "/zero.jpg", self.bad + "/000.png")
        self.assertEqual(done.returncode, 1)
        self.assertIn("zero.jpg: the file is empty", done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 1)

    def test_a_link_that_leads_back_to_itself_is_called_so_and_keeps_nobody_from_the_rest(self):
        loop = self.folder + "/loop"
        os.symlink("loop", loop)
        for picture, reason in ((loop, "is a link that leads back to itself"), (loop + "/000.png", "is a link that leads back to itself"), (self.folder + "/none.png", "does not exist")):
            done = call("detect", self.model, picture, self.bad + "/000.png")
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"{picture}: the file {reason}", done.stderr)
            self.assertEqual(len(done.stdout.splitlines()), 1)
        for command in (["detect", self.model, self.bad, "--masks-out", loop], ["detect", self.model, self.bad, "--masks-out", loop + "/masks"], ["train", "--normal", self.good, "--out", loop + "/m"]):
            done = call(*command)
            self.assertEqual(done.returncode, 1, command)
            self.assertIn("loop", done.stderr)
            self.assertNotIn("filesystem error", done.stderr)
        with open(self.folder + "/m.manifest", "w", encoding="utf-8") as file:
            for kind in ("good", "bad"):
                for name in ("000.png", "../loop"):
                    file.write(json.dumps({"source-ref": f"{kind}/{name}", "l": 0, "l-metadata": {"type": "groundtruth/image-classification", "class-name": {"good": "normal", "bad": "anomaly"}[kind]}}) + "\n")
        done = call("evaluate", self.model, "--manifest", self.folder + "/m.manifest")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("skipped: good/../loop: the file is a link that leads back to itself", done.stderr)

    def own_manifest(self, name_of):
        path = os.path.join(self.folder, "own.manifest")
        with open(path, "w", encoding="utf-8") as file:
            for line in self.lines:
                line = json.loads(json.dumps(line))
                metadata = line["anomaly-label-metadata"]
                metadata["class-name"] = name_of(metadata["class-name"])
                line["source-ref"] = os.path.join(self.base, line["source-ref"])
                file.write(json.dumps(line) + "\n")
        return path

    def test_class_names_of_ones_own_are_named(self):
        own = self.own_manifest({"normal": "good", "anomaly": "scratch"}.get)
        for command in (["evaluate", self.model], ["train", "--out", self.folder + "/m"], ["report", self.model, "--out", self.folder + "/r.html"]):
            done = call(*command, "--manifest", own)
            self.assertEqual(done.returncode, 1)
            self.assertIn("None of the 18 lines is labelled normal or anomaly; their class names are: good (12), scratch (6).", done.stderr)
        half = self.own_manifest({"normal": "good", "anomaly": "Anomaly"}.get)
        done = call("evaluate", self.model, "--manifest", half)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("12 of the 18 lines count as unlabelled", done.stderr)
        self.assertIn("good (12)", done.stderr)


class Imports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.api, cls.s3 = cls.server.client("lookoutvision"), cls.server.client("s3")

    @classmethod
    def tearDownClass(cls):
        cls.server.destroy()

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vedette-kept-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.lines = write_tiny_set(self.folder, normal=6, anomaly=4)
        Files.sort(self.folder)
        shutil.rmtree(self.folder + "/images")
        shutil.rmtree(self.folder + "/masks")
        os.remove(self.folder + "/all.manifest")
        os.makedirs(self.folder + "/datasets")

    def write_manifest(self, class_names):
        with open(self.folder + "/datasets/train.manifest", "w", encoding="utf-8") as file:
            for kind, count in (("good", 6), ("bad", 4)):
                for i in range(count):
                    file.write(json.dumps({"source-ref": f"s3://old/set/{kind}/{i:03}.png", "l": 0, "l-metadata": {
                        "type": "groundtruth/image-classification", "class-name": class_names[kind], "human-annotated": "yes", "creation-date": "2024-01-01T00:00:00"}}) + "\n")

    def import_(self, project):
        return call("import", self.folder, "--project", project, "--no-train", "--endpoint", self.server.url, "--data", self.server.data)

    def test_a_missing_picture_is_not_replaced_by_another_of_its_name(self):
        self.write_manifest({"good": "normal", "bad": "anomaly"})
        for i in (1, 2, 3):
            os.remove(f"{self.folder}/bad/{i:03}.png")
        os.symlink(".", self.folder + "/good/current")
        with open(os.fsencode(self.folder) + b"/Pr\xfcfling.png", "wb") as file:
            file.write(b"x")
        done = self.import_("missing")
        self.assertEqual(done.returncode, 0, done.stderr)
        for i in (1, 2, 3):
            self.assertIn(f"s3://old/set/bad/{i:03}.png was not kept; its line is left out", done.stderr)
        self.assertIn("3 of the 10 lines", done.stderr)
        self.assertIn("Pr%FCfling.png", done.stderr)
        stats = self.api.describe_dataset(ProjectName="missing", DatasetType="train")["DatasetDescription"]["ImageStats"]
        self.assertEqual(stats, {"Total": 7, "Labeled": 7, "Normal": 6, "Anomaly": 1})

    def test_class_names_and_pictures_that_mean_nothing_here_are_told_at_the_import(self):
        from PIL import Image
        self.write_manifest({"good": "good", "bad": "scratch"})
        Image.new("RGB", (5000, 100)).save(self.folder + "/good/003.png")
        open(self.folder + "/bad/002.png", "wb").close()
        done = self.import_("own")
        self.assertEqual(done.returncode, 0, done.stderr)
        message = self.api.describe_dataset(ProjectName="own", DatasetType="train")["DatasetDescription"]["StatusMessage"]
        for part in ("None of the 10 lines is labelled normal or anomaly; their class names are: good (6), scratch (4).", "good/003.png has 5000x100 pixels", "2 cannot be used"):
            self.assertIn(part, message)
            self.assertIn(part, done.stderr)


if __name__ == "__main__":
    unittest.main()
