"""Tests what buckets carry beside objects (versions, settings, tags, rules for browsers), with boto3's client and resource interfaces."""
import http.client
import io
import json
import os
import random
import tarfile
import tempfile
import unittest
from urllib.request import Request, urlopen

import boto3
from botocore.exceptions import ClientError

from harness import REGION, Server, run, wait_while, write_tiny_set

SERVER = None


def setUpModule():
    global SERVER
    SERVER = Server()


def tearDownModule():
    SERVER.destroy()


def user(name, *statements):
    """Returns the credentials of a new user with one policy."""
    run("user", "create", name, "--data", SERVER.data)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"Statement": list(statements)}, file)
        file.flush()
        run("policy", "put", name + "-policy", file.name, "--data", SERVER.data)
    run("policy", "attach", name + "-policy", "--user", name, "--data", SERVER.data)
    return dict(line.split(" = ") for line in run("key", "create", "--user", name, "--data", SERVER.data).splitlines()[1:])


class BucketTest(unittest.TestCase):
    def setUp(self):
        self.s3 = SERVER.client("s3")
        self.bucket = self.id().rsplit(".", 1)[1].replace("_", "-")[:63].strip("-")
        self.s3.create_bucket(Bucket=self.bucket)

    def fails(self, code, status, call, **members):
        with self.assertRaises(ClientError) as caught:
            call(Bucket=self.bucket, **members)
        answer = caught.exception.response
        self.assertEqual((answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]), (code, status))
        return answer["ResponseMetadata"]["HTTPHeaders"]

    def put(self, key, body, **members):
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **members)

    def read(self, key, **members):
        return self.s3.get_object(Bucket=self.bucket, Key=key, **members)["Body"].read()


