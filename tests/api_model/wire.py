"""Raw requests, signed by botocore's own signer and sent as they are over a kept connection."""
import http.client
import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "end_to_end"))
from harness import REGION  # noqa: E402

import botocore.auth  # noqa: E402
import botocore.awsrequest  # noqa: E402
import botocore.credentials  # noqa: E402


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.raw = response.status, response.headers, body
        self.error = response.headers.get("x-amzn-ErrorType")
        try:
            self.json = json.loads(body)
        except ValueError:
            self.json = None

    def __repr__(self):
        return f"{self.status} {self.error or ''} {self.raw[:300]!r}"

    def message(self):
        return (self.json or {}).get("Message", "")


class Wire:
    def __init__(self, server, credentials=None, service="lookoutvision", region=REGION):
        self.server, self.service, self.region = server, service, region
        keys = credentials or server.credentials()
        self.credentials = botocore.credentials.Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"])
        self.connection = http.client.HTTPConnection(server.address, timeout=60)

    def signed_headers(self, method, target, body=b"", headers=None):
        request = botocore.awsrequest.AWSRequest(method=method, url=self.server.url + target, data=body, headers=headers or {})
        botocore.auth.SigV4Auth(self.credentials, self.service, self.region).add_auth(request)
        return dict(request.headers)

    def send(self, method, target, body=b"", headers=None):
        """As it is, without signing."""
        for attempt in (1, 2):
            try:
                self.connection.request(method, target, body=body, headers=headers or {})
                response = self.connection.getresponse()
                return Answer(response, response.read())
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.connection.close()
                if attempt == 2:
                    raise

    def request(self, method, target, body=b"", headers=None):
        return self.send(method, target, body, self.signed_headers(method, target, body, headers))

    def call(self, operation, members, extra_body=None, payload=b"", extra_headers=None):
        """An operation of the model by member name; values go where the model says, unchecked."""
        path, query, headers, body, has_body = operation["path"], [], dict(extra_headers or {}), {}, False
        for m in operation["input"]:
            has_body |= m["in"] == "body"
            if m["name"] not in members:
                continue
            value = members[m["name"]]
            text = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
            if m["in"] == "path":
                path = path.replace("{%s}" % m["wire"], urllib.parse.quote(str(text), safe="-_.~"))
            elif m["in"] == "query":
                query += [(m["wire"], str(v)) for v in (text if isinstance(text, list) else [text])]
            elif m["in"] == "header":
                headers[m["wire"]] = str(text).encode("utf-8").decode("latin-1")
            elif m["in"] == "body":
                body[m["wire"]] = value
        content = payload
        if has_body:
            body.update(extra_body or {})
            content = json.dumps(body, ensure_ascii=False).encode()
            headers.setdefault("Content-Type", "application/json")
        target = path + ("?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote) if query else "")
        return self.request(operation["method"], target, content, headers)
