-- What venues offer. Nothing here is ever erased, only marked deleted: bookings and the books keep pointing at it,
-- which is also why the hot tables of 0003 can do without foreign keys.

CREATE TABLE venues (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id             bigint NOT NULL REFERENCES users,
    kind                 text NOT NULL CHECK (kind IN ('hotel', 'hall', 'studio')),
    name                 text NOT NULL,
    description          text NOT NULL DEFAULT '',
    timezone             text NOT NULL DEFAULT 'UTC',
    currency             text NOT NULL DEFAULT 'USD',
    address              text NOT NULL DEFAULT '',
    city                 text NOT NULL DEFAULT '',
    province             text NOT NULL DEFAULT '',
    country              text NOT NULL DEFAULT '',
    latitude             double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude            double precision CHECK (longitude BETWEEN -180 AND 180),
    map_url              text,
    contact_phone        text,
    contact_email        text,
    contact_website      text,
    star_rating          numeric(2, 1) CHECK (star_rating BETWEEN 0 AND 5),
    amenities            text[] NOT NULL DEFAULT '{}',
    images               jsonb NOT NULL DEFAULT '[]',
    is_active            boolean NOT NULL DEFAULT true,
    -- policies; times of day are local to `timezone`
    confirmation         text NOT NULL DEFAULT 'instant' CHECK (confirmation IN ('instant', 'payment')),
    cancellation         jsonb NOT NULL DEFAULT '{"free_until_hours": 0, "refund_percent_after": 100}',
    opening_hours        jsonb,
    check_in_time        time NOT NULL DEFAULT '15:00',
    check_out_time       time NOT NULL DEFAULT '11:00',
    slot_step_minutes    integer NOT NULL DEFAULT 15 CHECK (slot_step_minutes BETWEEN 1 AND 1440),
    min_slot_minutes     integer NOT NULL DEFAULT 15 CHECK (min_slot_minutes BETWEEN 1 AND 44640),
    max_slot_minutes     integer NOT NULL DEFAULT 1440 CHECK (max_slot_minutes BETWEEN 1 AND 44640),
    buffer_before_minutes integer NOT NULL DEFAULT 0 CHECK (buffer_before_minutes BETWEEN 0 AND 1440),
    buffer_after_minutes integer NOT NULL DEFAULT 0 CHECK (buffer_after_minutes BETWEEN 0 AND 1440),
    min_nights           integer NOT NULL DEFAULT 1 CHECK (min_nights BETWEEN 1 AND 365),
    max_nights           integer NOT NULL DEFAULT 365 CHECK (max_nights BETWEEN 1 AND 365),
    lead_time_minutes    integer NOT NULL DEFAULT 0 CHECK (lead_time_minutes BETWEEN 0 AND 525600),
    advance_days         integer NOT NULL DEFAULT 730 CHECK (advance_days BETWEEN 1 AND 1825),
    hold_seconds         integer NOT NULL DEFAULT 600 CHECK (hold_seconds BETWEEN 1 AND 86400),
    hold_cap_seconds     integer NOT NULL DEFAULT 1800 CHECK (hold_cap_seconds BETWEEN 1 AND 259200),
    -- grows with every change to the venue, its types, rooms or sessions; holds judged on an older one are judged again
    catalogue_version    bigint NOT NULL DEFAULT 1,
    created_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at           timestamptz,
    CONSTRAINT venue_night_range CHECK (min_nights <= max_nights),
    CONSTRAINT venue_slot_range CHECK (min_slot_minutes <= max_slot_minutes),
    CONSTRAINT venue_check_out_before_in CHECK (check_out_time <= check_in_time),
    CONSTRAINT venue_hold_range CHECK (hold_seconds <= hold_cap_seconds)
);
CREATE INDEX venues_of_owner ON venues (owner_id);
CREATE INDEX venues_by_place ON venues (lower(city)) WHERE deleted_at IS NULL;
CREATE INDEX venues_by_name ON venues USING gin (name gin_trgm_ops);

