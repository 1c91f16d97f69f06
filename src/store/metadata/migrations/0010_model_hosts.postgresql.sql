-- Which nodes have a hosted model in memory, and which could not load it.
CREATE TABLE model_hosts (
  model_uid TEXT COLLATE "C" NOT NULL REFERENCES models (uid) ON DELETE CASCADE,
  node TEXT COLLATE "C" NOT NULL,
  is_loaded BIGINT NOT NULL,
  desired_units BIGINT NOT NULL, units_in_service BIGINT NOT NULL,
  changed BIGINT NOT NULL,
  PRIMARY KEY (model_uid, node)
) WITH (fillfactor = 50);
