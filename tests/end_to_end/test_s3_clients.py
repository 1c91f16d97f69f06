"""Tests put, list, get and delete through every S3 client at hand, each with keys that are hard to write."""
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import unittest
from urllib.request import Request, urlopen

import boto3
from boto3.s3.transfer import TransferConfig

from harness import BUILD, REGION, Server

SERVER = FOLDER = None
HERE = os.path.dirname(os.path.abspath(__file__))
KEYS = ["plain.txt", "with space and  two", " leading and trailing ", "plus+plus", "percent%41%", "a//b", "//", "../up", "a/../b", "./here", "tail/", "Case", "case", "ü/ß/日本/🙂", "u\u0308 decomposed",
        "q?a=b&c=d#e", "'quotes\"", "<xml>&amp;", "back\\slash", "a" * 1024, "ü" * 512, "~!@$^*()_={}[]|;:,`"]


def setUpModule():
    global SERVER, FOLDER
    SERVER = Server()
    FOLDER = tempfile.mkdtemp(prefix="vedette-clients-")


def tearDownModule():
    SERVER.destroy()
    shutil.rmtree(FOLDER)


def file_of(name, size):
    path = os.path.join(FOLDER, name)
    with open(path, "wb") as file:
        file.write(os.urandom(size))
    return path


def sum_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class Boto3(unittest.TestCase):
    def test_client_and_resource(self):
        s3 = boto3.resource("s3", endpoint_url=SERVER.url, region_name=REGION, **SERVER.credentials())
        bucket = s3.create_bucket(Bucket="boto3-round")
        large = file_of("large", 20_000_000)
        few = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=6 << 20, max_concurrency=3)
        for n, key in enumerate(KEYS):
            body = os.urandom(1000 + n)
            bucket.put_object(Key=key, Body=body)
            self.assertEqual(s3.Object("boto3-round", key).get()["Body"].read(), body, key)
            copy = bucket.Object("copies/" + key[:500])
            copy.copy({"Bucket": "boto3-round", "Key": key})
            self.assertEqual(copy.content_length, len(body), key)
        self.assertEqual([o.key for o in bucket.objects.all() if not o.key.startswith("copies/")], sorted(KEYS, key=lambda k: k.encode()))
        bucket.upload_file(large, "large", Config=few, ExtraArgs={"Metadata": {"m": "1"}})
        self.assertTrue(bucket.Object("large").e_tag.endswith('-4"'), bucket.Object("large").e_tag)
        bucket.download_file("large", large + ".back", Config=few)
        self.assertEqual(sum_of(large), sum_of(large + ".back"))
        client = SERVER.client("s3", signature_version="s3v4")
        for key in KEYS:
            url = client.generate_presigned_url("put_object", Params={"Bucket": "boto3-round", "Key": key})
            with urlopen(Request(url, data=key.encode(), method="PUT")) as answer:
                self.assertEqual(answer.status, 200)
            with urlopen(client.generate_presigned_url("get_object", Params={"Bucket": "boto3-round", "Key": key})) as answer:
                self.assertEqual(answer.read(), key.encode())
        folded = [p["Prefix"] for page in client.get_paginator("list_objects_v2").paginate(Bucket="boto3-round", Delimiter="/", PaginationConfig={"PageSize": 2})
                  for p in page.get("CommonPrefixes", [])]
        self.assertEqual(folded, sorted({k[:k.index("/") + 1] for k in KEYS + ["copies/"] if "/" in k}, key=lambda k: k.encode()))
        bucket.objects.delete()
        bucket.delete()