class Versions(BucketTest):
    def setUp(self):
        super().setUp()
        self.put("k", b"before")
        self.assertNotIn("Status", self.s3.get_bucket_versioning(Bucket=self.bucket))
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def test_versions_come_and_go(self):
        self.assertEqual(self.s3.get_bucket_versioning(Bucket=self.bucket)["Status"], "Enabled")
        one, two = self.put("k", b"one")["VersionId"], self.put("k", b"two")["VersionId"]
        self.assertEqual((self.read("k"), self.read("k", VersionId=one), self.read("k", VersionId="null")), (b"two", b"one", b"before"))
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="k", VersionId=one)["VersionId"], one)
        marker = self.s3.delete_object(Bucket=self.bucket, Key="k")
        self.assertTrue(marker["DeleteMarker"])
        self.assertEqual(self.fails("NoSuchKey", 404, self.s3.get_object, Key="k")["x-amz-delete-marker"], "true")
        self.assertEqual(self.fails("404", 404, self.s3.head_object, Key="k")["x-amz-version-id"], marker["VersionId"])
        self.fails("MethodNotAllowed", 405, self.s3.get_object, Key="k", VersionId=marker["VersionId"])
        self.fails("NoSuchVersion", 404, self.s3.get_object, Key="k", VersionId="unknown")
        listed = self.s3.list_object_versions(Bucket=self.bucket)
        self.assertEqual([(v["VersionId"], v["IsLatest"], v["Size"]) for v in listed["Versions"]], [(two, False, 3), (one, False, 3), ("null", False, 6)])
        self.assertEqual([(m["VersionId"], m["IsLatest"]) for m in listed["DeleteMarkers"]], [(marker["VersionId"], True)])
        self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket=self.bucket))
        self.fails("BucketNotEmpty", 409, self.s3.delete_bucket)
        # Removing the delete marker brings the object back. Copying an old version makes it the newest.
        self.assertTrue(self.s3.delete_object(Bucket=self.bucket, Key="k", VersionId=marker["VersionId"])["DeleteMarker"])
        self.assertEqual(self.read("k"), b"two")
        copied = self.s3.copy_object(Bucket=self.bucket, Key="k", CopySource={"Bucket": self.bucket, "Key": "k", "VersionId": one})
        self.assertEqual((copied["CopySourceVersionId"], self.read("k")), (one, b"one"))
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": "k", "VersionId": copied["VersionId"]}, {"Key": "k"}]})
        self.assertEqual([d.get("DeleteMarker", False) for d in answer["Deleted"]], [False, True])

    def test_what_is_put_while_no_versions_are_kept_has_no_id_of_its_own(self):
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Suspended"})
        self.assertNotIn("VersionId", self.put("k", b"now"))
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="k")["VersionId"], "null")

    def test_the_resource_interface_empties_a_bucket(self):
        s3 = boto3.resource("s3", endpoint_url=SERVER.url, region_name=REGION, **SERVER.credentials())
        bucket = s3.Bucket(self.bucket)
        for n in range(30):
            bucket.put_object(Key=f"f/{n % 7}", Body=str(n).encode())
        self.assertEqual(s3.BucketVersioning(self.bucket).status, "Enabled")
        self.assertEqual(bucket.Object("f/1").get()["Body"].read(), b"29")
        self.assertEqual(len(list(bucket.object_versions.filter(Prefix="f/"))), 30)
        self.assertEqual([o.key for o in bucket.objects.filter(Prefix="f/").limit(3)], ["f/0", "f/1", "f/2"])
        bucket.objects.all().delete()
        self.assertEqual(list(bucket.objects.all()), [])
        bucket.object_versions.all().delete()
        bucket.delete()
        self.assertNotIn(self.bucket, [b.name for b in s3.buckets.all()])

    def test_pages_of_versions_cover_everything_once(self):
        for n in range(23):
            self.put(f"d{n % 3}/k", b"x")
            self.put("e", b"x")
        expected = {("k", "null")} | set()
        pages = self.s3.get_paginator("list_object_versions")
        for size in (1, 2, 7):
            seen = [(v["Key"], v["VersionId"]) for page in pages.paginate(Bucket=self.bucket, PaginationConfig={"PageSize": size}) for v in page.get("Versions", [])]
            self.assertEqual((len(seen), len(set(seen))), (47, 47), size)
            self.assertLessEqual(expected, set(seen))
            folded = [p["Prefix"] if "Prefix" in p else p["Key"] for page in pages.paginate(Bucket=self.bucket, Delimiter="/", PaginationConfig={"PageSize": size})
                      for p in page.get("CommonPrefixes", []) + page.get("Versions", [])]
            self.assertEqual((len(folded), sorted(set(folded))), (27, ["d0/", "d1/", "d2/", "e", "k"]), size)

    def test_a_bucket_of_versions_is_emptied_page_by_page(self):
        for n in range(5):
            self.put("e", b"x")
        pages = 0
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, PaginationConfig={"PageSize": 2}):
            gone = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in page["Versions"]]
            self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": gone})
            pages += 1
        self.assertEqual(pages, 3)
        self.s3.delete_bucket(Bucket=self.bucket)

    def test_listings_tell_owners_as_s3_does(self):
        owner = self.s3.list_buckets()["Owner"]["ID"]
        self.assertEqual(self.s3.list_objects(Bucket=self.bucket)["Contents"][0]["Owner"]["ID"], owner)
        self.assertNotIn("Owner", self.s3.list_objects_v2(Bucket=self.bucket)["Contents"][0])
        self.assertEqual(self.s3.list_objects_v2(Bucket=self.bucket, FetchOwner=True)["Contents"][0]["Owner"]["ID"], owner)
        self.assertEqual(self.s3.list_object_versions(Bucket=self.bucket)["Versions"][0]["Owner"]["ID"], owner)

    def test_multipart_objects_have_versions_too(self):
        upload = {"Bucket": self.bucket, "Key": "k", "UploadId": self.s3.create_multipart_upload(Bucket=self.bucket, Key="k")["UploadId"]}
        tag = self.s3.upload_part(**upload, PartNumber=1, Body=b"by parts")["ETag"]
        done = self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
        self.assertEqual((self.read("k", VersionId=done["VersionId"]), self.read("k", VersionId="null")), (b"by parts", b"before"))

    def test_versions_have_rights_of_their_own(self):
        old = self.put("k", b"old")["VersionId"]
        self.put("k", b"new")
        keys = user("newest-only", {"Effect": "Allow", "Action": ["s3:GetObject", "s3:DeleteObject"], "Resource": "*"})
        limited = SERVER.client("s3", keys)
        self.assertEqual(limited.get_object(Bucket=self.bucket, Key="k")["Body"].read(), b"new")
        self.fails("AccessDenied", 403, limited.get_object, Key="k", VersionId=old)
        self.fails("AccessDenied", 403, limited.delete_object, Key="k", VersionId=old)
        self.fails("AccessDenied", 403, limited.list_object_versions)
        answer = limited.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": "k", "VersionId": old}]})
        self.assertEqual(answer["Errors"][0]["Code"], "AccessDenied")
        self.assertEqual(self.read("k", VersionId=old), b"old")

    def test_a_dataset_is_made_from_the_version_of_a_manifest(self):
        l4v = SERVER.client("lookoutvision")
        with tempfile.TemporaryDirectory() as folder:
            lines = write_tiny_set(folder, normal=3, anomaly=1)
            for line in lines:
                with open(os.path.join(folder, line["source-ref"]), "rb") as body:
                    self.put(line["source-ref"], body)
                line["source-ref"] = f"s3://{self.bucket}/{line['source-ref']}"
        first = self.put("m", "\n".join(map(json.dumps, lines)).encode())["VersionId"]
        self.put("m", json.dumps(lines[0]).encode())
        l4v.create_project(ProjectName="versions")
        def make(kind, **version):
            l4v.create_dataset(ProjectName="versions", DatasetType=kind, DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": self.bucket, "Key": "m", **version}}})
            return wait_while(lambda: l4v.describe_dataset(ProjectName="versions", DatasetType=kind)["DatasetDescription"], ["CREATE_IN_PROGRESS"])["ImageStats"]["Total"]
        self.assertEqual((make("train", VersionId=first), make("test")), (4, 1))
        l4v.delete_dataset(ProjectName="versions", DatasetType="test")
        with self.assertRaises(ClientError) as caught:
            make("test", VersionId="unknown")
        self.assertEqual(caught.exception.response["Error"]["Code"], "ValidationException")

    def test_versions_settings_and_tags_survive_a_kill(self):
        server = Server()
        self.addCleanup(server.destroy)
        s3 = server.client("s3")
        s3.create_bucket(Bucket="kept")
        s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_tagging(Bucket="kept", Tagging={"TagSet": [{"Key": "line", "Value": "7"}]})
        ids = [s3.put_object(Bucket="kept", Key="k", Body=str(n).encode())["VersionId"] for n in range(3)]
        s3.delete_object(Bucket="kept", Key="k")
        server.kill()
        server.start()
        s3 = server.client("s3")
        self.assertEqual([v["VersionId"] for v in s3.list_object_versions(Bucket="kept")["Versions"]], ids[::-1])
        self.assertEqual([s3.get_object(Bucket="kept", Key="k", VersionId=i)["Body"].read() for i in ids], [b"0", b"1", b"2"])
        self.assertEqual(s3.get_bucket_tagging(Bucket="kept")["TagSet"], [{"Key": "line", "Value": "7"}])


class Settings(BucketTest):
    def test_what_the_old_console_set_is_kept_and_returned(self):
        """The old console created its bucket with encryption, without public access and with versions."""
        block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
        encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]}
        lifecycle = {"Rules": [{"ID": "old", "Filter": {"Prefix": ""}, "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
                                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]}
        ownership = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        cors = [{"AllowedOrigins": ["https://console.example"], "AllowedMethods": ["GET"], "AllowedHeaders": ["*"], "MaxAgeSeconds": 5}]
        tags = [{"Key": "a", "Value": "b <&>"}]
        s3, bucket = self.s3, {"Bucket": self.bucket}
        for code, get in (("NoSuchPublicAccessBlockConfiguration", s3.get_public_access_block), ("ServerSideEncryptionConfigurationNotFoundError", s3.get_bucket_encryption),
                          ("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration), ("OwnershipControlsNotFoundError", s3.get_bucket_ownership_controls),
                          ("NoSuchCORSConfiguration", s3.get_bucket_cors), ("NoSuchTagSet", s3.get_bucket_tagging), ("NoSuchBucketPolicy", s3.get_bucket_policy),
                          ("NoSuchWebsiteConfiguration", s3.get_bucket_website), ("ReplicationConfigurationNotFoundError", s3.get_bucket_replication),
                          ("ObjectLockConfigurationNotFoundError", s3.get_object_lock_configuration)):
            self.fails(code, 404, get)
        s3.put_public_access_block(**bucket, PublicAccessBlockConfiguration=block)
        s3.put_bucket_encryption(**bucket, ServerSideEncryptionConfiguration=encryption)
        s3.put_bucket_lifecycle_configuration(**bucket, LifecycleConfiguration=lifecycle)
        s3.put_bucket_ownership_controls(**bucket, OwnershipControls=ownership)
        s3.put_bucket_cors(**bucket, CORSConfiguration={"CORSRules": cors})
        s3.put_bucket_tagging(**bucket, Tagging={"TagSet": tags})
        self.assertEqual(s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"], block)
        self.assertEqual(s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"], encryption)
        self.assertEqual(s3.get_bucket_lifecycle_configuration(**bucket)["Rules"], lifecycle["Rules"])
        self.assertEqual(s3.get_bucket_ownership_controls(**bucket)["OwnershipControls"], ownership)
        self.assertEqual(s3.get_bucket_cors(**bucket)["CORSRules"], cors)
        self.assertEqual(s3.get_bucket_tagging(**bucket)["TagSet"], tags)
        for delete in (s3.delete_public_access_block, s3.delete_bucket_encryption, s3.delete_bucket_lifecycle, s3.delete_bucket_ownership_controls, s3.delete_bucket_cors,
                       s3.delete_bucket_tagging):
            delete(**bucket)
        self.fails("NoSuchCORSConfiguration", 404, s3.get_bucket_cors)
        self.assertEqual(s3.get_bucket_request_payment(**bucket)["Payer"], "BucketOwner")
        self.assertNotIn("LoggingEnabled", s3.get_bucket_logging(**bucket))

    def test_settings_that_would_not_be_kept_are_refused(self):
        s3 = self.s3
        for call, members in ((s3.put_bucket_policy, {"Policy": "{}"}), (s3.delete_bucket_policy, {}), (s3.put_bucket_website, {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "i"}}}),
                              (s3.put_bucket_lifecycle_configuration, {"LifecycleConfiguration": {"Rules": [
                                  {"Status": "Enabled", "Filter": {"Prefix": ""}, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}]}}),
                              (s3.put_object, {"Key": "k", "ServerSideEncryption": "aws:kms"}), (s3.put_object, {"Key": "k", "SSECustomerKey": b"k" * 32, "SSECustomerAlgorithm": "AES256"}),
                              (s3.put_object, {"Key": "k", "ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": "2030-01-01"}),
                              (s3.select_object_content, {"Key": "k", "Expression": "x", "ExpressionType": "SQL", "InputSerialization": {}, "OutputSerialization": {}}),
                              (s3.restore_object, {"Key": "k"}), (s3.get_object_attributes, {"Key": "k", "ObjectAttributes": ["ETag"]})):
            self.fails("NotImplemented", 501, call, **members)
        self.fails("AccessControlListNotSupported", 400, s3.put_object, Key="k", ACL="public-read")
        self.fails("AccessControlListNotSupported", 400, s3.put_bucket_acl, ACL="public-read")
        s3.put_bucket_acl(Bucket=self.bucket, ACL="private")
        self.put("k", b"x", ACL="bucket-owner-full-control", StorageClass="STANDARD_IA", ServerSideEncryption="AES256")
        self.assertEqual(s3.get_object_acl(Bucket=self.bucket, Key="k")["Grants"][0]["Permission"], "FULL_CONTROL")
        self.assertEqual(s3.head_object(Bucket=self.bucket, Key="k")["ServerSideEncryption"], "AES256")

    def test_encryption_and_ownership_that_are_asked_for_are_told(self):
        s3 = self.s3
        self.put("source", b"x", ContentType="image/png", CacheControl="no-cache")
        asked = {"Bucket": self.bucket, "ServerSideEncryption": "AES256"}
        self.assertEqual(s3.copy_object(Key="copy", CopySource=f"{self.bucket}/source", **asked)["ServerSideEncryption"], "AES256")
        copied = s3.head_object(Bucket=self.bucket, Key="copy")
        self.assertEqual((copied["ServerSideEncryption"], copied["CacheControl"]), ("AES256", "no-cache"))
        self.assertNotIn("ServerSideEncryption", s3.copy_object(Bucket=self.bucket, Key="plain", CopySource=f"{self.bucket}/copy"))
        upload = s3.create_multipart_upload(Key="parts", **asked)
        self.assertEqual(upload["ServerSideEncryption"], "AES256")
        part = s3.upload_part(Bucket=self.bucket, Key="parts", UploadId=upload["UploadId"], PartNumber=1, Body=b"x")
        done = s3.complete_multipart_upload(Bucket=self.bucket, Key="parts", UploadId=upload["UploadId"], MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
        self.assertEqual(done["ServerSideEncryption"], "AES256")
        with self.assertRaises(ClientError) as caught:
            s3.create_bucket(Bucket="with-lists", ObjectOwnership="ObjectWriter")
        self.assertEqual(caught.exception.response["Error"]["Code"], "NotImplemented")
        s3.create_bucket(Bucket="without-lists", ObjectOwnership="BucketOwnerEnforced")
        self.assertEqual(s3.get_bucket_ownership_controls(Bucket="without-lists")["OwnershipControls"]["Rules"], [{"ObjectOwnership": "BucketOwnerEnforced"}])

    def test_headers_tags_and_overrides_come_back_as_they_were_put(self):
        self.put("k", b"x", CacheControl="max-age=5", ContentDisposition="attachment", ContentLanguage="de", ContentEncoding="gzip", Tagging="a=1&b=%C3%BC", Metadata={"m": "1"})
        head = self.s3.head_object(Bucket=self.bucket, Key="k")
        self.assertEqual((head["CacheControl"], head["ContentDisposition"], head["ContentLanguage"], head["ContentEncoding"]), ("max-age=5", "attachment", "de", "gzip"))
        tags = lambda key="k": self.s3.get_object_tagging(Bucket=self.bucket, Key=key)["TagSet"]
        self.assertEqual(tags(), [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "ü"}])
        self.s3.copy_object(Bucket=self.bucket, Key="copy", CopySource={"Bucket": self.bucket, "Key": "k"})
        self.assertEqual(tags("copy"), tags())
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="copy")["CacheControl"], "max-age=5")
        self.s3.copy_object(Bucket=self.bucket, Key="copy", CopySource={"Bucket": self.bucket, "Key": "k"}, TaggingDirective="REPLACE", Tagging="z=9")
        self.assertEqual(tags("copy"), [{"Key": "z", "Value": "9"}])
        self.s3.put_object_tagging(Bucket=self.bucket, Key="k", Tagging={"TagSet": [{"Key": "n", "Value": ""}]})
        self.assertEqual(tags(), [{"Key": "n", "Value": ""}])
        self.s3.delete_object_tagging(Bucket=self.bucket, Key="k")
        self.assertEqual(tags(), [])
        self.fails("InvalidTag", 400, self.s3.put_object_tagging, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]})
        url = SERVER.client("s3", signature_version="s3v4").generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": "k", "ResponseContentType": "image/png", "ResponseContentDisposition": "attachment; filename=a.png"})
        with urlopen(url) as answer:
            self.assertEqual((answer.headers["content-type"], answer.headers["content-disposition"]), ("image/png", "attachment; filename=a.png"))


