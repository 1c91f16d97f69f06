"""Does the whole job through the public API with boto3, as a customer's program does it. quickstart.sh starts this script.

It uses what an earlier run left: an existing project, dataset or model is not made again.
"""
import argparse
import configparser
import json
import os
import sys
import time

import boto3
from botocore.config import Config

PROJECT, BUCKET = "quickstart", "quickstart"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--credentials", required=True, help="the file with the administrator's keys, which the server wrote at its first start")
    parser.add_argument("--sample", required=True, help="folder made by `vedette sample`")
    return parser.parse_args()


def client(service, options):
    keys = configparser.ConfigParser()
    keys.read(options.credentials)
    return boto3.client(service, endpoint_url=options.endpoint, region_name="us-east-1", config=Config(s3={"addressing_style": "path"}),
                        aws_access_key_id=keys["default"]["aws_access_key_id"], aws_secret_access_key=keys["default"]["aws_secret_access_key"])


def show(text):
    """Replaces the last line on a terminal. Elsewhere it prints a new line when the text changes."""
    if sys.stdout.isatty():
        print("\r\x1b[K   " + text, end="", flush=True)
    elif text != show.last:
        print("   " + text, flush=True)
    show.last = text


show.last = ""


def done():
    if sys.stdout.isatty():
        print()


def upload(s3, folder):
    """Uploads pictures, masks and manifests with full s3:// references."""
    if BUCKET not in [b["Name"] for b in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET)
    count = 0
    for name in ("train.manifest", "test.manifest"):
        lines = []
        with open(os.path.join(folder, "manifests", name), encoding="utf-8") as manifest:
            for entry in map(json.loads, manifest):
                for member in ("source-ref", "anomaly-mask-ref"):
                    if member in entry:
                        with open(os.path.join(folder, entry[member]), "rb") as body:
                            s3.put_object(Bucket=BUCKET, Key=entry[member], Body=body.read())
                        count += 1
                        show(f"uploaded {count} files")
                        entry[member] = f"s3://{BUCKET}/{entry[member]}"
                lines.append(json.dumps(entry))
        s3.put_object(Bucket=BUCKET, Key="manifests/" + name, Body="\n".join(lines).encode())
    done()


def wait(describe, busy):
    while True:
        description = describe()
        show(description["StatusMessage"])
        if description["Status"] not in busy:
            done()
            return description
        time.sleep(0.3)


def find_or_train(api, s3, folder):
    """Returns the version of a trained model."""
    if PROJECT not in [p["ProjectName"] for page in api.get_paginator("list_projects").paginate() for p in page["Projects"]]:
        upload(s3, folder)
        api.create_project(ProjectName=PROJECT)
        for kind in ("train", "test"):
            api.create_dataset(ProjectName=PROJECT, DatasetType=kind,
                               DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Key": f"manifests/{kind}.manifest"}}})
            wait(lambda: api.describe_dataset(ProjectName=PROJECT, DatasetType=kind)["DatasetDescription"], ["CREATE_IN_PROGRESS"])
    usable = [m for m in api.list_models(ProjectName=PROJECT)["Models"] if m["Status"] in ("TRAINING", "TRAINED", "STARTING_HOSTING", "HOSTED")]
    version = usable[-1]["ModelVersion"] if usable else api.create_model(
        ProjectName=PROJECT, OutputConfig={"S3Location": {"Bucket": BUCKET, "Prefix": "evaluation/"}})["ModelMetadata"]["ModelVersion"]
    describe = lambda: api.describe_model(ProjectName=PROJECT, ModelVersion=version)["ModelDescription"]
    model = wait(describe, ["TRAINING"])
    if model["Status"] == "TRAINED":
        api.start_model(ProjectName=PROJECT, ModelVersion=version, MinInferenceUnits=1)
    model = wait(describe, ["STARTING_HOSTING"])
    if model["Status"] != "HOSTED":
        sys.exit(f"The model is {model['Status']}: {model['StatusMessage']}")
    p = model["Performance"]
    print(f"   on the test dataset: precision {p['Precision']:.3f}, recall {p['Recall']:.3f}, F1 {p['F1Score']:.3f}")
    return version


def main():
    options = arguments()
    api, s3 = client("lookoutvision", options), client("s3", options)
    version = find_or_train(api, s3, options.sample)
    print(f"\n   {'picture':22} {'truth':12} {'verdict':8} {'confidence':>10} {'ms':>6}  found")
    right = total = 0
    with open(os.path.join(options.sample, "manifests", "test.manifest"), encoding="utf-8") as manifest:
        for entry in map(json.loads, manifest):
            with open(os.path.join(options.sample, entry["source-ref"]), "rb") as file:
                body = file.read()
            start = time.perf_counter()
            result = api.detect_anomalies(ProjectName=PROJECT, ModelVersion=version, ContentType="image/jpeg", Body=body)["DetectAnomalyResult"]
            ms = 1000 * (time.perf_counter() - start)
            colors = entry.get("anomaly-mask-ref-metadata", {}).get("internal-color-map", {})
            truth = ", ".join(c["class-name"] for c in colors.values() if c["class-name"] != "BACKGROUND") or "normal"
            found = ", ".join(f"{a['Name']} {100 * a['PixelAnomaly']['TotalPercentageArea']:.2f} %" for a in result.get("Anomalies", [])[1:])
            verdict = "anomaly" if result["IsAnomalous"] else "normal"
            is_right = result["IsAnomalous"] == (entry["anomaly-label"] == 1)
            right, total = right + is_right, total + 1
            print(f"   {os.path.basename(entry['source-ref']):22} {truth:12} {verdict:8} {100 * result['Confidence']:9.1f} % {ms:6.0f}  {found}{'' if is_right else '   <- wrong'}")
    print(f"\n   {right} of {total} verdicts are right.")
    if right < 0.85 * total:
        sys.exit("The model decides worse than it should: fewer than 85 % of its verdicts on the sample set are right.")


if __name__ == "__main__":
    main()
