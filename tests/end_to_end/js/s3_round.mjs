// Does a round of S3 operations with the newest AWS SDK for JavaScript. Endpoint, region and keys come from the environment alone; standard
// input is a JSON array of keys. The script prints one JSON object.
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import * as sdk from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const keys = JSON.parse(readFileSync(0, "utf8"));
const s3 = new sdk.S3Client({});
const Bucket = "javascript-round";
const call = (name, input) => s3.send(new sdk[`${name}Command`]({ Bucket, ...input }));
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const read = async (input) => Buffer.from(await (await call("GetObject", input)).Body.transformToByteArray());

await call("CreateBucket", {});
const wrong = [];
for (const [n, Key] of keys.entries()) {
  const body = randomBytes(1000 + n);
  // The SDK sends a buffer with a checksum header, and a stream in chunks with the checksum behind them.
  await call("PutObject", { Key, Body: n % 2 ? body : Readable.from([body.subarray(0, 500), body.subarray(500)]), ContentLength: body.length, Metadata: { n: `${n}` } });
  const got = await call("GetObject", { Key, ChecksumMode: "ENABLED" });
  const bytes = Buffer.from(await got.Body.transformToByteArray());
  if (sha256(bytes) !== sha256(body) || got.Metadata.n !== `${n}` || !got.ChecksumCRC32) wrong.push(Key);
}
const algorithms = {};
for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
  await call("PutObject", { Key: "sums", Body: "123456789", ChecksumAlgorithm });
  algorithms[ChecksumAlgorithm] = (await call("HeadObject", { Key: "sums", ChecksumMode: "ENABLED" }))[`Checksum${ChecksumAlgorithm}`];
}
const large = randomBytes(12_000_001);
await new Upload({ client: s3, params: { Bucket, Key: "large", Body: Readable.from([large.subarray(0, 7_000_000), large.subarray(7_000_000)]) } }).done();
const isLargeWhole = sha256(await read({ Key: "large" })) === sha256(large);
const range = sha256(await read({ Key: "large", Range: "bytes=5000000-5999999" })) === sha256(large.subarray(5_000_000, 6_000_000));
await call("CopyObject", { Key: "copied", CopySource: encodeURI(`${Bucket}/large`) });
const copied = sha256(await read({ Key: "copied" })) === sha256(large);
const listed = [];
for await (const page of sdk.paginateListObjectsV2({ client: s3, pageSize: 3 }, { Bucket })) listed.push(...page.Contents.map((o) => o.Key));
const presigned = await fetch(await getSignedUrl(s3, new sdk.PutObjectCommand({ Bucket, Key: "by url" }), { expiresIn: 60 }), { method: "PUT", body: "by url" });
const byUrl = (await read({ Key: "by url" })).toString();
await call("PutBucketVersioning", { VersioningConfiguration: { Status: "Enabled" } });
const { VersionId } = await call("PutObject", { Key: "by url", Body: "new" });
const versions = [(await read({ Key: "by url", VersionId: "null" })).toString(), (await read({ Key: "by url", VersionId })).toString()];
let missing;
try {
  await call("GetObject", { Key: "none" });
} catch (error) {
  missing = [error.name, error.$metadata.httpStatusCode];
}
const { Versions } = await call("ListObjectVersions", {});
await call("DeleteObjects", { Delete: { Objects: Versions.map(({ Key, VersionId }) => ({ Key, VersionId })) } });
await call("DeleteBucket", {});
console.log(JSON.stringify({ wrong, algorithms, isLargeWhole, range, copied, listed, presigned: presigned.status, byUrl, versions, missing }));
