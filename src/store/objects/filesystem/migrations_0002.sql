-- "crc32 <base64>", if the client sent one.
ALTER TABLE objects ADD COLUMN checksum TEXT;

CREATE TABLE uploads (
  id TEXT NOT NULL PRIMARY KEY,
  bucket TEXT NOT NULL REFERENCES buckets (name) ON DELETE CASCADE,
  key BLOB NOT NULL,
  content_type TEXT NOT NULL, user_metadata TEXT NOT NULL,
  initiated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX uploads_by_key ON uploads (bucket, key, initiated);
CREATE TABLE upload_parts (
  upload TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  content TEXT NOT NULL UNIQUE,
  size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL,
  PRIMARY KEY (upload, number)
) WITHOUT ROWID;
