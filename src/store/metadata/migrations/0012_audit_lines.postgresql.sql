-- The audit of the installation: each node's lines, as its files have them. The last line of a file that is here says how much of the file
-- was brought here.
CREATE TABLE audit_lines (
  node TEXT COLLATE "C" NOT NULL,
  day TEXT COLLATE "C" NOT NULL,  -- of the node's file
  "offset" BIGINT NOT NULL,       -- in bytes from the beginning of that file
  time BIGINT NOT NULL,           -- of the event
  size BIGINT NOT NULL,           -- of the line in bytes
  line TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (node, day, "offset")
);
CREATE INDEX audit_lines_by_time ON audit_lines (time, node, day, "offset");