def archive_of(files, format=tarfile.PAX_FORMAT, links=()):
    """Returns a tar archive. A file without content is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            if body is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(body)
            archive.addfile(info, io.BytesIO(body or b""))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return buffer.getvalue()


class Archives(BucketTest):
    """Tests tar archives that are unpacked into the bucket."""

    def unpack(self, archive, key="pack.tar", **metadata):
        return self.put(key, archive, Metadata={"snowball-auto-extract": "true", **{name.replace("_", "-"): value for name, value in metadata.items()}})

    def keys(self):
        return [o["Key"] for o in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]

    def test_every_file_becomes_an_object(self):
        files = {"a.png": b"1" * 1000, "d": None, "d/\u00fc.jpg": b"22", "long/" + "n" * 200 + ".json": b"{}", "./e": b""}
        for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            archive = archive_of(files, format)
            answer = self.unpack(archive)
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 200)
            self.assertEqual(self.keys(), sorted(["a.png", "d/", "d/\u00fc.jpg", "long/" + "n" * 200 + ".json", "e"]))
            for name, body in files.items():
                if body is not None:
                    self.assertEqual(self.read(name.removeprefix("./")), body)
        types = {key: self.s3.head_object(Bucket=self.bucket, Key=key)["ContentType"] for key in ("a.png", "d/\u00fc.jpg", "e")}
        self.assertEqual(types, {"a.png": "image/png", "d/\u00fc.jpg": "image/jpeg", "e": "binary/octet-stream"})

    def test_prefix_folders_and_metadata(self):
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        archive = archive_of({"a": b"1", "d": None}, tarfile.USTAR_FORMAT)
        for metadata in ({"snowball_prefix": "x/y"}, {"minio_snowball_prefix": "x/y/"}):
            self.unpack(archive, minio_snowball_ignore_dirs="true", line="7", **metadata)
        versions = self.s3.list_object_versions(Bucket=self.bucket)["Versions"]
        self.assertEqual([v["Key"] for v in versions], ["x/y/a", "x/y/a"])
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="x/y/a")["Metadata"], {"line": "7"})

    def test_what_cannot_be_unpacked_stores_nothing(self):
        good = {"good": b"1"}
        for archive in (archive_of({**good, "../up": b"1"}), archive_of({**good, "/root": b"1"}), archive_of(good, links=[("l", "good")]), archive_of(good)[:700], b"no archive",
                        archive_of({str(i): b"" for i in range(257)})):
            self.fails("InvalidRequest", 400, self.s3.put_object, Key="k", Body=archive, Metadata={"snowball-auto-extract": "true"})
        extract = {"snowball-auto-extract": "true"}
        self.fails("EntityTooLarge", 400, self.s3.put_object, Key="k", Body=bytes((16 << 20) + 512), Metadata=extract)
        self.fails("KeyTooLongError", 400, self.s3.put_object, Key="k", Body=archive_of(good), Metadata={**extract, "snowball-prefix": "p" * 1020})
        self.fails("NotImplemented", 501, self.s3.put_object, Key="k", Body=archive_of(good), Metadata={**extract, "snowball-ignore-errors": "true"})
        self.fails("NotImplemented", 501, self.s3.put_object, Key="k", Body=archive_of(good), Metadata=extract, Tagging="a=b")
        self.fails("NotImplemented", 501, self.s3.create_multipart_upload, Key="k", Metadata=extract)
        self.fails("BadDigest", 400, self.s3.put_object, Key="k", Body=archive_of(good), Metadata=extract, ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
        self.assertEqual(self.keys(), [])
        self.put("k", archive_of(good), Metadata={"snowball-auto-extract": "false"})
        self.assertEqual(self.keys(), ["k"])

    def test_every_key_needs_its_right_and_a_call_has_one_line_of_audit(self):
        keys = user("packer", {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{self.bucket}/mine/*"})
        packer = boto3.client("s3", endpoint_url=SERVER.url, region_name=REGION, **keys)
        for key, files in (("mine/k", {"mine/a": b"1", "other/b": b"2"}), ("other/k", {"mine/a": b"1"})):
            self.fails("AccessDenied", 403, packer.put_object, Key=key, Body=archive_of(files), Metadata={"snowball-auto-extract": "true"})
        self.assertEqual(self.keys(), [])
        packer.put_object(Bucket=self.bucket, Key="mine/k", Body=archive_of({"mine/a": b"1", "mine/b": b"2"}), Metadata={"snowball-auto-extract": "true"})
        self.assertEqual(self.keys(), ["mine/a", "mine/b"])
        folder = os.path.join(SERVER.data, "audit")
        lines = [json.loads(line) for name in os.listdir(folder) for line in open(os.path.join(folder, name), encoding="utf-8")]
        mine = [line for line in lines if (line.get("requestParameters") or {}).get("bucketName") == self.bucket and line["eventName"] == "PutObject"]
        self.assertEqual([(line.get("errorCode"), line["requestParameters"]["unpackedObjects"]) for line in mine], [("AccessDenied", 0), (None, 2)])


class Rights(BucketTest):
    def test_tags_and_expected_owners_are_checked(self):
        keys = user("putter", {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "*"})
        limited = SERVER.client("s3", keys)
        limited.put_object(Bucket=self.bucket, Key="k", Body=b"x", ExpectedBucketOwner="123456789012")
        self.fails("AccessDenied", 403, limited.put_object, Key="k", Body=b"x", Tagging="a=1")
        self.fails("AccessDenied", 403, limited.put_object, Key="k", Body=b"x", ExpectedBucketOwner="999999999999")
        self.fails("AccessDenied", 403, limited.put_bucket_versioning, VersioningConfiguration={"Status": "Enabled"})
        self.fails("AccessDenied", 403, limited.get_bucket_cors)
        self.fails("AccessDenied", 403, limited.delete_bucket_lifecycle)
        self.fails("AccessDenied", 403, limited.get_object_tagging, Key="k")


class Browsers(BucketTest):
    """Tests that a page of another origin can upload with a presigned URL, as a console does."""

    def setUp(self):
        super().setUp()
        self.s3.put_bucket_cors(Bucket=self.bucket, CORSConfiguration={"CORSRules": [
            {"AllowedOrigins": ["https://*.plant.example"], "AllowedMethods": ["PUT", "GET"], "AllowedHeaders": ["content-*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}]})

    def preflight(self, path, origin, method, headers=None):
        connection = http.client.HTTPConnection(SERVER.address, timeout=30)
        connection.request("OPTIONS", path, headers={"Origin": origin, "Access-Control-Request-Method": method, **({"Access-Control-Request-Headers": headers} if headers else {})})
        response = connection.getresponse()
        response.read()
        return response

    def test_preflights_are_answered_by_the_buckets_rules(self):
        path = f"/{self.bucket}/a%20b"
        answer = self.preflight(path, "https://console.plant.example", "PUT", "Content-Type")
        self.assertEqual((answer.status, answer.headers["access-control-allow-origin"], answer.headers["access-control-allow-headers"], answer.headers["access-control-max-age"]),
                         (200, "https://console.plant.example", "content-type", "60"))
        for refused in (("https://elsewhere.example", "PUT"), ("https://console.plant.example", "DELETE"), ("https://console.plant.example", "PUT", "x-other")):
            answer = self.preflight(path, *refused)
            self.assertEqual((answer.status, answer.headers["access-control-allow-origin"]), (403, None), refused)
        self.assertEqual(self.preflight("/no-such-bucket/k", "https://console.plant.example", "PUT").status, 403)
        self.assertEqual(self.preflight("/", "https://console.plant.example", "GET").status, 403)

    def test_answers_and_errors_can_be_read_by_the_page(self):
        client = SERVER.client("s3", signature_version="s3v4")
        put = client.generate_presigned_url("put_object", Params={"Bucket": self.bucket, "Key": "a b", "ContentType": "image/png"})
        with urlopen(Request(put, data=b"picture", method="PUT", headers={"Content-Type": "image/png", "Origin": "https://console.plant.example"})) as answer:
            self.assertEqual((answer.headers["access-control-allow-origin"], answer.headers["access-control-expose-headers"]), ("https://console.plant.example", "ETag"))
        self.assertEqual(self.read("a b"), b"picture")
        connection = http.client.HTTPConnection(SERVER.address, timeout=30)
        for origin, allowed in (("https://console.plant.example", "https://console.plant.example"), ("https://elsewhere.example", None)):
            connection.request("GET", f"/{self.bucket}/none", headers={"Origin": origin})
            answer = connection.getresponse()
            answer.read()
            self.assertEqual((answer.status, answer.headers["access-control-allow-origin"]), (403, allowed))


class Listings(BucketTest):
    """Compares random listings with a model of what S3 documents."""

    def test_any_combination_of_prefix_delimiter_and_page_size(self):
        random.seed(4)
        keys = sorted({"".join(random.choice("ab/") for _ in range(random.randrange(1, 7))) for _ in range(120)})
        for key in keys:
            self.put(key, b"x")
        for _ in range(150):
            prefix = "".join(random.choice("ab/") for _ in range(random.randrange(0, 3)))
            delimiter = random.choice(["", "/", "/", "b", "a/"])
            after = random.choice(["", "", random.choice(keys), "b", "a/"])
            size = random.choice([1, 2, 3, 7, 1000])
            expected = []
            for key in keys:
                if not key.startswith(prefix) or key <= after:
                    continue
                at = key.find(delimiter, len(prefix)) if delimiter else -1
                item = ("group", key[:at + len(delimiter)]) if at >= 0 else ("key", key)
                # If the listing starts inside a group, or on it, the group is left out only if the start names the group itself.
                if item != (expected[-1] if expected else None) and not (item[0] == "group" and item[1] == after):
                    expected.append(item)
            settings = {"Bucket": self.bucket, "Prefix": prefix, **({"Delimiter": delimiter} if delimiter else {})}
            for operation, start in (("list_objects_v2", "StartAfter"), ("list_objects", "Marker"), ("list_object_versions", "KeyMarker")):
                seen = []
                for page in self.s3.get_paginator(operation).paginate(**settings, **({start: after} if after else {}), PaginationConfig={"PageSize": size}):
                    items = [("key", o["Key"]) for o in page.get("Contents", page.get("Versions", []))] + [("group", p["Prefix"]) for p in page.get("CommonPrefixes", [])]
                    self.assertLessEqual(len(items), size)
                    seen += sorted(items, key=lambda item: item[1])
                self.assertEqual(seen, expected, (operation, prefix, delimiter, after, size))


class Conditions(BucketTest):
    def test_a_delete_may_be_conditional(self):
        tag = self.put("k", b"x")["ETag"]
        connection = http.client.HTTPConnection(SERVER.address, timeout=30)
        def delete(if_match):
            url = SERVER.client("s3", signature_version="s3v4").generate_presigned_url("delete_object", Params={"Bucket": self.bucket, "Key": "k"})
            connection.request("DELETE", url[len(SERVER.url):], headers={"If-Match": if_match})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        self.assertEqual((delete('"other"'), delete(tag), delete(tag)), (412, 204, 404))

    def with_headers(self, operation, headers):
        s3 = SERVER.client("s3")
        s3.meta.events.register("before-call.s3." + operation, lambda params, **_: params["headers"].update(headers))
        return s3

    def test_a_condition_that_cannot_be_tested_is_refused(self):
        tag = self.put("k", b"12345")["ETag"]
        for headers in ({"If-None-Match": tag}, {"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, {"x-amz-write-offset-bytes": "5"}):
            self.fails("NotImplemented", 501, self.with_headers("PutObject", headers).put_object, Key="k", Body=b"x")
        self.fails("NotImplemented", 501, self.with_headers("DeleteObject", {"x-amz-if-match-size": "1"}).delete_object, Key="k")
        self.assertEqual(self.read("k"), b"12345")

    def test_a_put_may_want_any_object_to_be_there(self):
        s3 = self.with_headers("PutObject", {"If-Match": "*"})
        self.fails("NoSuchKey", 404, s3.put_object, Key="k", Body=b"x")
        self.put("k", b"old")
        s3.put_object(Bucket=self.bucket, Key="k", Body=b"new")
        self.assertEqual(self.read("k"), b"new")
        self.fails("InvalidDigest", 400, self.with_headers("PutObject", {"Content-MD5": ""}).put_object, Key="k", Body=b"x")

    def test_a_part_is_copied_from_the_very_range(self):
        self.put("k", b"12345")
        upload = self.s3.create_multipart_upload(Bucket=self.bucket, Key="m")["UploadId"]
        part = {"Key": "m", "UploadId": upload, "PartNumber": 1, "CopySource": self.bucket + "/k"}
        self.fails("InvalidRange", 416, self.s3.upload_part_copy, **part, CopySourceRange="bytes=0-21")
        for wrong in ("0-2", "bytes=hello", "bytes=2-1"):
            self.fails("InvalidArgument", 400, self.s3.upload_part_copy, **part, CopySourceRange=wrong)
        tag = self.s3.upload_part_copy(Bucket=self.bucket, **part, CopySourceRange="bytes=1-3")["CopyPartResult"]["ETag"]
        done = self.s3.complete_multipart_upload(Bucket=self.bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
        self.assertEqual((done["Location"], self.read("m")), (f"{SERVER.url}/{self.bucket}/m", b"234"))

    def test_one_completion_may_run_beside_another(self):
        from concurrent.futures import ThreadPoolExecutor
        for i in range(5):
            upload = self.s3.create_multipart_upload(Bucket=self.bucket, Key="m")["UploadId"]
            tags = [self.s3.upload_part(Bucket=self.bucket, Key="m", UploadId=upload, PartNumber=n, Body=bytes(5 << 20))["ETag"] for n in (1, 2)]
            parts = {"Parts": [{"PartNumber": n, "ETag": tag} for n, tag in zip((1, 2), tags)]}
            with ThreadPoolExecutor(4) as pool:
                done = list(pool.map(lambda _: SERVER.client("s3").complete_multipart_upload(Bucket=self.bucket, Key="m", UploadId=upload, MultipartUpload=parts)["ETag"], range(4)))
            self.assertEqual(len(set(done)), 1)

    def test_buckets_come_in_pages(self):
        names = [f"paged-{i}" for i in range(3)]
        for name in names:
            self.s3.create_bucket(Bucket=name)
        def page(query):
            s3 = SERVER.client("s3")
            s3.meta.events.register("before-call.s3.ListBuckets", lambda params, **_: params.update(url=SERVER.url + "/?" + query))
            answer = s3.list_buckets()
            return [b["Name"] for b in answer["Buckets"]]
        self.assertEqual(page("prefix=paged-"), names)
        self.assertEqual(page("prefix=paged-&max-buckets=2"), names[:2])
        self.assertEqual(page("prefix=paged-&max-buckets=2&continuation-token=cGFnZWQtMQ%3D%3D"), names[2:])
        with self.assertRaises(ClientError):
            page("max-buckets=0")

if __name__ == "__main__":
    unittest.main()
