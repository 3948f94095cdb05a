DROP TABLE IF EXISTS follow;
DROP TABLE IF EXISTS post;
DROP TABLE IF EXISTS user;

CREATE TABLE user (
  id INTEGER PRIMARY KEY,
  username TEXT NOT NULL UNIQUE COLLATE NOCASE,
  email TEXT NOT NULL UNIQUE COLLATE NOCASE,
  about TEXT NOT NULL,
  password TEXT NOT NULL
);

CREATE TABLE post (
  id INTEGER PRIMARY KEY,
  author_id INTEGER NOT NULL REFERENCES user (id),
  created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
  body TEXT NOT NULL
);

CREATE TABLE follow (
  follower_id INTEGER NOT NULL REFERENCES user (id),
  followed_id INTEGER NOT NULL REFERENCES user (id),
  PRIMARY KEY (follower_id, followed_id),
  CHECK (follower_id <> followed_id)
);

PRAGMA user_version = 1;
