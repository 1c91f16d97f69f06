CREATE TABLE dataset_checks (
  account TEXT NOT NULL, region TEXT NOT NULL, project TEXT NOT NULL,
  uid TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL, status_message TEXT NOT NULL,
  dataset_state TEXT NOT NULL,
  images INTEGER NOT NULL, checked INTEGER NOT NULL,
  created INTEGER NOT NULL, updated INTEGER NOT NULL,
  PRIMARY KEY (account, region, project),
  FOREIGN KEY (account, region, project) REFERENCES projects (account, region, name) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE dataset_findings (
  check_uid TEXT NOT NULL REFERENCES dataset_checks (uid) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  kind TEXT NOT NULL,
  dataset TEXT NOT NULL,
  source_ref TEXT,                 -- NULL: the finding concerns no single picture
  related_dataset TEXT, related_ref TEXT,
  detail TEXT NOT NULL,
  PRIMARY KEY (check_uid, place)
) WITHOUT ROWID;
CREATE INDEX dataset_findings_by_kind ON dataset_findings (check_uid, kind, place);
