-- Work to be done later, by whichever node comes to it first. A node holds a job by a lease that it renews; when the lease has run
-- out the node is dead, and another one takes the job over.
CREATE TABLE job (
  -- sorts by the time it was made
  id                TEXT   NOT NULL PRIMARY KEY,
  kind              TEXT   NOT NULL,
  -- 'queued', 'running', 'succeeded', 'failed', 'cancelled'
  state             TEXT   NOT NULL,
  -- at most one job has it, finished ones included: how scheduled work is done once
  unique_key        TEXT,
  -- JSON objects
  input             TEXT   NOT NULL,
  progress          TEXT   NOT NULL,
  result            TEXT,
  -- why it failed, or why the last try did: a sentence for people
  error             TEXT,
  -- where the handler wants to go on after a restart; its own affair
  position          TEXT,
  -- grows with every change that a follower should see
  revision          BIGINT NOT NULL,
  -- who asked for it
  by                TEXT   NOT NULL,
  address           TEXT,
  created_at        BIGINT NOT NULL,
  -- not before
  due_at            BIGINT NOT NULL,
  started_at        BIGINT,
  finished_at       BIGINT,
  attempts          BIGINT NOT NULL,
  max_attempts      BIGINT NOT NULL,
  cancel_requested  BIGINT NOT NULL,
  -- of a running job: a text that only the node that runs it knows, and until when it is its own
  holder            TEXT,
  lease_until       BIGINT
);
CREATE UNIQUE INDEX job_by_unique_key ON job (unique_key);
CREATE INDEX job_by_state ON job (state, due_at, id);
CREATE INDEX job_by_kind ON job (kind, id);
CREATE INDEX job_by_finish ON job (finished_at);

-- What came of each thing that a job had to do.
CREATE TABLE job_item (
  job       TEXT   NOT NULL,
  key       TEXT   NOT NULL,
  -- a word of the handler's, such as 'stored', 'present', 'failed'
  state     TEXT   NOT NULL,
  -- JSON object
  detail    TEXT   NOT NULL,
  -- the job's revision that brought it
  revision  BIGINT NOT NULL,
  PRIMARY KEY (job, key)
);
CREATE INDEX job_item_by_revision ON job_item (job, revision);
