ALTER TABLE buckets ADD COLUMN versioning TEXT NOT NULL DEFAULT 'off';  -- off, enabled, suspended
CREATE TABLE bucket_settings (
  bucket TEXT NOT NULL REFERENCES buckets (name) ON DELETE CASCADE,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (bucket, name)
) WITHOUT ROWID;

-- An object's row is what a read without a version id finds. No version: put while the bucket kept none ("null").
ALTER TABLE objects ADD COLUMN version TEXT;
ALTER TABLE objects ADD COLUMN headers TEXT NOT NULL DEFAULT '';  -- as user_metadata
ALTER TABLE objects ADD COLUMN tags TEXT NOT NULL DEFAULT '';     -- as user_metadata
ALTER TABLE uploads ADD COLUMN headers TEXT NOT NULL DEFAULT '';
ALTER TABLE uploads ADD COLUMN tags TEXT NOT NULL DEFAULT '';

-- What is below it: old versions, and delete markers, of which the topmost hides the key (superseded is null).
CREATE TABLE versions (
  bucket TEXT NOT NULL REFERENCES buckets (name),
  key BLOB NOT NULL,
  sequence INTEGER NOT NULL,  -- falls: the newest has the smallest
  version TEXT,
  superseded INTEGER,
  content TEXT UNIQUE,        -- null: a delete marker
  size INTEGER NOT NULL,
  etag TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  content_type TEXT NOT NULL,
  user_metadata TEXT NOT NULL,
  modified INTEGER NOT NULL,
  checksum TEXT,
  headers TEXT NOT NULL,
  tags TEXT NOT NULL,
  PRIMARY KEY (bucket, key, sequence)
) WITHOUT ROWID;
