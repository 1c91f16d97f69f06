ALTER TABLE jobs ADD COLUMN term INTEGER NOT NULL DEFAULT 0;     -- grows with each claim
ALTER TABLE jobs ADD COLUMN rescues INTEGER NOT NULL DEFAULT 0;  -- how often a worker lost the job

-- Which run of its training job made the model, and when that was decided. NULL: not decided yet, or by an older version.
ALTER TABLE models ADD COLUMN chosen_run TEXT;
ALTER TABLE models ADD COLUMN chosen_at INTEGER;

-- The key of the archive in the system's bucket that is to become the user's. NULL: none is chosen yet.
ALTER TABLE packaging_jobs ADD COLUMN chosen TEXT;

-- The servers that share this database.
CREATE TABLE nodes (
  id TEXT NOT NULL PRIMARY KEY,
  term INTEGER NOT NULL,           -- grows with each start
  address TEXT NOT NULL,           -- the URL at which other nodes reach it, or empty
  version TEXT NOT NULL,
  cores INTEGER NOT NULL,
  is_draining INTEGER NOT NULL, has_left INTEGER NOT NULL,
  started INTEGER NOT NULL, seen INTEGER NOT NULL
) WITHOUT ROWID;
