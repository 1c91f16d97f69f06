#!/usr/bin/python3
"""Checks that this version takes over the data of an earlier one.

    tools/try_upgrade.py OLD [NEW]     OLD and NEW are folders with the programs vedette and vedette-trainer; NEW is build/release by default

The old version does the main job and is killed. The new one starts on its data folder: the model must be hosted again and give the same
verdicts, and objects, users and keys must be the same. Then the new version trains, hosts and deletes a model. The script needs the
same packages as the tests.
"""
import os
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "end_to_end"))
import harness  # noqa: E402


def train(server, version):
    api = server.client("lookoutvision")
    api.create_model(ProjectName="line", OutputConfig={"S3Location": {"Bucket": "kept", "Prefix": "out/"}})
    model = harness.wait_while(lambda: describe(server, version), ["TRAINING"])
    assert model["Status"] == "TRAINED", model
    api.start_model(ProjectName="line", ModelVersion=version, MinInferenceUnits=1)
    assert harness.wait_while(lambda: describe(server, version), ["STARTING_HOSTING"], 0.05)["Status"] == "HOSTED"


def describe(server, version):
    return server.client("lookoutvision").describe_model(ProjectName="line", ModelVersion=version)["ModelDescription"]


def verdicts(server, version, pictures):
    api = server.client("lookoutvision")
    results = [api.detect_anomalies(ProjectName="line", ModelVersion=version, ContentType="image/png", Body=p)["DetectAnomalyResult"] for p in pictures]
    return [(r["IsAnomalous"], r["Confidence"]) for r in results]


def listing(server):
    api, s3 = server.client("lookoutvision"), server.client("s3")
    return {
        "projects": [p["ProjectArn"] for p in api.list_projects()["Projects"]],
        "entries": api.list_dataset_entries(ProjectName="line", DatasetType="train")["DatasetEntries"],
        "objects": {o["Key"]: o["ETag"] for o in s3.list_objects_v2(Bucket="kept")["Contents"]},
        "users": harness.run("user", "list", "--data", server.data),
        "performance": describe(server, "1")["Performance"],
    }


def use(folder):
    harness.VEDETTE = os.path.join(folder, "vedette")
    print(harness.run("--version").strip())


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    old, new = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2] if len(sys.argv) == 3 else ROOT / "build" / "release")
    sample = tempfile.mkdtemp(prefix="vedette-upgrade-")
    use(old)
    server = harness.Server()
    try:
        lines = harness.write_tiny_set(sample, normal=25, anomaly=20, masks=True)
        pictures = [pathlib.Path(sample, line["source-ref"]).read_bytes() for line in lines[::3]]
        harness.upload_lines(server.client("s3"), sample, "kept", lines, "all.manifest")
        api = server.client("lookoutvision")
        api.create_project(ProjectName="line")
        api.create_dataset(ProjectName="line", DatasetType="train", DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "kept", "Key": "all.manifest"}}})
        train(server, "1")
        harness.run("user", "create", "inspector", "--policy", "VedetteDetectOnlyAccess", "--data", server.data)
        before, judged = listing(server), verdicts(server, "1", pictures)
        server.kill()

        use(new)
        server.start()
        assert harness.wait_while(lambda: describe(server, "1"), ["STARTING_HOSTING"], 0.05)["Status"] == "HOSTED"
        after, again = listing(server), verdicts(server, "1", pictures)
        for name, value in before.items():
            assert after[name] == value, (name, value, after[name])
        assert [a for a, _ in judged] == [a for a, _ in again], (judged, again)
        moved = max(abs(a - b) for (_, a), (_, b) in zip(judged, again))
        assert moved < 0.05, (judged, again)
        train(server, "2")
        assert sum(a for a, _ in verdicts(server, "2", pictures)) > 0
        api = server.client("lookoutvision")
        api.stop_model(ProjectName="line", ModelVersion="1")
        harness.wait_while(lambda: describe(server, "1"), ["HOSTED", "STOPPING_HOSTING"], 0.05)
        api.delete_model(ProjectName="line", ModelVersion="1")
        print(f"taken over: {len(pictures)} verdicts are the same, confidences within {moved:.4f}; trained, hosted, deleted")
    finally:
        server.destroy()
        shutil.rmtree(sample)


if __name__ == "__main__":
    main()