-- The desk: who besides the owner works here, and how far.
CREATE TABLE venue_staff (
    venue_id   bigint NOT NULL REFERENCES venues,
    user_id    bigint NOT NULL REFERENCES users,
    role       text NOT NULL DEFAULT 'desk' CHECK (role IN ('desk', 'manager')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (venue_id, user_id)
);
CREATE INDEX venue_staff_of_user ON venue_staff (user_id);

CREATE TABLE room_types (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue_id            bigint NOT NULL REFERENCES venues,
    name                text NOT NULL,
    description         text NOT NULL DEFAULT '',
    capacity            integer NOT NULL CHECK (capacity BETWEEN 1 AND 100000),
    sold_as             text NOT NULL CHECK (sold_as IN ('room', 'pool')),
    price               bigint NOT NULL CHECK (price BETWEEN 0 AND 1000000000000),
    price_unit          text NOT NULL CHECK (price_unit IN ('night', 'hour')),
    discount_percentage numeric(5, 2) NOT NULL DEFAULT 0 CHECK (discount_percentage BETWEEN 0 AND 100),
    bed_type            text,
    size_sqm            numeric(8, 2) CHECK (size_sqm > 0),
    amenities           text[] NOT NULL DEFAULT '{}',
    images              jsonb NOT NULL DEFAULT '[]',
    is_active           boolean NOT NULL DEFAULT true,
    -- the number of its rooms that can be sold; the pool's size
    total_rooms         integer NOT NULL DEFAULT 0 CHECK (total_rooms BETWEEN 0 AND 100000),
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at          timestamptz,
    CONSTRAINT pool_sells_nights CHECK (sold_as = 'room' OR price_unit = 'night')
);
CREATE INDEX room_types_of_venue ON room_types (venue_id) WHERE deleted_at IS NULL;

CREATE TABLE rooms (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue_id     bigint NOT NULL REFERENCES venues,
    room_type_id bigint NOT NULL REFERENCES room_types,
    number       text NOT NULL,
    floor        integer,
    status       text NOT NULL DEFAULT 'available'
                 CHECK (status IN ('available', 'occupied', 'maintenance', 'out_of_service')),
    is_active    boolean NOT NULL DEFAULT true,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at   timestamptz
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX rooms_number_taken ON rooms (venue_id, number) WHERE deleted_at IS NULL;
CREATE INDEX rooms_of_type ON rooms (room_type_id) WHERE deleted_at IS NULL;

CREATE TABLE sessions (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue_id       bigint NOT NULL REFERENCES venues,
    facilitator_id bigint NOT NULL REFERENCES users,
    room_id        bigint REFERENCES rooms,
    kind           text NOT NULL DEFAULT 'session' CHECK (kind IN ('session', 'retreat', 'tour', 'event')),
    title          text NOT NULL,
    description    text NOT NULL DEFAULT '',
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    capacity       integer NOT NULL DEFAULT 1 CHECK (capacity BETWEEN 1 AND 1000000),
    price          bigint NOT NULL DEFAULT 0 CHECK (price BETWEEN 0 AND 1000000000000),
    location       text NOT NULL DEFAULT '',
    language       text,
    images         jsonb NOT NULL DEFAULT '[]',
    status         text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'cancelled')),
    cancel_reason  text,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at     timestamptz,
    CONSTRAINT session_ends_after_start CHECK (ends_at > starts_at)
);
CREATE INDEX sessions_of_venue ON sessions (venue_id, starts_at) WHERE deleted_at IS NULL;
CREATE INDEX sessions_of_facilitator ON sessions (facilitator_id, starts_at) WHERE deleted_at IS NULL;
CREATE INDEX sessions_by_start ON sessions (starts_at) WHERE deleted_at IS NULL;

-- A closure takes a room, a number of a pool's rooms, or (with neither) every room of the venue.
CREATE TABLE closures (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue_id     bigint NOT NULL REFERENCES venues,
    room_id      bigint REFERENCES rooms,
    room_type_id bigint REFERENCES room_types,
    quantity     integer CHECK (quantity > 0),
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    reason       text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at   timestamptz,
    CONSTRAINT closure_ends_after_start CHECK (ends_at > starts_at),
    CONSTRAINT closure_names_one_thing CHECK (num_nonnulls(room_id, room_type_id) <= 1)
);
CREATE INDEX closures_of_venue ON closures (venue_id, starts_at) WHERE deleted_at IS NULL;

CREATE TABLE addons (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue_id    bigint NOT NULL REFERENCES venues,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    price       bigint NOT NULL CHECK (price BETWEEN 0 AND 1000000000000),
    price_per   text NOT NULL DEFAULT 'booking' CHECK (price_per IN ('booking', 'guest', 'night', 'hour')),
    is_active   boolean NOT NULL DEFAULT true,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at  timestamptz
);
CREATE INDEX addons_of_venue ON addons (venue_id) WHERE deleted_at IS NULL;
