-- Contents that no row names any more and whose files are still to be deleted: written with the change that let go of them, so that at the
-- next start a file without a row is known to be either in here, and may go, or unknown, and stays.
CREATE TABLE removals (content TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
