-- Pictures that people verified, which correct a model. Numbers are never used again, so that the count and the largest
-- number of a model's pictures tell whether they have changed.
CREATE TABLE verified_pictures (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  model_uid TEXT NOT NULL REFERENCES models (uid) ON DELETE CASCADE,
  source_ref TEXT NOT NULL,
  example TEXT NOT NULL,
  verified_by TEXT NOT NULL, verified_at INTEGER NOT NULL,
  UNIQUE (model_uid, source_ref)
);
CREATE INDEX verified_pictures_by_model ON verified_pictures (model_uid, number);
