"""Tests that the audit log can be read back through the API: what happened is listed newest first, in pages, by filters, and only to those who may see it."""
import datetime
import json
import os
import unittest

from botocore.exceptions import ClientError

from harness import Server

DAY = datetime.timedelta(days=1)


class AuditEvents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.destroy)
        cls.api = cls.server.client("vedette")
        for name in ("ann", "bob"):
            cls.api.create_user(UserName=name)
            key = cls.api.create_access_key(UserName=name)["AccessKey"]
            setattr(cls, name, {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]})
        cls.api.attach_user_policy(UserName="ann", PolicyName="VedetteFullAccess")
        cls.projects = cls.server.client("lookoutvision", cls.ann)
        cls.projects.create_project(ProjectName="line7")
        cls.projects.describe_project(ProjectName="line7")
        cls.server.client("s3", cls.ann).create_bucket(Bucket="pictures-of-ann")
        cls.code_of(cls.projects.describe_project, ProjectName="none")
        cls.code_of(cls.server.client("lookoutvision", cls.bob).list_projects)
        cls.session = cls.server.client("sts", cls.ann).get_session_token()["Credentials"]
        keys = {"aws_access_key_id": cls.session["AccessKeyId"], "aws_secret_access_key": cls.session["SecretAccessKey"], "aws_session_token": cls.session["SessionToken"]}
        cls.server.client("lookoutvision", keys).delete_project(ProjectName="line7")

    @staticmethod
    def code_of(call, **members):
        try:
            call(**members)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return None

    def names(self, **filters):
        return [event["EventName"] for event in self.api.list_audit_events(**filters)["Events"]]

    def test_events_are_listed_newest_first_as_the_file_has_them(self):
        events = self.api.list_audit_events(UserName="ann")["Events"]
        self.assertEqual([event["EventName"] for event in events],
                         ["DeleteProject", "GetSessionToken", "DescribeProject", "CreateBucket", "DescribeProject", "CreateProject"])
        lines = []
        for name in sorted(os.listdir(os.path.join(self.server.data, "audit"))):
            with open(os.path.join(self.server.data, "audit", name), encoding="utf-8") as file:
                lines += [line.rstrip("\n") for line in file]
        self.assertEqual([event["Record"] for event in events], [line for line in reversed(lines) if json.loads(line)["userIdentity"]["userName"] == "ann"])
        made = events[-1]
        record = json.loads(made["Record"])
        self.assertEqual((made["EventId"], made["EventSource"], made["UserName"], made["AccessKeyId"], made["SourceIPAddress"], made["ReadOnly"]),
                         (record["eventID"], "lookoutvision.amazonaws.com", "ann", self.ann["aws_access_key_id"], "127.0.0.1", False))
        self.assertNotIn("ErrorCode", made)
        self.assertEqual(made["EventTime"], datetime.datetime.fromisoformat(record["eventTime"].replace("Z", "+00:00")))

    def test_filters(self):
        self.assertEqual(self.names(UserName="ann", EventName="DescribeProject"), ["DescribeProject"] * 2)
        self.assertEqual(self.names(EventSource="s3.amazonaws.com"), ["CreateBucket"])
        self.assertEqual(self.names(UserName="ann", Outcome="FAILED"), ["DescribeProject"])
        self.assertEqual(self.names(UserName="ann", EventName="DescribeProject", Outcome="SUCCEEDED"), ["DescribeProject"])
        self.assertEqual(self.names(ErrorCode="AccessDeniedException", UserName="bob", EventName="ListProjects"), ["ListProjects"])
        self.assertEqual(self.names(UserName="ann", ReadOnly=False), ["DeleteProject", "CreateBucket", "CreateProject"])
        self.assertEqual(self.names(ResourceName="line7"), ["DeleteProject", "DescribeProject", "CreateProject"])
        self.assertEqual(self.names(ResourceName="pictures-of-ann"), ["CreateBucket"])
        # A key finds what was done with it and with the sessions that came from it.
        self.assertEqual(self.names(AccessKeyId=self.session["AccessKeyId"]), ["DeleteProject"])
        self.assertEqual(self.names(AccessKeyId=self.ann["aws_access_key_id"]), self.names(UserName="ann"))
        now = datetime.datetime.now(datetime.timezone.utc)
        self.assertEqual(self.names(UserName="ann", StartTime=now - DAY, EndTime=now + DAY), self.names(UserName="ann"))
        self.assertEqual(self.names(UserName="ann", StartTime=now + DAY), [])
        self.assertEqual(self.names(EndTime=now - DAY), [])

    def test_pages_stay_the_same_while_calls_are_made(self):
        whole = self.names(UserName="ann")
        found, token = [], {}
        while True:
            page = self.api.list_audit_events(UserName="ann", MaxResults=2, **token)
            self.assertLessEqual(len(page["Events"]), 2)
            found += [event["EventName"] for event in page["Events"]]
            if "NextToken" not in page:
                break
            self.assertIn("SearchedUntil", page)
            token = {"NextToken": page["NextToken"]}
            self.code_of(self.server.client("lookoutvision", self.bob).list_projects)
        self.assertEqual(found, whole)
        paged = [event["EventName"] for page in self.api.get_paginator("list_audit_events").paginate(UserName="ann", PaginationConfig={"PageSize": 1}) for event in page["Events"]]
        self.assertEqual(paged, whole)
        # A token belongs to its filters.
        self.assertEqual(self.code_of(self.api.list_audit_events, UserName="bob", **token), "ValidationException")

    def test_only_those_whom_a_policy_allows_it_see_what_others_did(self):
        self.api.put_policy(PolicyName="auditor", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "vedette:ListAuditEvents", "Resource": "*"}}))
        for name, policy, expected in (("full", "VedetteFullAccess", "AccessDeniedException"), ("read", "VedetteReadOnlyAccess", "AccessDeniedException"), ("eve", "auditor", None)):
            self.api.create_user(UserName=name)
            self.api.attach_user_policy(UserName=name, PolicyName=policy)
            key = self.api.create_access_key(UserName=name)["AccessKey"]
            api = self.server.client("vedette", {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]})
            self.assertEqual(self.code_of(api.list_audit_events), expected, name)
        self.assertEqual(api.list_audit_events(UserName="ann", EventName="CreateProject")["Events"][0]["UserName"], "ann")
        # Reading is recorded, too.
        self.assertEqual(self.names(UserName="eve")[0], "ListAuditEvents")

    def test_wrong_filters_are_refused(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        for wrong in ({"StartTime": now, "EndTime": now}, {"NextToken": "bm9uc2Vuc2U="}, {"NextToken": "a"}, {"EventName": "a/b"}, {"ErrorCode": "a b"}):
            self.assertEqual(self.code_of(self.api.list_audit_events, **wrong), "ValidationException", wrong)

    def test_what_was_told_survives_a_kill(self):
        self.server.client("lookoutvision").create_project(ProjectName="last")
        self.server.kill()
        self.server.start()
        type(self).api = self.server.client("vedette")
        self.assertEqual(self.names(ResourceName="last"), ["CreateProject"])


if __name__ == "__main__":
    unittest.main()
