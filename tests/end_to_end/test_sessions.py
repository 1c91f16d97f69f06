"""Tests temporary credentials: every service takes them, with the rights that their user has, until the key that they came from is revoked."""
import json
import os
import shutil
import tempfile
import unittest
from datetime import datetime, timezone
from urllib.error import HTTPError
from urllib.request import urlopen

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import REGION, Server, run

SERVER = MODELS = None


def setUpModule():
    global SERVER, MODELS
    SERVER = Server()
    MODELS = tempfile.mkdtemp(prefix="vedette-models-")
    run("client-model", "install", "--dir", MODELS)
    SERVER.client("s3").create_bucket(Bucket="pictures")
    SERVER.client("s3").put_object(Bucket="pictures", Key="a b.png", Body=b"content")


def tearDownModule():
    SERVER.destroy()
    shutil.rmtree(MODELS)


def extension(keys=None):
    os.environ["AWS_DATA_PATH"] = MODELS
    return boto3.Session().client("vedette", endpoint_url=SERVER.url, region_name=REGION, config=Config(retries={"max_attempts": 1}), **(keys or SERVER.credentials()))


def new_user(name, *policies):
    """Returns the keys of a new user."""
    extension().create_user(UserName=name)
    for policy in policies:
        extension().attach_user_policy(UserName=name, PolicyName=policy)
    key = extension().create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def session_of(keys, **parameters):
    """Returns the temporary credentials that a user gets, and when they end."""
    made = SERVER.client("sts", keys).get_session_token(**parameters)["Credentials"]
    return {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"], "aws_session_token": made["SessionToken"]}, made["Expiration"]


class Sessions(unittest.TestCase):
    CALLS = {"lookoutvision": lambda keys: SERVER.client("lookoutvision", keys).list_projects(), "s3": lambda keys: SERVER.client("s3", keys).list_buckets(),
             "sts": lambda keys: SERVER.client("sts", keys).get_caller_identity(), "vedette": lambda keys: extension(keys).list_users()}

    def code_of(self, call, *arguments, **members):
        with self.assertRaises(ClientError) as caught:
            call(*arguments, **members)
        return caught.exception.response["Error"]["Code"]

    def test_every_service_takes_them_until_their_key_is_revoked(self):
        keys = new_user("worker", "AdministratorAccess")
        session, expiration = session_of(keys, DurationSeconds=900)
        self.assertTrue(session["aws_access_key_id"].startswith("ASIA"))
        self.assertAlmostEqual((expiration - datetime.now(timezone.utc)).total_seconds(), 900, delta=60)
        for service, call in self.CALLS.items():
            with self.subTest(service):
                call(session)
        self.assertEqual(self.CALLS["sts"](session)["Arn"], "arn:aws:iam::123456789012:user/worker")
        # Who holds the key alone, or with another token, has nothing.
        other, _ = session_of(keys)
        for wrong, codes in (({**session, "aws_session_token": None}, {"s3": "InvalidAccessKeyId", "sts": "InvalidClientTokenId"}),
                             ({**session, "aws_session_token": other["aws_session_token"]}, {"s3": "InvalidToken", "lookoutvision": "InvalidClientTokenId", "vedette": "InvalidClientTokenId",
                                                                                            "sts": "InvalidClientTokenId"}),
                             ({**session, "aws_secret_access_key": other["aws_secret_access_key"]}, {"s3": "SignatureDoesNotMatch", "sts": "SignatureDoesNotMatch",
                                                                                                    "lookoutvision": "InvalidSignatureException", "vedette": "InvalidSignatureException"})):
            for service, call in self.CALLS.items():
                with self.subTest(service, wrong=wrong):
                    self.assertEqual(self.code_of(call, wrong), codes.get(service, "UnrecognizedClientException"))
        # Other keys of the user go on working after the revocation.
        fresh = extension().create_access_key(UserName="worker")["AccessKey"]
        extension().revoke_access_key(UserName="worker", AccessKeyId=keys["aws_access_key_id"])
        for service, call in self.CALLS.items():
            with self.subTest(service):
                self.assertEqual(self.code_of(call, session), {"s3": "InvalidAccessKeyId", "sts": "InvalidClientTokenId"}.get(service, "UnrecognizedClientException"))
        again, _ = session_of({"aws_access_key_id": fresh["AccessKeyId"], "aws_secret_access_key": fresh["SecretAccessKey"]})
        self.CALLS["lookoutvision"](again)
        extension().delete_user(UserName="worker")
        self.assertEqual(self.code_of(self.CALLS["lookoutvision"], again), "UnrecognizedClientException")

    def test_presigned_urls_of_a_session_work_and_end_with_it(self):
        keys = new_user("viewer", "VedetteReadOnlyAccess")
        session, _ = session_of(keys)
        urls = [SERVER.client("s3", session, signature_version=version).generate_presigned_url("get_object", Params={"Bucket": "pictures", "Key": "a b.png"}) for version in ("s3v4", "s3")]
        urls.append(SERVER.client("sts", session).generate_presigned_url("get_caller_identity", HttpMethod="GET"))
        for url, parameter in zip(urls, ("X-Amz-Security-Token=", "x-amz-security-token=", "X-Amz-Security-Token=")):
            with self.subTest(url):
                self.assertIn(parameter, url)
                with urlopen(url) as answer:
                    self.assertIn(b"viewer" if "sts" in url or "Action" in url else b"content", answer.read())
        extension().revoke_access_key(UserName="viewer", AccessKeyId=keys["aws_access_key_id"])
        for url in urls:
            with self.subTest(url), self.assertRaises(HTTPError) as refused:
                urlopen(url)
            self.assertEqual(refused.exception.code, 403)
            refused.exception.close()

    def test_they_may_what_the_user_may_now(self):
        session, _ = session_of(new_user("reader", "VedetteReadOnlyAccess"))
        api = SERVER.client("lookoutvision", session)
        api.list_projects()
        self.assertEqual(self.code_of(api.create_project, ProjectName="p"), "AccessDeniedException")
        extension().detach_user_policy(UserName="reader", PolicyName="VedetteReadOnlyAccess")
        self.assertEqual(self.code_of(api.list_projects), "AccessDeniedException")

    def test_bad_requests_are_refused_and_no_session_makes_another(self):
        keys = new_user("asker")
        sts = SERVER.client("sts", keys)
        for seconds in (129601, 1 << 40):  # boto3 itself refuses less than 900
            self.assertEqual(self.code_of(sts.get_session_token, DurationSeconds=seconds), "ValidationError")
        self.assertEqual(self.code_of(sts.get_session_token, SerialNumber="arn:aws:iam::123456789012:mfa/asker", TokenCode="123456"), "ValidationError")
        session, expiration = session_of(keys)
        self.assertAlmostEqual((expiration - datetime.now(timezone.utc)).total_seconds(), 43200, delta=60)
        self.assertEqual(self.code_of(SERVER.client("sts", session).get_session_token), "AccessDenied")

    def test_the_audit_names_the_key_that_a_session_came_from_and_tells_no_secret(self):
        keys = new_user("audited", "VedetteReadOnlyAccess")
        session, _ = session_of(keys, DurationSeconds=1000)
        SERVER.client("lookoutvision", session).list_projects()
        lines = []
        folder = os.path.join(SERVER.data, "audit")
        for name in sorted(os.listdir(folder)):  # There are two files if midnight was in between.
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                lines += file.readlines()
        for secret in (session["aws_secret_access_key"], session["aws_session_token"]):
            self.assertFalse([line for line in lines if secret in line])
        mine = {event["eventName"]: event for event in map(json.loads, lines) if event["userIdentity"]["userName"] == "audited"}
        asked, listed = mine["GetSessionToken"], mine["ListProjects"]
        self.assertEqual(asked["userIdentity"]["accessKeyId"], keys["aws_access_key_id"])
        self.assertNotIn("sessionContext", asked["userIdentity"])
        self.assertEqual(asked["requestParameters"], {"durationSeconds": 1000})
        self.assertEqual(asked["responseElements"]["accessKeyId"], session["aws_access_key_id"])
        self.assertEqual(listed["userIdentity"]["accessKeyId"], session["aws_access_key_id"])
        self.assertEqual(listed["userIdentity"]["sessionContext"], {"sourceAccessKeyId": keys["aws_access_key_id"]})


if __name__ == "__main__":
    unittest.main()
