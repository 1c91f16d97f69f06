"""Tests the operations of the service `vedette` that show the pictures of a dataset, as a gallery calls them."""
import io
import json
import os
import shutil
import tempfile
import unittest

from PIL import Image
from botocore.exceptions import ClientError

from harness import Server, upload_lines, wait_while, write_tiny_set

GOOD, BAD = 12, 6
SERVER = FOLDER = LINES = None


def setUpModule():
    global SERVER, FOLDER, LINES
    SERVER = Server()
    FOLDER = tempfile.mkdtemp(prefix="vedette-pictures-")
    lines = write_tiny_set(FOLDER, normal=GOOD, anomaly=BAD, masks=True)
    LINES = upload_lines(SERVER.client("s3"), FOLDER, "parts", lines, "train.manifest")
    api = SERVER.client("lookoutvision")
    api.create_project(ProjectName="p")
    api.create_dataset(ProjectName="p", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "parts", "Key": "train.manifest"}}})
    dataset = wait_while(lambda: api.describe_dataset(ProjectName="p", DatasetType="train")["DatasetDescription"], ["CREATE_IN_PROGRESS"], 0.05)
    if dataset["Status"] != "CREATE_COMPLETE":
        raise RuntimeError(dataset["StatusMessage"])


def tearDownModule():
    SERVER.destroy()
    shutil.rmtree(FOLDER)


def vedette(keys=None):
    return SERVER.client("vedette", keys)


def user_with(name, *policies):
    """Makes a user with these policies, which are names of managed policies or lists of statements, and returns the user's keys."""
    api = vedette()
    api.create_user(UserName=name)
    for number, policy in enumerate(policies):
        if not isinstance(policy, str):
            document, policy = json.dumps({"Version": "2012-10-17", "Statement": policy}), f"{name}-{number}"
            api.put_policy(PolicyName=policy, PolicyDocument=document)
        api.attach_user_policy(UserName=name, PolicyName=policy)
    key = api.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def code_of(call, **members):
    try:
        call(**members)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


class Listing(unittest.TestCase):
    def test_pictures_are_listed_from_any_place_in_the_order_of_the_public_listing(self):
        entries = [json.loads(entry)["source-ref"] for page in SERVER.client("lookoutvision").get_paginator("list_dataset_entries").paginate(ProjectName="p", DatasetType="train")
                   for entry in page["DatasetEntries"]]
        api = vedette()
        whole = api.list_dataset_images(ProjectName="p", DatasetType="train")
        self.assertEqual(whole["TotalCount"], GOOD + BAD)
        self.assertEqual([image["SourceRef"] for image in whole["Images"]], entries)
        part = api.list_dataset_images(ProjectName="p", DatasetType="train", Offset=10, MaxResults=5)
        self.assertEqual((part["TotalCount"], part["Images"]), (GOOD + BAD, whole["Images"][10:15]))
        good, bad = whole["Images"][0], whole["Images"][GOOD]
        self.assertEqual((good["Label"], "MaskRef" in good, "AnomalyLabels" in good), ("NORMAL", False, False))
        self.assertEqual((bad["Label"], bad["MaskRef"], bad["AnomalyLabels"]), ("ANOMALY", LINES[GOOD]["anomaly-mask-ref"], ["spot"]))
        self.assertEqual(bad["CreationDate"].strftime("%Y-%m-%dT%H:%M"), f"2022-03-{1 + GOOD:02}T10:00")

    def test_those_who_may_read_may_list(self):
        api = vedette(user_with("viewer", "VedetteReadOnlyAccess"))
        self.assertEqual(api.list_dataset_images(ProjectName="p", DatasetType="train", MaxResults=1)["TotalCount"], GOOD + BAD)
        self.assertEqual(code_of(api.list_dataset_images, ProjectName="p", DatasetType="test"), "ResourceNotFoundException")
        other = vedette(user_with("camera", "VedetteDetectOnlyAccess"))
        self.assertEqual(code_of(other.list_dataset_images, ProjectName="p", DatasetType="train"), "AccessDeniedException")


class Thumbnails(unittest.TestCase):
    def test_pictures_are_shown_small_and_changed_ones_anew(self):
        api, s3 = vedette(), SERVER.client("s3")
        out = io.BytesIO()
        Image.effect_noise((800, 600), 40).convert("RGB").save(out, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
        s3.put_object(Bucket="parts", Key="turned.jpg", Body=out.getvalue())
        s3.put_object(Bucket="parts", Key="notes.txt", Body=b"taken at noon")
        refs = ["s3://parts/turned.jpg", LINES[0]["source-ref"], "s3://parts/none.png", "s3://parts/notes.txt", "nonsense"]
        shown = api.get_thumbnails(SourceRefs=refs)["Thumbnails"]
        self.assertEqual([entry["SourceRef"] for entry in shown], refs)
        small = Image.open(io.BytesIO(shown[0]["Jpeg"]))
        # The orientation is ignored: the thumbnail has the grid of the picture, and nothing that would turn it.
        self.assertEqual((small.format, small.size, len(small.getexif())), ("JPEG", (160, 120), 0))
        self.assertEqual((shown[0]["Width"], shown[0]["Height"]), (800, 600))
        self.assertEqual(Image.open(io.BytesIO(shown[1]["Jpeg"])).size, (96, 96))
        self.assertEqual([entry["Reason"] for entry in shown[2:]], ["The image s3://parts/none.png does not exist.", "The bytes are neither a JPEG nor a PNG image.",
                                                                    "The name is not of the form s3://bucket/key."])
        self.assertEqual(api.get_thumbnails(SourceRefs=refs)["Thumbnails"], shown)
        out = io.BytesIO()
        Image.new("RGB", (200, 100), "red").save(out, "PNG")
        s3.put_object(Bucket="parts", Key="turned.jpg", Body=out.getvalue())
        self.assertEqual(api.get_thumbnails(SourceRefs=refs[:1])["Thumbnails"][0]["Width"], 200)
        # The cache may be deleted while the server runs.
        shutil.rmtree(os.path.join(SERVER.data, "thumbnails"))
        self.assertEqual(api.get_thumbnails(SourceRefs=refs[1:])["Thumbnails"], shown[1:])

    def test_each_picture_needs_the_right_to_read_it(self):
        allowed = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::parts/images/good*"}
        api = vedette(user_with("half", [{"Effect": "Allow", "Action": "vedette:GetThumbnails", "Resource": "*"}, allowed]))
        good, bad = LINES[0]["source-ref"], LINES[GOOD]["source-ref"]
        shown = api.get_thumbnails(SourceRefs=[good, bad])["Thumbnails"]
        self.assertEqual(["Jpeg" in entry for entry in shown], [True, False])
        self.assertIn("is not authorized to perform: s3:GetObject", shown[1]["Reason"])
        self.assertEqual(code_of(vedette(user_with("none", [allowed])).get_thumbnails, SourceRefs=[good]), "AccessDeniedException")


if __name__ == "__main__":
    unittest.main()
