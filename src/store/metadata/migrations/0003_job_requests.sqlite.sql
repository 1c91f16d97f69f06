-- The request that asked for a job, for the job's log lines.
ALTER TABLE jobs ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
