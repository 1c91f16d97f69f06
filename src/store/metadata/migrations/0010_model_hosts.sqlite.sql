-- Which nodes have a hosted model in memory, and which could not load it.
CREATE TABLE model_hosts (
  model_uid TEXT NOT NULL REFERENCES models (uid) ON DELETE CASCADE,
  node TEXT NOT NULL,
  is_loaded INTEGER NOT NULL,
  desired_units INTEGER NOT NULL, units_in_service INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  PRIMARY KEY (model_uid, node)
) WITHOUT ROWID;
