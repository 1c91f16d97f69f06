"""The Debian packages in an empty Debian. They are made with CPack and installed with apt, and what they hold is used: the agent judges the pictures of a model that a packaging job made, programs are
built with the engine, the other programs start. `./test.sh packages` runs this; it needs root, debootstrap and some minutes."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/end_to_end"))
from edge import detect, wait_for  # noqa: E402
from harness import BUILD  # noqa: E402
from packaged_model import PackagedModel, as_float32  # noqa: E402

UNIT = "lib/systemd/system/vedette-edge.service"
SOCKET = "tmp/aws.iot.lookoutvision.EdgeAgent.sock"
MODELS = "var/lib/vedette-edge/models"
# The processes of the new root see this machine's devices and processes in a mount namespace that ends with them, so that nothing is left to unmount.
ENTER = 'for folder in proc sys dev; do mount --rbind "/$folder" "$0/$folder"; done; exec chroot "$@"'


class EmptyRoot(PackagedModel):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise RuntimeError("only root may make a Debian in a folder")
        super().setUpClass()
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="vedette-root-"))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        subprocess.run([ROOT / "tools/debian_root.sh", cls.root], check=True)
        cls.debs = cls.root / "root/debs"
        subprocess.run(["cpack", "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-B", cls.debs], check=True, capture_output=True)
        cls.inside("apt-get", "update", "-q")

    @classmethod
    def enter(cls, *command, user="root"):
        """Returns a command that runs another one in the new root."""
        group = [f"--userspec={user}:{user}"] if user != "root" else []
        return ["unshare", "--mount", "sh", "-c", ENTER, cls.root, *group, cls.root, *command]

    @classmethod
    def inside(cls, *command, **options):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive",
                       **{name: value for name, value in os.environ.items() if name.endswith("_proxy")}}
        done = subprocess.run(cls.enter(*command, **options), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{command} ended with {done.returncode}: {done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done.stdout

    @classmethod
    def apt_install(cls, *packages):
        """Installs packages of Debian, and those of ours that a name below /root/debs stands for."""
        cls.inside("apt-get", "install", "-y", "-q", "--no-install-recommends", *packages)

    @classmethod
    def deb(cls, name):
        return "/root/debs/" + next(cls.debs.glob(name + "_*.deb")).name

    def left(self):
        """Returns what there is of the agent outside of the records of dpkg and apt."""
        kept = ("proc", "sys", "dev", "root", "var/lib/dpkg", "var/log", "var/cache")
        found = []
        for folder, folders, files in os.walk(self.root):
            inner = pathlib.Path(folder).relative_to(self.root)
            folders[:] = [name for name in folders if str(inner / name) not in kept]
            found += [str(inner / name) for name in folders + files if "vedette" in name or "EdgeAgent" in name]
        return sorted(found)

    def start_agent(self):
        """Starts the agent as its unit does, and returns the process and a client of its socket."""
        unit = (self.root / UNIT).read_text(encoding="utf-8")
        command = re.search(r"^ExecStart=(.*)$", unit, re.M).group(1).replace("$VEDETTE_EDGE_OPTIONS", "--start part").split()
        environment = dict(entry.split("=", 1) for entry in re.findall(r"^Environment=(.*)$", unit, re.M))
        agent = subprocess.Popen(self.enter(*command, user=re.search(r"^User=(.*)$", unit, re.M).group(1)), stdin=subprocess.DEVNULL,
                                 env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "STATE_DIRECTORY": "/var/lib/vedette-edge", **environment})
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        deadline = time.monotonic() + 60
        while not (self.root / SOCKET).exists():
            if agent.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the agent did not start")
            time.sleep(0.005)
        channel = grpc.insecure_channel(f"unix://{self.root / SOCKET}")
        self.addCleanup(channel.close)
        return agent, self.stubs.EdgeAgentStub(channel)

    def test_1_packages_name_what_they_need(self):
        fields = {}
        for path in sorted(self.debs.glob("*.deb")):
            text = subprocess.run(["dpkg-deb", "--field", path], check=True, capture_output=True, text=True).stdout
            fields[path.name.split("_")[0]] = dict(re.findall(r"^(\S+): (.*)$", text, re.M))
        self.assertEqual(set(fields), {"vedette", "vedette-edge", "vedette-edge-camera", "libvedette0", "libvedette-dev"})
        needs = {name: set(re.findall(r"(?:^|, )([a-z0-9.+-]+)", of["Depends"])) for name, of in fields.items()}
        for name, expected in {"vedette": {"libdnnl2", "libsqlite3-0"}, "vedette-edge": {"libgrpc++1.51", "libmosquitto1", "libgpiod2", "passwd"}, "vedette-edge-camera": {"libaravis-0.8-0", "vedette-edge"},
                               "libvedette0": {"libdnnl2", "libgomp1"}, "libvedette-dev": {"libvedette0"}}.items():
            self.assertLessEqual(expected, needs[name], name)
            self.assertEqual([n for n in needs[name] if n.endswith("-dev")], [], name)
        # A station has a small disk: neither LibTorch nor what only cameras need.
        self.assertFalse([n for n in needs["vedette-edge"] | needs["libvedette0"] if re.match("libtorch|libgstreamer|libaravis|libsqlite", n)])
        shlibs = subprocess.run(["dpkg-deb", "--info", next(self.debs.glob("libvedette0_*.deb")), "shlibs"], check=True, capture_output=True, text=True).stdout
        self.assertRegex(shlibs, r"^libvedette 0 libvedette0 \(>= ")
        # Nothing of this machine's folders is in the packages.
        for path in self.debs.glob("*.deb"):
            content = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], check=True, capture_output=True).stdout
            self.assertNotIn(str(BUILD).encode(), content, path.name)

    def test_2_the_agent_judges_as_the_server_and_goes_without_a_trace(self):
        before = self.left()
        self.apt_install(self.deb("vedette-edge"), "systemd")
        self.assertIn("vedette-edge", self.inside("id", "-nG", "vedette-edge"))
        # systemd reads the unit as a machine does on which it is installed.
        self.assertEqual(subprocess.run(["systemd-analyze", f"--root={self.root}", "verify", "vedette-edge.service"], capture_output=True, text=True).stderr, "")
        self.assertEqual((self.root / "usr/share/vedette/edge-agent.proto").read_bytes(), (ROOT / "src/edge/agent/edge-agent.proto").read_bytes())
        self.install("part", "1.0.0", self.root / MODELS)
        self.assertIn("ok", self.inside("vedette-edge", "doctor", "--models", "/" + MODELS, "--state", "/var/lib/vedette-edge", user="vedette-edge"))
        started = time.monotonic()
        agent, client = self.start_agent()
        wait_for(client, "part")
        for number, (path, expected) in enumerate(self.before.items()):
            result = detect(client, self.request(path))
            if number == 0:
                print(f"the first verdict came {time.monotonic() - started:.2f} s after the start")
            self.check_verdict(result, expected, result.anomaly_mask.byte_data)
        self.assertEqual({e["IsAnomalous"] for e in self.before.values()}, {True, False})
        resident = int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{agent.pid}/status").read_text(encoding="utf-8")).group(1))
        print(f"most resident memory of the agent: {resident / 1000:.0f} MB")
        self.assertLess(resident, 150_000)
        agent.terminate()
        self.assertEqual(agent.wait(30), 0)
        self.assertFalse((self.root / SOCKET).exists())
        (self.root / "etc/default/vedette-edge").write_text("VEDETTE_EDGE_OPTIONS=--start part\n", encoding="utf-8")
        self.inside("apt-get", "remove", "-y", "-q", "vedette-edge")
        self.assertFalse((self.root / UNIT).exists())
        for path in (MODELS + "/part/1.0.0", "etc/default/vedette-edge"):
            self.assertTrue((self.root / path).exists(), path)
        self.inside("apt-get", "purge", "-y", "-q", "vedette-edge")
        # The lock of the socket is emptied when the machine starts again, as all of /tmp is; the user stays, as docs/edge.md tells.
        self.assertEqual([path for path in self.left() if path not in before], [SOCKET + ".lock"])
        self.assertIn("vedette-edge", self.inside("id", "-nu", "vedette-edge"))

    def test_3_programs_are_built_with_the_engine_and_judge_as_the_server(self):
        self.apt_install(self.deb("libvedette0"), self.deb("libvedette-dev"), "gcc", "libc6-dev", "make", "cmake", "pkg-config", "python3")
        self.install("part", "1.0.0", self.root / "root/models")
        for name, content in self.pictures.items():
            (self.root / "root" / os.path.basename(name)).write_bytes(content)
        examples = "/usr/share/doc/libvedette-dev/examples"
        self.inside("sh", "-c", f"cc {examples}/engine-c/main.c $(pkg-config --cflags --libs vedette) -o /root/with-pkg-config")
        self.inside("sh", "-c", f"cmake -S {examples}/engine-c -B /root/with-cmake && cmake --build /root/with-cmake")
        for program in (["/root/with-pkg-config"], ["/root/with-cmake/judge"], ["python3", examples + "/engine-python/judge.py"]):
            for path, expected in self.before.items():
                verdict, confidence, *_ = self.inside(*program, "/root/models/part/1.0.0", "/root/" + os.path.basename(path)).splitlines()[0].split()
                self.assertEqual(verdict == "anomaly", expected["IsAnomalous"], program)
                self.assertEqual(as_float32(float(confidence)), as_float32(expected["Confidence"]), program)

    def test_4_the_other_programs_start(self):
        self.apt_install(self.deb("vedette"), self.deb("vedette-edge"), self.deb("vedette-edge-camera"))
        for program in ("vedette", "vedette-trainer", "vedette-edge"):
            self.assertIn("--help", self.inside(program, "--help"), program)
        self.assertNotIn("not found", self.inside("ldd", "/usr/bin/vedette-edge-camera"))


if __name__ == "__main__":
    unittest.main()
