"""What is shipped beside the programs: the list of what they consist of, and how far the service is confined."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VEDETTE_BUILD", ROOT / "build/release"))
IDENTIFIER = re.compile(r"SPDXRef-[A-Za-z0-9.-]+")


def make_sbom(program, *options):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "sbom.json"
        subprocess.run([sys.executable, ROOT / "tools/sbom.py", out, "--version", "1.2.3", *options, program], check=True)
        return out.read_bytes()


class Example(unittest.TestCase):
    def test_a_program_of_ones_own_can_be_configured_as_the_docs_say(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["cmake", "-S", ROOT / "docs/examples/verdict", "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"],
                           check=True, capture_output=True)
            steps = subprocess.run(["ninja", "-C", folder, "-n", "-v", "verdict"], check=True, capture_output=True, text=True).stdout
            self.assertIn("libvedette_vision_verdict.a", steps)
            for other in ("libvedette_hosting", "libvedette_store", "libtorch"):
                self.assertNotIn(other, steps)
            # The documentation's lines are those of the example, for a program of another name.
            page = (ROOT / "docs/tools.md").read_text(encoding="utf-8").split("```cmake\n")[1].split("```")[0]
            example = (ROOT / "docs/examples/verdict/CMakeLists.txt").read_text(encoding="utf-8")
            for line in page.splitlines():
                self.assertIn(line.replace("my_program", "verdict").replace("project(verdict ", "project(verdict_example "), example)


class Sbom(unittest.TestCase):
    def setUp(self):
        self.program = BUILD / "vedette"
        self.bytes = make_sbom(self.program, "--header-package", "nlohmann-json3-dev")
        self.document = json.loads(self.bytes)

    def test_has_what_spdx_requires(self):
        document = self.document
        self.assertEqual((document["spdxVersion"], document["dataLicense"], document["SPDXID"]), ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT"))
        self.assertRegex(document["creationInfo"]["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertTrue(all(re.match(r"(Tool|Organization|Person): \S", c) for c in document["creationInfo"]["creators"]))
        self.assertRegex(document["documentNamespace"], r"^[a-z]+:[^#\s]+$")
        known = {"SPDXRef-DOCUMENT"}
        for package in document["packages"]:
            self.assertRegex(package["SPDXID"], IDENTIFIER)
            self.assertNotIn(package["SPDXID"], known)
            known.add(package["SPDXID"])
            for member in ("name", "versionInfo", "downloadLocation", "licenseDeclared", "licenseConcluded", "copyrightText"):
                self.assertTrue(package[member], package)
        for relation in document["relationships"]:
            self.assertIn(relation["spdxElementId"], known)
            self.assertIn(relation["relatedSpdxElement"], known)
        self.assertEqual([r["relatedSpdxElement"] for r in document["relationships"] if r["relationshipType"] == "DESCRIBES"],
                         ["SPDXRef-program-vedette"])

    def test_names_the_package_of_every_linked_library(self):
        listed = {p["name"] for p in self.document["packages"]}
        needed = re.findall(r"NEEDED.*\[(.+)\]", subprocess.run(["readelf", "-d", self.program], check=True, capture_output=True, text=True).stdout)
        self.assertGreater(len(needed), 5)
        for library in needed:
            owners = subprocess.run(["dpkg-query", "-S", f"*/{library}"], check=True, capture_output=True, text=True).stdout
            self.assertTrue(listed & {line.split(":")[0] for line in owners.splitlines()}, library)
        self.assertIn("nlohmann-json3-dev", listed)

    def test_tells_licences_that_are_machine_readable(self):
        declared = {p["name"]: p["licenseDeclared"] for p in self.document["packages"]}
        self.assertEqual(declared["libbrotli1"], "MIT")

    def test_names_what_the_console_is_made_of_in_the_program_that_holds_it(self):
        lock = ROOT / "console/package-lock.json"
        packages = {place.rsplit("node_modules/", 1)[-1]: entry for place, entry in json.loads(lock.read_text(encoding="utf-8"))["packages"].items() if place}
        self.assertIn("react", packages)
        document = json.loads(make_sbom(self.program, "--npm-lock", f"vedette={lock}"))
        listed = {p["name"]: p for p in document["packages"] if p["SPDXID"].startswith("SPDXRef-npm-")}
        self.assertEqual(listed["react"]["versionInfo"], packages["react"]["version"])
        self.assertTrue(packages["vite"]["dev"])
        self.assertNotIn("vite", listed)  # it only builds
        held = [r for r in document["relationships"] if r["relationshipType"] == "CONTAINS"]
        self.assertEqual({r["spdxElementId"] for r in held}, {"SPDXRef-program-vedette"})
        other = json.loads(make_sbom(self.program, "--npm-lock", f"vedette-trainer={lock}"))
        self.assertFalse([p for p in other["packages"] if p["SPDXID"].startswith("SPDXRef-npm-")])

    def test_is_the_same_for_the_same_inputs(self):
        self.assertEqual(self.bytes, make_sbom(self.program, "--header-package", "nlohmann-json3-dev"))


class Programs(unittest.TestCase):
    """Against a release build: others leave these options out (cmake/hardening.cmake)."""

    def read(self, *options):
        for name in ("vedette", "vedette-trainer"):
            yield name, subprocess.run(["readelf", "--wide", *options, BUILD / name], check=True, capture_output=True, text=True).stdout

    def setUp(self):
        cache = (BUILD / "CMakeCache.txt").read_text()
        if "CMAKE_BUILD_TYPE:STRING=Release" not in cache:
            self.skipTest("this is no release build")

    def test_lie_anywhere_in_memory_and_have_no_executable_stack(self):
        for name, headers in self.read("--file-header", "--program-headers"):
            self.assertRegex(headers, r"Type: +DYN", name)
            self.assertRegex(headers, r"GNU_STACK .* RW +0x", name)

    def test_bind_everything_before_they_start(self):
        for name, text in self.read("--dynamic", "--program-headers"):
            self.assertIn("GNU_RELRO", text, name)
            self.assertRegex(text, r"FLAGS_1.*NOW.*PIE", name)

    def test_guard_stacks_and_check_the_sizes_of_copies(self):
        for name, symbols in self.read("--dyn-syms"):
            self.assertIn("__stack_chk_fail", symbols, name)
            self.assertRegex(symbols, r"__mem(cpy|move|set)_chk|__read_chk|__snprintf_chk", name)


class MaintainerScripts(unittest.TestCase):
    """Runs the scripts of the Debian package with a systemctl that only writes down how it was called."""

    def calls(self, script, *words):
        with tempfile.TemporaryDirectory() as folder:
            systemctl, log = pathlib.Path(folder) / "systemctl", pathlib.Path(folder) / "log"
            systemctl.write_text(f'#!/bin/sh\necho "$*" >> {log}\n', encoding="utf-8")
            systemctl.chmod(0o755)
            log.touch()
            text = (ROOT / "packaging" / script).read_text(encoding="utf-8")
            self.assertIn("[ -d /run/systemd/system ]", text)
            subprocess.run(["sh", "-c", text.replace("/run/systemd/system", folder), script, *words], check=True,
                           env={**os.environ, "PATH": folder + ":" + os.environ["PATH"]})
            return log.read_text(encoding="utf-8").splitlines()

    def test_tell_systemd_what_came_and_what_went(self):
        self.assertEqual(self.calls("postinst", "configure"), ["daemon-reload", "try-restart vedette.service"])
        self.assertEqual(self.calls("prerm", "upgrade"), [])
        self.assertEqual(self.calls("prerm", "remove"), ["stop vedette.service"])
        self.assertEqual(self.calls("postrm", "remove"), ["daemon-reload"])

    def test_are_in_the_package(self):
        packed = (BUILD / "CPackConfig.cmake").read_text(encoding="utf-8")
        for folder in (ROOT / "packaging", ROOT / "packaging/edge"):
            for script in ("postinst", "prerm", "postrm"):
                self.assertIn(str(folder / script), packed)
                self.assertTrue(os.access(folder / script, os.X_OK), script)

    def test_of_the_agent_tell_systemd_of_the_agent(self):
        self.assertEqual(self.calls("edge/prerm", "remove"), ["stop vedette-edge.service"])
        self.assertEqual(self.calls("edge/postrm", "remove"), ["daemon-reload"])


class Components(unittest.TestCase):
    """Each Debian package is one component of the installation."""

    def installed(self, component):
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "DESTDIR": folder}  # the configuration lies in /etc, whatever the prefix
            subprocess.run(["cmake", "--install", BUILD, "--prefix", "/usr", "--component", component], check=True, capture_output=True, env=environment)
            return {path.relative_to(folder).as_posix() for path in pathlib.Path(folder).rglob("*") if not path.is_dir()}

    def test_hold_the_library_apart_from_what_builds_with_it(self):
        library, development = self.installed("engine"), self.installed("engine-dev")
        self.assertFalse(library & development)
        self.assertTrue(any(re.search(r"/libvedette\.so\.0$", path) for path in library), library)
        self.assertFalse([path for path in library if path.endswith((".h", ".cmake", ".pc", ".so"))])
        self.assertIn("usr/include/vedette.h", development)

    def test_hold_the_agent_with_its_service(self):
        if "VEDETTE_EDGE:BOOL=ON" not in (BUILD / "CMakeCache.txt").read_text():
            self.skipTest("this build is without the agent")
        files = self.installed("edge")
        for path in ("usr/bin/vedette-edge", "usr/lib/systemd/system/vedette-edge.service", "etc/default/vedette-edge", "usr/share/doc/vedette-edge/edge.md",
                     "usr/share/vedette/edge-agent.proto"):
            self.assertIn(path, files)
        self.assertNotIn("usr/bin/vedette-edge-camera", files)

    def test_hold_the_camera_program_apart_from_the_agent(self):
        if "VEDETTE_EDGE_CAMERA:BOOL=ON" not in (BUILD / "CMakeCache.txt").read_text():
            self.skipTest("this build is without cameras")
        self.assertEqual(self.installed("edge-camera"), {"usr/bin/vedette-edge-camera", "usr/share/doc/vedette-edge-camera/copyright"})


class Service(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_has_an_exposure_of_at_most_one_and_a_half(self):
        answer = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15", ROOT / "packaging/vedette.service"],
                                capture_output=True, text=True)
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
    def test_of_the_agent_has_an_exposure_of_at_most_two(self):
        answer = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", ROOT / "packaging/edge/vedette-edge.service"],
                                capture_output=True, text=True)
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)

    def test_lets_onednn_make_code_and_the_server_confine_its_trainer(self):
        unit = (ROOT / "packaging/vedette.service").read_text()
        self.assertIn("\nMemoryDenyWriteExecute=no\n", unit)
        for call in ("landlock_restrict_self", "seccomp", "setpriority"):
            self.assertRegex(unit, rf"(?m)^SystemCallFilter=[^~\n]*\b{call}\b")


if __name__ == "__main__":
    unittest.main()
