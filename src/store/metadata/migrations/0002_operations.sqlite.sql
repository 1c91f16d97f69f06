-- What a job works on when that is too large for its payload.
ALTER TABLE jobs ADD COLUMN attachment BLOB;
-- Forgetting old tokens must not take longer the more there are.
CREATE INDEX client_tokens_by_age ON client_tokens (created);

-- A user's rights are the policies attached to it, by name: managed ones are part of the program, others stand here.
CREATE TABLE policies (
  account TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, created INTEGER NOT NULL,
  PRIMARY KEY (account, name)
) WITHOUT ROWID;
CREATE TABLE user_policies (
  account TEXT NOT NULL, user TEXT NOT NULL, policy TEXT NOT NULL,
  PRIMARY KEY (account, user, policy),
  FOREIGN KEY (account, user) REFERENCES users (account, name) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX user_policies_by_policy ON user_policies (account, policy);
INSERT INTO user_policies SELECT account, name, 'AdministratorAccess' FROM users;
ALTER TABLE users DROP COLUMN policy;
ALTER TABLE users ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
CREATE INDEX access_keys_by_user ON access_keys (account, user);

CREATE TABLE training_progress (
  model_uid TEXT NOT NULL PRIMARY KEY REFERENCES models (uid) ON DELETE CASCADE,
  started INTEGER NOT NULL, updated INTEGER NOT NULL,
  stage TEXT NOT NULL, fraction REAL NOT NULL, seconds_left REAL
) WITHOUT ROWID;

CREATE TABLE packaging_jobs (
  account TEXT NOT NULL, region TEXT NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL,
  model_version INTEGER NOT NULL,
  description TEXT,
  configuration TEXT NOT NULL,     -- JSON, as the caller gave it
  component_name TEXT NOT NULL, component_version TEXT NOT NULL,
  status TEXT NOT NULL, status_message TEXT NOT NULL,
  created INTEGER NOT NULL, updated INTEGER NOT NULL,
  PRIMARY KEY (account, region, project, name),
  FOREIGN KEY (account, region, project) REFERENCES projects (account, region, name) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX packaging_jobs_by_age ON packaging_jobs (account, region, project, created, name);
CREATE INDEX packaging_jobs_by_component ON packaging_jobs (account, region, component_name, component_version);

-- Sums over [start, start + period) seconds. Rows outlive their project, as metrics do in the original.
CREATE TABLE metric_points (
  account TEXT NOT NULL, region TEXT NOT NULL, metric TEXT NOT NULL, project TEXT NOT NULL, version TEXT NOT NULL,
  period INTEGER NOT NULL, start INTEGER NOT NULL,
  sum REAL NOT NULL, count INTEGER NOT NULL, minimum REAL NOT NULL, maximum REAL NOT NULL,
  PRIMARY KEY (account, region, metric, project, start, version, period)
) WITHOUT ROWID;
CREATE INDEX metric_points_by_age ON metric_points (period, start);
-- What ListMetrics lists, without a walk through all points.
CREATE TABLE metric_series (
  account TEXT NOT NULL, region TEXT NOT NULL, metric TEXT NOT NULL, project TEXT NOT NULL, version TEXT NOT NULL,
  PRIMARY KEY (account, region, metric, project, version)
) WITHOUT ROWID;
