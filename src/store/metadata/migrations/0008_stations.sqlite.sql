ALTER TABLE packaging_jobs ADD COLUMN archive TEXT;         -- s3://bucket/key; NULL: not packaged, or by an older version
ALTER TABLE packaging_jobs ADD COLUMN archive_sha256 TEXT;

CREATE TABLE stations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
  created INTEGER NOT NULL, seen INTEGER NOT NULL,
  reported INTEGER,                -- NULL: it has sent verdicts only
  interval_seconds INTEGER NOT NULL,
  report TEXT NOT NULL,            -- JSON, or empty
  next_number INTEGER NOT NULL,    -- of the next verdict
  UNIQUE (account, region, name)
);

CREATE TABLE station_channels (
  station INTEGER NOT NULL REFERENCES stations (id) ON DELETE CASCADE,
  component TEXT NOT NULL, component_version TEXT NOT NULL,
  project TEXT NOT NULL, job TEXT NOT NULL,
  archive TEXT NOT NULL, sha256 TEXT NOT NULL,
  user TEXT NOT NULL, changed INTEGER NOT NULL,
  PRIMARY KEY (station, component)
) WITHOUT ROWID;

CREATE TABLE station_journals (
  station INTEGER NOT NULL REFERENCES stations (id) ON DELETE CASCADE,
  journal TEXT NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL,
  missing INTEGER NOT NULL, duplicates INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (station, journal)
) WITHOUT ROWID;

CREATE TABLE station_gaps (
  id INTEGER PRIMARY KEY,
  station INTEGER NOT NULL REFERENCES stations (id) ON DELETE CASCADE,
  journal TEXT NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL,
  noticed INTEGER NOT NULL
);
CREATE INDEX station_gaps_by_station ON station_gaps (station, id);

-- The numbers of a station's verdicts have no gap, so that those beyond the newest are a range.
CREATE TABLE station_verdicts (
  station INTEGER NOT NULL REFERENCES stations (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  received INTEGER NOT NULL, judged INTEGER NOT NULL,
  is_anomalous INTEGER NOT NULL,
  state TEXT NOT NULL, component TEXT NOT NULL, component_version TEXT NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (station, number)
) WITHOUT ROWID;
-- Lists are filtered within this index, which is far smaller than the table.
CREATE INDEX station_verdicts_by_facts ON station_verdicts
  (station, number, received, judged, is_anomalous, state, component, component_version);

CREATE TABLE station_hours (
  station INTEGER NOT NULL REFERENCES stations (id) ON DELETE CASCADE,
  hour INTEGER NOT NULL,           -- since the epoch
  verdicts INTEGER NOT NULL, anomalous INTEGER NOT NULL, without_verdict INTEGER NOT NULL,
  PRIMARY KEY (station, hour)
) WITHOUT ROWID;
