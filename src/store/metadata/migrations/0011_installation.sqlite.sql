-- What holds for all nodes: the account, and a value that only their master key opens.
CREATE TABLE installation (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

-- Where the node keeps the objects: the S3 URL, or `folder`.
ALTER TABLE nodes ADD COLUMN objects TEXT NOT NULL DEFAULT '';
