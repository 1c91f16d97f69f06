-- Thresholds that users moved. A model without a row has the one that its training chose.
CREATE TABLE model_thresholds (
  model_uid TEXT NOT NULL PRIMARY KEY REFERENCES models (uid) ON DELETE CASCADE,
  threshold REAL NOT NULL, changed_by TEXT NOT NULL, changed_at INTEGER NOT NULL
) WITHOUT ROWID;
