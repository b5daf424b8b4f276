-- Pages that a node asks an upstream for at this moment: the others wait for its answer instead of asking too. The row goes with the
-- answer; that of a node that died counts no more when its time is over.
CREATE TABLE page_refresh (
  name        TEXT   NOT NULL,
  repository  TEXT   NOT NULL,
  -- a text that only the node that asks knows
  holder      TEXT   NOT NULL,
  held_until  BIGINT NOT NULL,
  PRIMARY KEY (name, repository)
);
