// DetectAnomalies with each kind of body that the AWS SDK for JavaScript takes. Endpoint, region and keys come from the environment; the
// argument is a file. Prints a JSON object: by kind of body the name of the error, since there is no such model, or what else went wrong.
import { File } from "node:buffer";
import { createReadStream, readFileSync } from "node:fs";
import { Readable } from "node:stream";
import * as l4v from "@aws-sdk/client-lookoutvision";
import { FetchHttpHandler } from "@smithy/fetch-http-handler";

const path = process.argv[2];
const bytes = readFileSync(path);
const api = new l4v.LookoutVisionClient({ maxAttempts: 1 });
// As in browsers, which alone send Blobs and Files.
const browser = new l4v.LookoutVisionClient({ maxAttempts: 1, requestHandler: new FetchHttpHandler() });
const bodies = {
  bytes,
  stream: createReadStream(path),
  generated: Readable.from([bytes.subarray(0, 10), bytes.subarray(10)]),
  blob: new Blob([bytes]),
  file: new File([bytes], "picture.png"),
};
const outcomes = {};
for (const [kind, Body] of Object.entries(bodies)) {
  try {
    await (Body instanceof Blob ? browser : api).send(new l4v.DetectAnomaliesCommand({ ProjectName: "none", ModelVersion: "1", ContentType: "image/png", Body }));
    outcomes[kind] = "no error";
  } catch (error) {
    outcomes[kind] = error.name === "ResourceNotFoundException" ? error.name : `${error.name}: ${error.message}`;
  }
}
console.log(JSON.stringify(outcomes));
