-- What a job needs to know and nobody may read afterwards, such as a password: goes when the job has finished.
ALTER TABLE job ADD COLUMN secret TEXT;
