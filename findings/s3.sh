#!/usr/bin/env bash
# @aws-sdk/s3-request-presigner 3.1169.0 with @aws-sdk/client-s3 3.1175.0 (AWS SDK for JavaScript 3)
#
# Expected: a presigned PutObject without a body says nothing about the content, since whoever opens the URL brings the content, and a presigned
# CopyObject sends its source as the header x-amz-copy-source.
# Seen: the URL of the PutObject carries x-amz-checksum-crc32=AAAAAA==, the CRC-32 of nothing, signed, so that a service which compares
# it refuses every upload; the URL of the CopyObject carries its source as the query parameter x-amz-copy-source.
# What it means for Vedette: checksums in the query of a presigned URL are not compared with the content, and other x-amz-... parameters there
# are read as headers. A server that ignored them would store an empty object in the place of the copy, and answer 200.
#
# Ends with 0 as long as the packages behave so. Needs node and npm.
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
