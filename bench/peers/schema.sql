CREATE TABLE images (
  image_id uuid PRIMARY KEY,
  user_id text NOT NULL,
  title text NOT NULL,
  tags text[] NOT NULL,
  filename text NOT NULL,
  content_type text NOT NULL,
  size bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON images (created_at);
CREATE INDEX ON images (user_id, created_at);
CREATE INDEX ON images USING gin (tags);
CREATE INDEX ON images USING gin (to_tsvector('simple', title));
