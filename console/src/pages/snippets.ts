// Commands and programs that call a model, filled with the names of this server and model.
export interface SnippetNames {
  endpoint: string;
  region: string;
  project: string;
  version: string;
}

export interface Snippet {
  id: string;
  label: string;
  text: string;
}

/** Quotes a word for a POSIX shell, if it needs that. */
const word = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

export function snippets({ endpoint, region, project, version }: SnippetNames): Snippet[] {
  const json = JSON.stringify;
  const aws = `aws --endpoint-url ${word(endpoint)} --region ${word(region)} lookoutvision`;
  const model = `--project-name ${word(project)} --model-version ${version}`;
  const path = `/2020-11-20/projects/${project}/models/${version}/detect`;
  return [
    {
      id: 'cli',
      label: 'AWS CLI',
      text: [
        `${aws} start-model ${model} --min-inference-units 1`,
        `${aws} detect-anomalies ${model} --content-type image/jpeg --body picture.jpg`,
        `${aws} stop-model ${model}`,
      ].join('\n'),
    },
    {
      id: 'python',
      label: 'Python',
      text: `import boto3

client = boto3.client("lookoutvision", endpoint_url=${json(endpoint)}, region_name=${json(region)})
with open("picture.jpg", "rb") as picture:
    answer = client.detect_anomalies(
        ProjectName=${json(project)}, ModelVersion=${json(version)}, ContentType="image/jpeg", Body=picture.read()
    )
verdict = answer["DetectAnomalyResult"]
print("anomalous" if verdict["IsAnomalous"] else "normal", verdict["Confidence"])
`,
    },
    {
      id: 'javascript',
      label: 'JavaScript',
      text: `// npm install @aws-sdk/client-lookoutvision@3.918.0
import { readFile } from 'node:fs/promises';
import { LookoutVisionClient, DetectAnomaliesCommand } from '@aws-sdk/client-lookoutvision';

const client = new LookoutVisionClient({ endpoint: ${json(endpoint)}, region: ${json(region)} });
const answer = await client.send(
  new DetectAnomaliesCommand({
    ProjectName: ${json(project)},
    ModelVersion: ${json(version)},
    ContentType: 'image/jpeg',
    Body: await readFile('picture.jpg'),
  }),
);
console.log(answer.DetectAnomalyResult);
`,
    },
    {
      id: 'cpp',
      label: 'C++',
      text: `// g++ -std=c++17 detect.cpp -lcurl
#include <curl/curl.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

int main() {
  std::ifstream file("picture.jpg", std::ios::binary);
  const std::string picture{std::istreambuf_iterator<char>(file), {}};
  const std::string key = std::getenv("AWS_ACCESS_KEY_ID") + std::string(":") + std::getenv("AWS_SECRET_ACCESS_KEY");
  CURL* call = curl_easy_init();
  curl_slist* headers = curl_slist_append(nullptr, "Content-Type: image/jpeg");
  curl_easy_setopt(call, CURLOPT_URL, ${json(endpoint + path)});
  curl_easy_setopt(call, CURLOPT_AWS_SIGV4, ${json(`aws:amz:${region}:lookoutvision`)});
  curl_easy_setopt(call, CURLOPT_USERPWD, key.c_str());
  curl_easy_setopt(call, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(call, CURLOPT_POSTFIELDSIZE, static_cast<long>(picture.size()));
  curl_easy_setopt(call, CURLOPT_POSTFIELDS, picture.data());
  return curl_easy_perform(call);  // prints the answer
}
`,
    },
    {
      id: 'curl',
      label: 'curl',
      text: [
        `curl ${word(endpoint + path)} \\`,
        `  --aws-sigv4 ${word(`aws:amz:${region}:lookoutvision`)} --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \\`,
        `  --header 'Content-Type: image/jpeg' --data-binary @picture.jpg`,
      ].join('\n'),
    },
  ];
}
