#!/usr/bin/python3
"""Runs Ceph's s3-tests (https://github.com/ceph/s3-tests) against a server and compares every outcome with tests/s3_tests_expected.txt.

    tools/s3_tests.py CHECKOUT [-k EXPRESSION] [--junit FILE]     programs: build/release, or the folder that VEDETTE_BUILD names

The script starts a server on a new data folder and writes the configuration that the tests want: the administrator is the main user, and a
second user may only list buckets. It ends with 1 if a test has another outcome than the list says, if the list names a test that does not
exist, or if the number of tests differs; with -k it compares only the tests that ran. It takes about 15 minutes. In addition to the packages
that ./test.sh needs it needs the Debian packages python3-pytest python3-munch python3-isodate python3-tz python3-lxml python3-httplib2.
"""
import argparse
import collections
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPECTED = ROOT / "tests" / "s3_tests_expected.txt"
sys.path.insert(0, str(ROOT / "tests" / "end_to_end"))
import harness  # noqa: E402

FILES = ["s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py"]
# These subjects are left out as a whole, because this server offers none of them: all of their tests would fail, most of them after minutes.
LEFT_OUT = "not bucket_logging and not bucket_logging_cleanup and not lifecycle_expiration and not lifecycle_transition and not cloud_transition and not cloud_restore"


def read_expected():
    """Returns what the list expects: the outcome and the reason of each test that does not pass, and the number of tests that run."""
    expected, reason, total = {}, None, 0
    for line in EXPECTED.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line.startswith("tests:"):
            total = int(line.removeprefix("tests:"))
        elif line.startswith("["):
            reason = line.strip("[]")
        elif line and not line.startswith("#"):
            outcome, name = line.split()
            if name in expected:
                sys.exit(f"{EXPECTED.name} names {name} twice")
            expected[name] = (outcome, reason)
    return expected, total


def write_configuration(path, server, second):
    main = server.credentials()
    account = "123456789012"
    host, port = server.address.rsplit(":", 1)

    def user(keys):
        return (f"access_key = {keys['aws_access_key_id']}\nsecret_key = {keys['aws_secret_access_key']}\n"
                f"user_id = {account}\ndisplay_name = {account}\nemail = nobody@example.com\n")

    sections = {"s3 main": user(main), "s3 alt": user(second), "s3 tenant": user(main) + "tenant = none\n", "iam": user(main), "iam root": user(main),
                "iam alt root": user(second)}
    path.write_text(f"[DEFAULT]\nhost = {host}\nport = {port}\nis_secure = False\nssl_verify = False\n[fixtures]\nbucket prefix = s3tests-{{random}}-\n"
                    + "".join(f"[{name}]\n{text}" for name, text in sections.items()), encoding="utf-8")


def make_second_user(server):
    """Makes the second user and returns their key. The server has only one account, so this user without rights on the first user's buckets stands
    for the other owner in the tests."""
    folder = pathlib.Path(server.data)
    policy = folder / "list-only.json"
    policy.write_text('{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}', encoding="utf-8")
    harness.run("policy", "put", "list-only", policy, "--data", server.data)
    harness.run("user", "create", "second", "--policy", "list-only", "--data", server.data)
    lines = harness.run("key", "create", "--user", "second", "--data", server.data).splitlines()
    return {name.strip(): value.strip() for name, value in (line.split("=", 1) for line in lines if "=" in line)}


def outcomes_of(report):
    """Returns the outcome of each test in a JUnit file. An error when a test cleans up counts as a failure of the test."""
    outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("classname", "").rsplit(".", 1)[-1] + "::" + case.get("name")
        failed = case.find("failure") is not None or case.find("error") is not None
        outcome = "failed" if failed else "skipped" if case.find("skipped") is not None else "passed"
        if outcomes.get(name) != "failed":
            outcomes[name] = outcome
    return outcomes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=pathlib.Path)
    parser.add_argument("-k", dest="expression", help="run the tests that this pytest expression selects, only")
    parser.add_argument("--junit", type=pathlib.Path, help="keep pytest's report here")
    options = parser.parse_args()
    if not (options.checkout / FILES[0]).exists():
        sys.exit(f"{options.checkout} is no checkout of s3-tests: it has no {FILES[0]}")
    server = harness.Server()
    with tempfile.TemporaryDirectory(prefix="vedette-s3-tests-") as folder:
        configuration = pathlib.Path(folder, "s3tests.conf")
        write_configuration(configuration, server, make_second_user(server))
        report = (options.junit or pathlib.Path(folder, "report.xml")).resolve()
        environment = {**os.environ, "S3TEST_CONF": str(configuration), "AWS_DEFAULT_REGION": harness.REGION, "AWS_EC2_METADATA_DISABLED": "true", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "-m", LEFT_OUT, f"--junitxml={report}", *FILES]
        if options.expression:
            command += ["-k", options.expression]
        with open(pathlib.Path(folder, "output"), "w+b") as output:
            code = subprocess.run(command, cwd=options.checkout, env=environment, stdout=output, stderr=subprocess.STDOUT).returncode
            if code not in (0, 1):
                output.seek(0)
                sys.exit(output.read().decode("utf-8", "replace")[-5000:])
        outcomes = outcomes_of(report)
    server.stop()

    expected, total = read_expected()
    differences = []
    for name, outcome in sorted(outcomes.items()):
        wanted, reason = expected.get(name, ("passed", None))
        if outcome != wanted:
            differences.append(f"{name}: {outcome}, expected: {wanted}" + (f" ({reason})" if reason else ""))
    if not options.expression:
        differences += [f"{name}: there is no such test" for name in sorted(set(expected) - set(outcomes))]
        if len(outcomes) != total:
            differences.append(f"{len(outcomes)} tests ran, expected: {total}")
    counts = collections.Counter(outcomes.values())
    print(f"{len(outcomes)} tests: " + ", ".join(f"{counts[o]} {o}" for o in ("passed", "failed", "skipped")))
    reasons = collections.Counter(expected[name][1] for name in outcomes if name in expected and expected[name][0] == outcomes[name])
    for reason, count in reasons.most_common():
        print(f"{count:5} {reason}")
    for line in differences:
        print("DIFFERENT", line)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
