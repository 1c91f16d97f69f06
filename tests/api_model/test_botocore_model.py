"""An independent judge: the service model that Debian's botocore still carries, against the one made from our API model, member by
member. Prose aside, they must be the same."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "end_to_end"))
from harness import run  # noqa: E402

import botocore.loaders  # noqa: E402


def without_prose(value):
    if isinstance(value, dict):
        return {k: without_prose(v) for k, v in value.items() if k != "documentation"}
    if isinstance(value, list):
        return [without_prose(v) for v in value]
    return value


def differences(ours, theirs, path=""):
    """Lines saying where two values differ; lists of errors and required members are sets."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        out = []
        for key in sorted(set(ours) | set(theirs)):
            if key not in ours:
                out.append(f"{path}/{key}: missing here")
            elif key not in theirs:
                out.append(f"{path}/{key}: not in the original")
            else:
                out += differences(ours[key], theirs[key], f"{path}/{key}")
        return out
    if isinstance(ours, list) and isinstance(theirs, list) and path.rsplit("/", 1)[-1] in ("errors", "required", "enum"):
        key = lambda v: json.dumps(v, sort_keys=True)  # noqa: E731
        ours, theirs = sorted(ours, key=key), sorted(theirs, key=key)
    return [] if ours == theirs else [f"{path}: {ours!r} instead of {theirs!r}"]


def count(value):
    return 1 + sum(map(count, value.values() if isinstance(value, dict) else value)) if isinstance(value, (dict, list)) else 1


class BotocoreModel(unittest.TestCase):
    def installed(self, folder):
        run("client-model", "install", "--dir", folder)
        base = os.path.join(folder, "lookoutvision", "2020-11-20")
        return [json.load(open(os.path.join(base, name), encoding="utf-8")) for name in ("service-2.json", "paginators-1.json", "waiters-2.json")]

    def test_the_service_model_is_the_originals(self):
        theirs = botocore.loaders.Loader().load_service_model("lookoutvision", "service-2")
        with tempfile.TemporaryDirectory() as folder:
            ours = self.installed(folder)[0]
        found = differences(without_prose(ours), without_prose(dict(theirs)))
        self.assertEqual(found, [], "\n".join(found))
        print(f"\n{count(without_prose(ours))} values compared with botocore's model, 0 differ")

    def test_the_paginators_are_the_originals_and_waiters_are_ours(self):
        theirs = botocore.loaders.Loader().load_service_model("lookoutvision", "paginators-1")
        with tempfile.TemporaryDirectory() as folder:
            _, ours, waiters = self.installed(folder)
        self.assertEqual(ours["pagination"], theirs["pagination"])
        self.assertIn("ModelTrained", waiters["waiters"])

    def test_the_server_offers_the_same_files_for_download(self):
        from urllib.request import urlopen
        from harness import Server
        server = Server()
        self.addCleanup(server.destroy)
        with tempfile.TemporaryDirectory() as folder:
            run("client-model", "install", "--dir", folder)
            for service, version in (("lookoutvision", "2020-11-20"), ("vedette", "2026-11-01")):
                for name in ("service-2.json", "paginators-1.json", "waiters-2.json"):
                    with open(os.path.join(folder, service, version, name), "rb") as file:
                        self.assertEqual(urlopen(f"{server.url}/client-models/{service}/{version}/{name}").read(), file.read())
        document = json.load(urlopen(f"{server.url}/openapi.json"))
        self.assertEqual(document["openapi"], "3.1.0")
        self.assertIn("/2020-11-20/projects/{projectName}", document["paths"])


if __name__ == "__main__":
    unittest.main()
