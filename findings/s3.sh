#!/usr/bin/env bash
# @aws-sdk/s3-request-presigner 3.1169.0 with @aws-sdk/client-s3 3.1175.0 (AWS SDK for JavaScript 3)
#
# Expected: the URL of a presigned PutObject without a body says nothing about the content, since whoever opens the URL brings the content. A
# presigned CopyObject sends its source as the header x-amz-copy-source.
# Seen: the URL of the PutObject carries the signed parameter x-amz-checksum-crc32=AAAAAA==, which is the CRC-32 of an empty body. A service
# that compares it with the content refuses every upload. The URL of the CopyObject carries its source as the query parameter x-amz-copy-source.
# What it means for Vedette: Vedette does not compare checksums in the query of a presigned URL with the content, and reads other x-amz-...
# parameters there as headers. A server that ignored them would store an empty object in the place of the copy, and answer 200.
#
# This script ends with 0 as long as the packages behave so. It needs node and npm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --loglevel=error @aws-sdk/client-s3@3.1175.0 @aws-sdk/s3-request-presigner@3.1169.0 >/dev/null
cat >presign.cjs <<'JS'
const { S3Client, PutObjectCommand, CopyObjectCommand } = require("@aws-sdk/client-s3");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");
const s3 = new S3Client({ region: "us-east-1", endpoint: "http://127.0.0.1:9", forcePathStyle: true, credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "secret" } });
(async () => {
  const put = new URL(await getSignedUrl(s3, new PutObjectCommand({ Bucket: "bucket", Key: "key" }))).searchParams;
  const copy = new URL(await getSignedUrl(s3, new CopyObjectCommand({ Bucket: "bucket", Key: "key", CopySource: "/bucket/source" }))).searchParams;
  const told = { crc32OfThePut: put.get("x-amz-checksum-crc32"), sourceOfTheCopy: copy.get("x-amz-copy-source"), signedHeadersOfTheCopy: copy.get("X-Amz-SignedHeaders") };
  console.log(JSON.stringify(told));
  const same = told.crc32OfThePut === "AAAAAA==" && told.sourceOfTheCopy === "/bucket/source" && told.signedHeadersOfTheCopy === "host";
  process.exit(same ? 0 : 1);
})();
JS
node --no-warnings presign.cjs
