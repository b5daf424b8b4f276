-- When a file that came through an upstream was used last, to the day, written in batches. Null: not since that is remembered, so that
-- stored_at counts.
ALTER TABLE file ADD COLUMN used_at BIGINT;
CREATE INDEX file_by_use ON file (repository, used_at);
