"""The engine as a library: it is installed into a folder, and programs that link it there give the verdicts of `vedette detect`."""
import ctypes
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from PIL import Image

from harness import BUILD, ROOT, SMALL_SAMPLE, run, sample_set

EXAMPLES = pathlib.Path(ROOT) / "docs/examples"


class EngineLibrary(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="vedette-engine-")
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        cls.prefix = cls.folder / "prefix"
        for component in ("engine", "engine-dev"):
            subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix, "--component", component], check=True, capture_output=True)
        cls.library = next(cls.prefix.rglob("libvedette.so.0"))
        cls.environment = {**os.environ, "LD_LIBRARY_PATH": str(cls.library.parent)}
        cls.sample = sample_set(*SMALL_SAMPLE)
        cls.model = cls.folder / "model"
        run("train", "--manifest", cls.sample + "/manifests/train.manifest", "--out", cls.model, "--steps", "20", "--json")
        names = sorted(os.listdir(cls.sample + "/test-images"))
        cls.pictures = [os.path.join(cls.sample, "test-images", next(n for n in names if kind in n)) for kind in ("normal", "anomaly")]
        cls.masks = cls.folder / "masks"
        cls.expected = [json.loads(line) for line in run("detect", cls.model, *cls.pictures, "--json", "--masks-out", cls.masks).splitlines()]

    def check(self, program):
        """Compares what a program prints with what `vedette detect` says, bit for bit: both print enough digits for that."""
        for picture, own in zip(self.pictures, self.expected, strict=True):
            first, *areas = subprocess.run([*program, self.model, picture], check=True, capture_output=True, text=True, env=self.environment).stdout.splitlines()
            verdict, confidence, score, *reason = first.split(maxsplit=3)
            self.assertEqual(verdict, "anomaly" if own["is_anomalous"] else "normal")
            self.assertEqual((float(confidence), float(score)), (own["confidence"], own["anomaly_score"]))
            self.assertEqual("".join(reason), own.get("reason", ""))
            if areas:
                found = {name: float(share) for name, _, share in map(str.split, areas) if name != "background"}
                self.assertEqual(found, own["area_fractions"])
        return areas

    def test_the_example_in_c_finds_it_with_cmake(self):
        build = self.folder / "with-cmake"
        subprocess.run(["cmake", "-S", EXAMPLES / "engine-c", "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}"], check=True, capture_output=True)
        subprocess.run(["cmake", "--build", build], check=True, capture_output=True)
        self.assertTrue(self.check([build / "judge"]))

    def test_the_example_in_c_finds_it_with_pkg_config(self):
        search = {**os.environ, "PKG_CONFIG_PATH": str(next(self.prefix.rglob("vedette.pc")).parent)}
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "vedette"], check=True, capture_output=True, text=True, env=search).stdout.split()
        program = self.folder / "judge"
        subprocess.run(["gcc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", EXAMPLES / "engine-c/main.c", "-o", program, *flags], check=True)
        self.assertTrue(self.check([program]))
        broken = self.folder / "broken.jpg"
        broken.write_bytes(pathlib.Path(self.pictures[0]).read_bytes()[:2000])
        for arguments, message in (((self.model, broken), "truncated"), ((self.folder, self.pictures[0]), "no model")):
            done = subprocess.run([program, *arguments], capture_output=True, text=True, env=self.environment)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(message, done.stderr)

    def test_the_example_in_python_needs_no_package(self):
        self.check([sys.executable, EXAMPLES / "engine-python/judge.py"])

    def test_the_header_compiles_as_cpp(self):
        subprocess.run(["g++", "-std=c++11", "-fsyntax-only", "-Wall", "-Wextra", "-pedantic", "-Werror", "-x", "c++", next(self.prefix.rglob("vedette.h"))], check=True)

    def test_pixels_in_memory_give_the_verdict_and_mask_of_a_file(self):
        # A PNG file holds the pixels themselves, so that the verdicts must be equal; a JPEG may be decoded smaller.
        png = self.folder / "part.png"
        with Image.open(self.pictures[1]) as picture:
            pixels = picture.convert("RGB")
        pixels.save(png)
        line = json.loads(run("detect", self.model, png, "--json", "--masks-out", self.folder / "own-masks"))
        library = ctypes.CDLL(str(self.library))
        library.vedette_verdict_score.restype = library.vedette_verdict_confidence.restype = ctypes.c_double
        model, verdict = ctypes.c_void_p(), ctypes.c_void_p()
        self.assertEqual(library.vedette_model_open(os.fsencode(self.model), 1, ctypes.byref(model), None), 0)
        size = (library.vedette_model_image_width(model), library.vedette_model_image_height(model))
        self.assertEqual(size, pixels.size)
        row = 3 * size[0]
        self.assertEqual(library.vedette_judge_rgb(model, pixels.tobytes(), size[1], size[0], ctypes.c_size_t(row), ctypes.byref(verdict), None), 0)
        library.vedette_model_close(model)  # the verdict goes on without it
        self.assertEqual(library.vedette_verdict_score(verdict), line["anomaly_score"])
        self.assertEqual(library.vedette_verdict_confidence(verdict), line["confidence"])
        mask = ctypes.create_string_buffer(row * size[1])
        self.assertEqual(library.vedette_verdict_write_mask(verdict, mask, ctypes.c_size_t(len(mask)), ctypes.c_size_t(row), None), 0)
        library.vedette_verdict_free(verdict)
        with Image.open(line["mask"]) as own:
            self.assertEqual(bytes(mask), own.convert("RGB").tobytes())

    def test_shows_the_symbols_of_the_header_and_needs_little(self):
        symbols = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", self.library], check=True, capture_output=True, text=True).stdout.splitlines()
        shown = {line.split()[0].split("@")[0] for line in symbols} - {"VEDETTE_0"}
        declared = set(re.findall(r"\b(vedette_\w+)\(", re.sub(r"/\*.*?\*/", "", next(self.prefix.rglob("vedette.h")).read_text(), flags=re.S)))
        self.assertEqual(shown, declared)
        needed = subprocess.run(["readelf", "-d", self.library], check=True, capture_output=True, text=True).stdout
        self.assertIn("Library soname: [libvedette.so.0]", needed)
        self.assertNotRegex(needed, r"NEEDED.*(torch|boost|sqlite|curl|protobuf|re2)")


if __name__ == "__main__":
    unittest.main()
