CREATE TABLE projects (
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
  created INTEGER NOT NULL,
  last_model_version INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, region, name)
) WITHOUT ROWID;

CREATE TABLE datasets (
  account TEXT NOT NULL, region TEXT NOT NULL, project TEXT NOT NULL, type TEXT NOT NULL,
  uid TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL, status_message TEXT NOT NULL,
  created INTEGER NOT NULL, updated INTEGER NOT NULL,
  total INTEGER NOT NULL DEFAULT 0, normal INTEGER NOT NULL DEFAULT 0, anomaly INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, region, project, type),
  FOREIGN KEY (account, region, project) REFERENCES projects (account, region, name)
) WITHOUT ROWID;

CREATE TABLE dataset_entries (
  dataset_uid TEXT NOT NULL REFERENCES datasets (uid) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  source_ref TEXT NOT NULL,
  is_anomalous INTEGER,            -- NULL: unlabelled
  created INTEGER NOT NULL,
  line TEXT NOT NULL,
  PRIMARY KEY (dataset_uid, position),
  UNIQUE (dataset_uid, source_ref)
) WITHOUT ROWID;

CREATE TABLE models (
  account TEXT NOT NULL, region TEXT NOT NULL, project TEXT NOT NULL, version INTEGER NOT NULL,
  uid TEXT NOT NULL UNIQUE,
  description TEXT,
  status TEXT NOT NULL, status_message TEXT NOT NULL,
  created INTEGER NOT NULL,
  output_bucket TEXT NOT NULL, output_prefix TEXT NOT NULL,
  kms_key_id TEXT,
  min_units INTEGER, max_units INTEGER,
  f1 REAL, recall REAL, precision REAL,
  evaluation_bucket TEXT, evaluation_manifest TEXT, evaluation_result TEXT, evaluation_end INTEGER,
  PRIMARY KEY (account, region, project, version),
  FOREIGN KEY (account, region, project) REFERENCES projects (account, region, name)
) WITHOUT ROWID;
CREATE INDEX models_by_status ON models (status);

CREATE TABLE model_tags (
  model_uid TEXT NOT NULL REFERENCES models (uid) ON DELETE CASCADE,
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (model_uid, key)
) WITHOUT ROWID;

CREATE TABLE jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL, payload TEXT NOT NULL,
  ready INTEGER NOT NULL,          -- claimable from then on; a lease pushes it into the future
  worker TEXT,
  attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX jobs_by_kind ON jobs (kind, ready);

CREATE TABLE users (
  account TEXT NOT NULL, name TEXT NOT NULL, policy TEXT NOT NULL,
  PRIMARY KEY (account, name)
) WITHOUT ROWID;

CREATE TABLE access_keys (
  access_key_id TEXT NOT NULL PRIMARY KEY,
  account TEXT NOT NULL, user TEXT NOT NULL,
  sealed_secret BLOB NOT NULL,
  is_active INTEGER NOT NULL,
  created INTEGER NOT NULL,
  FOREIGN KEY (account, user) REFERENCES users (account, name)
) WITHOUT ROWID;

CREATE TABLE client_tokens (
  account TEXT NOT NULL, region TEXT NOT NULL, operation TEXT NOT NULL, token TEXT NOT NULL,
  parameters_hash TEXT NOT NULL, resource TEXT NOT NULL, created INTEGER NOT NULL,
  PRIMARY KEY (account, region, operation, token)
) WITHOUT ROWID;
