CREATE TABLE buckets (name TEXT NOT NULL PRIMARY KEY, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE objects (
  bucket TEXT NOT NULL REFERENCES buckets (name),
  key BLOB NOT NULL,
  content TEXT NOT NULL UNIQUE,   -- name of the content file
  size INTEGER NOT NULL,
  etag TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  content_type TEXT NOT NULL,
  user_metadata TEXT NOT NULL,    -- lines of percent-encoded name=value
  modified INTEGER NOT NULL,
  PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
