CREATE TABLE trial_detections (
  account TEXT NOT NULL, region TEXT NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL,
  uid TEXT NOT NULL UNIQUE,
  model_version INTEGER NOT NULL, model_uid TEXT NOT NULL,
  bucket TEXT NOT NULL,
  moved_threshold REAL,            -- NULL: the one that the training chose
  status TEXT NOT NULL, status_message TEXT NOT NULL,
  created INTEGER NOT NULL, updated INTEGER NOT NULL,
  PRIMARY KEY (account, region, project, name),
  FOREIGN KEY (account, region, project) REFERENCES projects (account, region, name) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX trial_detections_by_age ON trial_detections (account, region, project, created, name);

CREATE TABLE trial_images (
  trial_uid TEXT NOT NULL REFERENCES trial_detections (uid) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  key TEXT NOT NULL,
  is_anomalous INTEGER,            -- NULL: not judged
  confidence REAL, score REAL,
  labels TEXT,                     -- names with commas between them
  mask_key TEXT,
  skipped_reason TEXT,
  is_correct INTEGER,              -- NULL: nobody has looked at the verdict
  PRIMARY KEY (trial_uid, place),
  UNIQUE (trial_uid, key)
) WITHOUT ROWID;
