// Does the whole main job with the AWS SDK for JavaScript v3, as a customer's program does it. Endpoint, region and keys come from the
// environment; the only argument is a folder with all.manifest and its pictures. The script prints one JSON object.
import { createReadStream, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as l4v from "@aws-sdk/client-lookoutvision";
import * as s3sdk from "@aws-sdk/client-s3";
import { FetchHttpHandler } from "@smithy/fetch-http-handler";

const folder = process.argv[2];
const ProjectName = "javascript";
const Bucket = "javascript";
const api = new l4v.LookoutVisionClient({});
const s3 = new s3sdk.S3Client({ forcePathStyle: true });
const call = (name, input) => api.send(new l4v[`${name}Command`](input));

async function settled(describe, busy) {
  for (;;) {
    const description = await describe();
    if (!busy.includes(description.Status)) return description;
    await sleep(100);
  }
}

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("the call succeeded");
}

const lines = readFileSync(join(folder, "all.manifest"), "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
await s3.send(new s3sdk.CreateBucketCommand({ Bucket }));
for (const line of lines) {
  const key = line["source-ref"];
  // The SDK sends a stream in chunks with a checksum in the trailer.
  const path = join(folder, key);
  await s3.send(new s3sdk.PutObjectCommand({ Bucket, Key: key, Body: createReadStream(path), ContentLength: statSync(path).size, ContentType: "image/png" }));
  line["source-ref"] = `s3://${Bucket}/${key}`;
  delete line["anomaly-mask-ref"];
  delete line["anomaly-mask-ref-metadata"];
}
await s3.send(new s3sdk.PutObjectCommand({ Bucket, Key: "all.manifest", Body: lines.map((line) => JSON.stringify(line)).join("\n") }));

const created = await call("CreateProject", { ProjectName });
const conflict = await failure(call("CreateProject", { ProjectName }));
await call("CreateDataset", { ProjectName, DatasetType: "train", DatasetSource: { GroundTruthManifest: { S3Object: { Bucket, Key: "all.manifest" } } } });
const dataset = await settled(async () => (await call("DescribeDataset", { ProjectName, DatasetType: "train" })).DatasetDescription, ["CREATE_IN_PROGRESS"]);
const first = lines[0]["source-ref"];
const unlabelled = JSON.stringify({ "source-ref": first });
await call("UpdateDatasetEntries", { ProjectName, DatasetType: "train", Changes: new TextEncoder().encode(unlabelled) });
const updated = await settled(async () => (await call("DescribeDataset", { ProjectName, DatasetType: "train" })).DatasetDescription, ["UPDATE_IN_PROGRESS"]);
let entries = 0;
for await (const page of l4v.paginateListDatasetEntries({ client: api, pageSize: 10 }, { ProjectName, DatasetType: "train", BeforeCreationDate: new Date() }))
  entries += page.DatasetEntries.length;

const made = await call("CreateModel", { ProjectName, OutputConfig: { S3Location: { Bucket, Prefix: "out/" } }, Tags: [{ Key: "stage", Value: "test" }] });
const describe = async () => (await call("DescribeModel", { ProjectName, ModelVersion: "1" })).ModelDescription;
const trained = await settled(describe, ["TRAINING"]);
const tags = await call("ListTagsForResource", { ResourceArn: made.ModelMetadata.ModelArn });
await call("TagResource", { ResourceArn: made.ModelMetadata.ModelArn, Tags: [{ Key: "äöü", Value: "1 + 1 = 2" }] });
await call("UntagResource", { ResourceArn: made.ModelMetadata.ModelArn, TagKeys: ["stage"] });
await call("StartModel", { ProjectName, ModelVersion: "1", MinInferenceUnits: 1 });
const hosted = await settled(describe, ["STARTING_HOSTING"]);
const verdicts = [];
for (const key of lines.map((line) => line["source-ref"].slice(`s3://${Bucket}/`.length))) {
  const object = await s3.send(new s3sdk.GetObjectCommand({ Bucket, Key: key }));
  const answer = await call("DetectAnomalies", { ProjectName, ModelVersion: "1", ContentType: object.ContentType, Body: await object.Body.transformToByteArray() });
  verdicts.push([key, answer.DetectAnomalyResult.IsAnomalous, answer.DetectAnomalyResult.Confidence]);
}
// A stream and a Blob cannot be hashed before they are sent: their payload goes unsigned.
const last = join(folder, verdicts.at(-1)[0]);
const unsigned = [];
const browser = new l4v.LookoutVisionClient({ requestHandler: new FetchHttpHandler() });
for (const [client, Body] of [[api, createReadStream(last)], [browser, new Blob([readFileSync(last)])]])
  unsigned.push((await client.send(new l4v.DetectAnomaliesCommand({ ProjectName, ModelVersion: "1", ContentType: "image/png", Body }))).DetectAnomalyResult.Confidence);
const wrongType = await failure(call("DetectAnomalies", { ProjectName, ModelVersion: "1", ContentType: "", Body: readFileSync(join(folder, "all.manifest")) }));
const job = await call("StartModelPackagingJob", {
  ProjectName, ModelVersion: "1", Configuration: { Greengrass: { ComponentName: "part", S3OutputLocation: { Bucket, Prefix: "packages/" }, TargetDevice: "jetson_xavier" } },
});
const packaged = await settled(async () => (await call("DescribeModelPackagingJob", { ProjectName, JobName: job.JobName })).ModelPackagingDescription, ["CREATED", "RUNNING"]);
await call("StopModel", { ProjectName, ModelVersion: "1" });
await settled(describe, ["STOPPING_HOSTING"]);
await call("DeleteModel", { ProjectName, ModelVersion: "1" });
await call("DeleteDataset", { ProjectName, DatasetType: "train" });
await call("DeleteProject", { ProjectName });
const gone = await failure(call("DescribeProject", { ProjectName }));

console.log(JSON.stringify({
  arn: created.ProjectMetadata.ProjectArn,
  createdIsDate: created.ProjectMetadata.CreationTimestamp instanceof Date,
  conflict: [conflict.name, conflict.ResourceType, conflict.ResourceId, conflict.$metadata.httpStatusCode],
  dataset: dataset.ImageStats,
  updated: updated.ImageStats,
  entries,
  trained: trained.Status,
  f1: trained.Performance?.F1Score,
  tags: tags.Tags,
  hosted: hosted.Status,
  verdicts,
  unsigned,
  wrongType: [wrongType.name, wrongType.message],
  packaged: [packaged.Status, packaged.ModelPackagingOutputDetails?.Greengrass],
  gone: gone instanceof l4v.ResourceNotFoundException,
  requestId: created.$metadata.requestId,
}));
