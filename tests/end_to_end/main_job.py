"""Does the main job as a customer's program does it: upload, import, train, host, detect, stop, delete. It is a mixin for test cases."""
import io
import json

from botocore.exceptions import ClientError
from PIL import Image

from harness import labelled_pictures, upload_set, wait_while


class MainJob:
    """The test case must have `api` and `s3`: clients of the service and of wherever objects are kept."""

    def code_of(self, call, **members):
        with self.assertRaises(ClientError) as caught:
            call(**members)
        return caught.exception.response["Error"]["Code"]

    def job(self, folder, project, kinds):
        """Does all steps. Returns (share of right verdicts, model description, evaluation result)."""
        api, bucket = self.api, "bucket-" + project
        upload_set(self.s3, folder, bucket, ["train.manifest", "test.manifest"])
        api.create_project(ProjectName=project)
        for kind in kinds:
            made = api.create_dataset(ProjectName=project, DatasetType=kind, DatasetSource={"GroundTruthManifest": {"S3Object": {
                "Bucket": bucket, "Key": f"manifests/{kind}.manifest"}}})["DatasetMetadata"]
            self.assertIn(made["Status"], ("CREATE_IN_PROGRESS", "CREATE_COMPLETE"))
        # A published notebook does not wait between import and training either.
        model = api.create_model(ProjectName=project, OutputConfig={"S3Location": {"Bucket": bucket, "Prefix": "out/"}}, Description="first-try", Tags=[])["ModelMetadata"]
        self.assertEqual((model["ModelVersion"], model["Status"]), ("1", "TRAINING"))
        self.assertEqual(self.code_of(api.delete_model, ProjectName=project, ModelVersion="1"), "ConflictException")
        messages = set()
        def describe():
            description = api.describe_model(ProjectName=project, ModelVersion="1")["ModelDescription"]
            messages.add(description["StatusMessage"])
            return description
        trained = wait_while(describe, ["TRAINING"], limit=600)
        self.assertEqual(trained["Status"], "TRAINED", trained["StatusMessage"])
        self.assertTrue(any("% done" in m for m in messages), messages)
        self.when_trained()
        for kind in kinds:
            self.assertEqual(api.describe_dataset(ProjectName=project, DatasetType=kind)["DatasetDescription"]["Status"], "CREATE_COMPLETE")
        result = json.loads(self.s3.get_object(**trained["EvaluationResult"])["Body"].read())
        metrics = result["AggregatedEvaluationResults"]["Metrics"]
        self.assertEqual(metrics["F1Score"], trained["Performance"]["F1Score"])
        self.assertEqual(trained["EvaluationManifest"]["Key"], f"out/EvaluationManifest-{project}-1.json")
        lines = self.s3.get_object(**trained["EvaluationManifest"])["Body"].read().decode().splitlines()
        self.assertEqual(len(lines), result["EvaluationDetails"]["NumberOfTestingImages"])
        self.assertEqual(json.loads(lines[0])["anomaly-label-detected-metadata"]["model-version"], "1")

        picture, _ = next(labelled_pictures(folder, "test.manifest"))
        with open(picture, "rb") as file:
            body = file.read()
        detect = {"ProjectName": project, "ModelVersion": "1", "ContentType": "image/jpeg"}
        self.assertEqual(self.code_of(api.detect_anomalies, Body=body, **detect), "ConflictException")
        self.assertEqual(api.start_model(ProjectName=project, ModelVersion="1", MinInferenceUnits=1)["Status"], "STARTING_HOSTING")
        hosted = wait_while(describe, ["STARTING_HOSTING"], 0.05)
        self.assertEqual(hosted["Status"], "HOSTED", hosted["StatusMessage"])
        self.assertEqual(self.code_of(api.start_model, ProjectName=project, ModelVersion="1", MinInferenceUnits=1), "ConflictException")

        self.check_bad_pictures(detect, body)
        right = total = 0
        for path, is_anomalous in labelled_pictures(folder, "test.manifest"):
            with open(path, "rb") as file:
                answer = api.detect_anomalies(Body=file.read(), **detect)["DetectAnomalyResult"]
            self.check_answer(answer, path)
            right, total = right + (answer["IsAnomalous"] == is_anomalous), total + 1

        self.assertEqual(api.stop_model(ProjectName=project, ModelVersion="1")["Status"], "STOPPING_HOSTING")
        self.assertEqual(wait_while(describe, ["STOPPING_HOSTING"], 0.05)["Status"], "TRAINED")
        api.delete_model(ProjectName=project, ModelVersion="1")
        self.assertEqual(api.list_models(ProjectName=project)["Models"], [])
        for kind in kinds:
            api.delete_dataset(ProjectName=project, DatasetType=kind)
        api.delete_project(ProjectName=project)
        # The evaluation outlives its project.
        self.s3.head_object(**trained["EvaluationResult"])
        return right / total, metrics

    def when_trained(self):
        """Is called while the model is there. A suite overrides it to look at something then."""

    def check_answer(self, answer, path):
        self.assertEqual(answer["Source"], {"Type": "direct"})
        self.assertTrue(0.5 <= answer["Confidence"] < 1)
        self.assertEqual(answer["Anomalies"][0]["Name"], "background")
        self.assertAlmostEqual(sum(a["PixelAnomaly"]["TotalPercentageArea"] for a in answer["Anomalies"]), 1, places=5)
        mask, picture = Image.open(io.BytesIO(answer["AnomalyMask"])), Image.open(path)
        self.assertEqual((mask.format, mask.mode, mask.size), ("PNG", "RGB", picture.size))
        pixels = {color: count for count, color in mask.getcolors(1 << 20)}
        for anomaly in answer["Anomalies"]:
            color = tuple(int(anomaly["PixelAnomaly"]["Color"][i:i + 2], 16) for i in (1, 3, 5))
            self.assertAlmostEqual(pixels.pop(color, 0) / (mask.width * mask.height), anomaly["PixelAnomaly"]["TotalPercentageArea"], places=6)
        self.assertEqual(pixels, {})

    def check_bad_pictures(self, detect, body):
        """Each wrong call gives the documented error, and nothing else happens."""
        def png(size, mode="RGB"):
            out = io.BytesIO()
            Image.new(mode, size).save(out, "PNG")
            return out.getvalue()
        bomb = png((64, 64)).replace((64).to_bytes(4, "big") * 2, (60_000).to_bytes(4, "big") * 2)
        for bad, content_type in ((body[:len(body) // 2], "image/jpeg"), (b"", "image/jpeg"), (b"GIF89a" + body, "image/jpeg"), (body, "image/png"),
                                  (body, "application/octet-stream"), (png((64, 64)), "image/png"), (png((32, 32)), "image/png"), (bomb, "image/png"),
                                  (png((5000, 64), "L"), "image/png")):
            with self.assertRaises(ClientError) as caught:
                self.api.detect_anomalies(**{**detect, "ContentType": content_type}, Body=bad)
            error = caught.exception.response
            self.assertEqual((error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]), ("ValidationException", 400), error)
