"""Checks the manifests for Kubernetes, which tools/render_chart.sh makes from the Helm chart, against the program that they start."""
import os
import re
import subprocess
import unittest

import yaml

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
VEDETTE = os.path.join(os.environ.get("VEDETTE_BUILD", os.path.join(ROOT, "build", "release")), "vedette")


class Manifests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, "packaging", "kubernetes", "vedette.yaml")) as file:
            cls.by_kind = {manifest["kind"]: manifest for manifest in yaml.safe_load_all(file)}
        cls.pod = cls.by_kind["Deployment"]["spec"]["template"]["spec"]
        cls.container = cls.pod["containers"][0]
        cls.help = subprocess.run([VEDETTE, "serve", "--help"], capture_output=True, text=True, check=True).stdout

    def test_the_program_knows_every_option_and_variable(self):
        self.assertEqual(self.container["args"][0], "serve")
        for argument in self.container["args"][1:]:
            self.assertRegex(self.help, rf"(?m)^\s*{re.escape(argument.split('=')[0])}\b")
        for variable in self.container["env"]:
            if variable["name"].startswith("VEDETTE_"):
                self.assertIn(variable["name"], self.help)

    def test_an_update_first_brings_the_schema_up_to_date(self):
        (first,) = self.pod["initContainers"]
        known = subprocess.run([VEDETTE, *first["args"], "--help"], capture_output=True, text=True, check=True).stdout
        self.assertIn("--only-compatible", known)
        self.assertEqual([variable["name"] for variable in first["env"]], ["VEDETTE_METADATA"])
        self.assertIn("VEDETTE_METADATA", known)
        self.assertEqual((first["image"], first["securityContext"]), (self.container["image"], self.container["securityContext"]))

    def test_all_selectors_find_the_pods(self):
        labels = self.by_kind["Deployment"]["spec"]["template"]["metadata"]["labels"]
        for selector in (self.by_kind["Deployment"]["spec"]["selector"]["matchLabels"], self.by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"], self.by_kind["Service"]["spec"]["selector"]):
            self.assertEqual({name: labels.get(name) for name in selector}, selector)

    def test_ports_agree(self):
        port = self.container["ports"][0]
        listen = next(variable["value"] for variable in self.container["env"] if variable["name"] == "VEDETTE_LISTEN")
        address = next(argument for argument in self.container["args"] if argument.startswith("--node-address="))
        self.assertEqual({listen.rsplit(":", 1)[1], address.rsplit(":", 1)[1]}, {str(port["containerPort"])})
        self.assertEqual(self.by_kind["Service"]["spec"]["ports"][0]["targetPort"], port["name"])
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.assertEqual(self.container[probe]["httpGet"]["port"], port["name"])

    def test_a_node_has_time_to_drain(self):
        drain = next(int(argument.split("=")[1]) for argument in self.container["args"] if argument.startswith("--drain-seconds="))
        self.assertGreaterEqual(self.pod["terminationGracePeriodSeconds"], drain + 20)

    def test_an_update_never_leaves_fewer_nodes(self):
        self.assertEqual(self.by_kind["Deployment"]["spec"]["strategy"]["rollingUpdate"], {"maxSurge": 1, "maxUnavailable": 0})

    def test_the_service_of_systemd_has_time_to_drain(self):
        with open(os.path.join(ROOT, "packaging", "systemd", "node.conf")) as file:
            text = file.read()
        self.assertGreaterEqual(int(re.search(r"(?m)^TimeoutStopSec=(\d+)$", text).group(1)), 60)
        self.assertIn("VEDETTE_MASTER_KEY", self.help)
        with open(os.path.join(ROOT, "packaging", "default")) as file:
            for name in re.findall(r"(?m)^#(VEDETTE_\w+)=", file.read()):
                if name != "VEDETTE_OPTIONS":
                    self.assertIn(name, self.help)

    def test_the_metric_of_the_autoscaler_is_the_servers(self):
        with open(os.path.join(ROOT, "packaging", "helm", "vedette", "templates", "autoscaler.yaml")) as file:
            metric = re.search(r"metric: \{name: (\w+)\}", file.read()).group(1)
        with open(os.path.join(ROOT, "src", "hosting", "hosting.cpp")) as file:
            self.assertIn(f"# TYPE {metric} gauge", file.read())

    def test_the_pod_needs_no_rights(self):
        self.assertTrue(self.pod["securityContext"]["runAsNonRoot"])
        self.assertFalse(self.pod["automountServiceAccountToken"])
        self.assertEqual(self.container["securityContext"], {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})


if __name__ == "__main__":
    unittest.main()
