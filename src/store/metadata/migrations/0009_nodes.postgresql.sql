ALTER TABLE jobs ADD COLUMN term BIGINT NOT NULL DEFAULT 0;     -- grows with each claim
ALTER TABLE jobs ADD COLUMN rescues BIGINT NOT NULL DEFAULT 0;  -- how often a worker lost the job

-- Which run of its training job made the model, and when that was decided. NULL: not decided yet, or by an older version.
ALTER TABLE models ADD COLUMN chosen_run TEXT COLLATE "C";
ALTER TABLE models ADD COLUMN chosen_at BIGINT;

-- The key of the archive in the system's bucket that is to become the user's. NULL: none is chosen yet.
ALTER TABLE packaging_jobs ADD COLUMN chosen TEXT COLLATE "C";

-- The servers that share this database.
CREATE TABLE nodes (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  term BIGINT NOT NULL,           -- grows with each start
  address TEXT COLLATE "C" NOT NULL,           -- the URL at which other nodes reach it, or empty
  version TEXT COLLATE "C" NOT NULL,
  cores BIGINT NOT NULL,
  is_draining BIGINT NOT NULL, has_left BIGINT NOT NULL,
  started BIGINT NOT NULL, seen BIGINT NOT NULL
) WITH (fillfactor = 50);
