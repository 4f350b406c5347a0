-- Pictures that people and venues upload. A row comes before the file and goes after it, so that none is ever lost sight of.

CREATE TABLE files (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- random; the only thing that names the file in an address or in the store
    name       text NOT NULL CONSTRAINT files_name_taken UNIQUE CHECK (name ~ '^[0-9a-f]{32}\.(jpg|png|webp)$'),
    kind       text NOT NULL CHECK (kind IN ('picture', 'venue', 'room_type', 'room')),
    -- whose quota it counts against: the person of a picture, else the venue's owner
    owner_id   bigint NOT NULL REFERENCES users,
    -- the user, venue, room type or room that it shows
    subject_id bigint NOT NULL,
    venue_id   bigint REFERENCES venues,
    width      integer NOT NULL CHECK (width > 0),
    height     integer NOT NULL CHECK (height > 0),
    bytes      bigint NOT NULL CHECK (bytes > 0),
    -- the sizes that were made of it, by their name in the store
    sizes      text[] NOT NULL DEFAULT '{}',
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- null until it stands in the store and is shown somewhere
    shown_at   timestamptz,
    -- not served any more, and about to leave the store
    deleted_at timestamptz
);
CREATE INDEX files_of_owner ON files (owner_id) WHERE deleted_at IS NULL;
CREATE INDEX files_to_remove ON files (made_at) WHERE shown_at IS NULL OR deleted_at IS NOT NULL;

ALTER TABLE rooms ADD COLUMN images jsonb NOT NULL DEFAULT '[]';