class Cli(unittest.TestCase):
    def aws(self, *words):
        done = subprocess.run(["/usr/bin/aws", "--endpoint-url", SERVER.url, "s3", *words], env=SERVER.client_environment(), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_single_objects_are_put_listed_read_and_deleted(self):
        self.aws("mb", "s3://cli-round")
        path, back = file_of("cli", 5000), os.path.join(FOLDER, "cli.back")
        # The command itself takes a key that ends in a slash for a folder.
        for key in (k for k in KEYS if not k.endswith("/")):
            self.aws("cp", "--quiet", path, "s3://cli-round/" + key)
            self.aws("cp", "--quiet", "s3://cli-round/" + key, back)
            self.assertEqual(sum_of(back), sum_of(path), key)
            os.remove(back)
        url = self.aws("presign", "s3://cli-round/ü/ß/日本/🙂", "--expires-in", "60").strip()
        with urlopen(url) as answer:
            self.assertEqual(hashlib.sha256(answer.read()).hexdigest(), sum_of(path))
        self.aws("mv", "--quiet", "s3://cli-round/plus+plus", "s3://cli-round/moved")
        self.aws("rm", "--quiet", "--recursive", "s3://cli-round")
        self.assertEqual(self.aws("ls", "s3://cli-round"), "")
        self.aws("rb", "s3://cli-round")

    def test_folders(self):
        self.aws("mb", "s3://cli-folders")
        tree = os.path.join(FOLDER, "tree")
        os.makedirs(os.path.join(tree, "ü ü", "+"))
        sums = {}
        for n, name in enumerate(("a.bin", "ü ü/b c.bin", "ü ü/+/%41.bin", "large.bin")):
            path = file_of(os.path.join("tree", name), 9_000_000 if name == "large.bin" else 100 + n)
            sums[name] = sum_of(path)
        self.aws("sync", "--quiet", tree, "s3://cli-folders/tree")
        self.assertEqual(self.aws("sync", tree, "s3://cli-folders/tree"), "")  # There is nothing left to copy.
        self.aws("sync", "--quiet", "s3://cli-folders/tree", "s3://cli-folders/copied")
        self.aws("sync", "--quiet", "s3://cli-folders/copied", tree + ".back")
        self.assertEqual({name: sum_of(os.path.join(tree + ".back", name)) for name in sums}, sums)
        os.remove(os.path.join(tree, "a.bin"))
        self.assertIn("delete: s3://cli-folders/tree/a.bin", self.aws("sync", "--delete", tree, "s3://cli-folders/tree"))
        self.assertEqual(len(self.aws("ls", "--recursive", "s3://cli-folders").splitlines()), 7)
        self.aws("rb", "--force", "s3://cli-folders")


class JavaScript(unittest.TestCase):
    def test_the_newest_sdk_puts_lists_reads_and_deletes(self):
        folder = os.path.join(BUILD, "js-client")
        shutil.copy(os.path.join(HERE, "js", "s3_round.mjs"), folder)
        node = shutil.which("node") or "/usr/bin/node"
        done = subprocess.run([node, os.path.join(folder, "s3_round.mjs")], env=SERVER.client_environment(AWS_ENDPOINT_URL=SERVER.url), input=json.dumps(KEYS), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout)
        self.assertEqual(told["wrong"], [])
        self.assertEqual(told["algorithms"], {"CRC32": "y/Q5Jg==", "CRC32C": "4waSgw==", "CRC64NVME": "rosUhgp5mIg=", "SHA1": "98O8HYCOBHMq32eZZczDTKeuNEE=",
                                              "SHA256": "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="})
        self.assertEqual((told["isLargeWhole"], told["range"], told["copied"], told["presigned"], told["byUrl"]), (True, True, True, 200, "by url"))
        self.assertEqual(told["listed"], sorted(KEYS + ["sums", "large", "copied"], key=lambda k: k.encode()))
        self.assertEqual((told["versions"], told["missing"]), (["by url", "new"], ["NoSuchKey", 404]))


class S3cmd(unittest.TestCase):
    def s3cmd(self, *words):
        keys = SERVER.credentials()
        done = subprocess.run(["/usr/bin/s3cmd", "--config=/dev/null", "--no-ssl", "--host=" + SERVER.address, "--host-bucket=" + SERVER.address, "--region=" + REGION, "--no-progress",
                               "--access_key=" + keys["aws_access_key_id"], "--secret_key=" + keys["aws_secret_access_key"], *words], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, (words, done.stderr))
        return done.stdout

    def test_round(self):
        self.s3cmd("mb", "s3://s3cmd-round")
        path, back = file_of("s3cmd", 5000), os.path.join(FOLDER, "s3cmd.back")
        # The command cannot name keys that begin with a slash or that end in one.
        usable = [k for k in KEYS if not k.endswith("/") and not k.startswith("/")]
        for key in usable:
            self.s3cmd("put", path, "s3://s3cmd-round/" + key)
            self.s3cmd("get", "--force", "s3://s3cmd-round/" + key, back)
            self.assertEqual(sum_of(back), sum_of(path), key)
        large = file_of("s3cmd.large", 11_000_000)
        self.s3cmd("put", "--multipart-chunk-size-mb=5", large, "s3://s3cmd-round/large")
        self.s3cmd("cp", "s3://s3cmd-round/large", "s3://s3cmd-round/copied")
        self.s3cmd("get", "--force", "s3://s3cmd-round/copied", back)
        self.assertEqual(sum_of(back), sum_of(large))
        self.assertIn(" s3://s3cmd-round/with space and  two", self.s3cmd("ls", "s3://s3cmd-round"))
        self.assertIn("SSE:", self.s3cmd("info", "s3://s3cmd-round/large"))
        self.assertIn("Location:", self.s3cmd("info", "s3://s3cmd-round"))
        self.s3cmd("del", "--recursive", "--force", "s3://s3cmd-round")
        self.s3cmd("rb", "s3://s3cmd-round")


@unittest.skipUnless(shutil.which("rclone"), "rclone is not installed")
class Rclone(unittest.TestCase):
    def rclone(self, *words):
        settings = {"RCLONE_CONFIG": "/dev/null", "RCLONE_CONFIG_V_TYPE": "s3", "RCLONE_CONFIG_V_PROVIDER": "Other", "RCLONE_CONFIG_V_ENV_AUTH": "true", "RCLONE_CONFIG_V_ENDPOINT": SERVER.url,
                    "RCLONE_CONFIG_V_REGION": REGION}
        # The client's SDK refuses to start with the environment's bundle of certificate authorities, which this test does not need.
        variables = {name: value for name, value in SERVER.client_environment(**settings).items() if name != "AWS_CA_BUNDLE"}
        done = subprocess.run(["rclone", *words], env=variables, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, (words, done.stderr))
        return done.stdout

    def test_round(self):
        tree = os.path.join(FOLDER, "rclone")
        os.makedirs(os.path.join(tree, "ü ü", "+"))
        for n, name in enumerate(("a.bin", "ü ü/b c.bin", "ü ü/+/%41.bin", "large.bin", "'q\"?&#<>.bin", "日本🙂")):
            file_of(os.path.join("rclone", name), 11_000_000 if name == "large.bin" else 100 + n)
        self.rclone("mkdir", "v:rclone-round")
        self.rclone("sync", "--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M", tree, "v:rclone-round/tree")
        self.rclone("check", "--download", tree, "v:rclone-round/tree")
        self.rclone("copy", "v:rclone-round/tree", "v:rclone-round/copied")
        self.rclone("check", tree, "v:rclone-round/copied")
        self.rclone("delete", "v:rclone-round/tree")
        self.assertEqual(len(self.rclone("lsf", "-R", "--files-only", "v:rclone-round").splitlines()), 6)
        self.rclone("purge", "v:rclone-round")


if __name__ == "__main__":
    unittest.main()
