-- Who changed what: one row a change, written in the change's own transaction by triggers, so that no code can forget it;
-- and the role the application works as, which can add to the record but not alter it, nor the schema.

CREATE TABLE audit (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- nobody when the hub itself acts, or a guest
    actor_id        bigint,
    impersonator_id bigint,
    address         text NOT NULL DEFAULT '',
    -- the endpoint or job by which it was asked
    asked           text NOT NULL DEFAULT '',
    request_id      text NOT NULL DEFAULT '',
    entity          text NOT NULL,
    entity_id       bigint,
    venue_id        bigint,
    operation       text NOT NULL CHECK (operation IN ('create', 'update', 'delete', 'denied')),
    -- of an update only what has changed; what tells of a person is '***', and empty where there was nothing
    before          jsonb,
    after           jsonb
);
CREATE INDEX audit_of_entity ON audit (entity, entity_id, id);
CREATE INDEX audit_of_actor ON audit (actor_id, id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_of_venue ON audit (venue_id, id) WHERE venue_id IS NOT NULL;
CREATE INDEX audit_by_time ON audit USING brin (at);

-- Seals: each hashes the one before it and the digests of its rows, in the order of their ids. The rows themselves are
-- never touched again. `ids` and `digests` (32 bytes a row) name the row that is not as it was.
CREATE TABLE audit_seals (
    id        bigint PRIMARY KEY,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ids       bigint[] NOT NULL,
    digests   bytea NOT NULL,
    hash      bytea NOT NULL
);

-- Up to which id every row is committed or never will be, once all transactions before `until` have ended.
CREATE TABLE audit_horizon (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    last_id bigint NOT NULL DEFAULT 0,
    until   xid8 NOT NULL DEFAULT '0'
);
INSERT INTO audit_horizon DEFAULT VALUES;

CREATE FUNCTION refuse_changing_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only added to' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_changing_audit();
CREATE TRIGGER audit_seals_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_changing_audit();

-- Which tables are audited, and how. A table that is not listed is audited with every text, date and document masked.
CREATE TABLE audited (
    name         text PRIMARY KEY,
    -- why it is not audited
    exempt       text,
    entity       text,
    id_column    text NOT NULL DEFAULT 'id',
    venue_column text NOT NULL DEFAULT '',
    -- texts, dates and documents that tell nothing about a person; all others are masked
    plain        text[] NOT NULL DEFAULT '{}',
    -- columns whose change alone is no news
    quiet        text[] NOT NULL DEFAULT '{}',
    operations   text[] NOT NULL DEFAULT '{INSERT,UPDATE,DELETE}'
);

INSERT INTO audited (name, entity, id_column, venue_column, plain, quiet, operations)
SELECT a.name, a.entity, a.id_column, a.venue_column, string_to_array(a.plain, ' '), string_to_array(a.quiet, ' '),
       string_to_array(a.operations, ' ')
FROM (VALUES
    ('users', 'user', 'id', '', 'language currency notification_choices status', 'updated_at', 'INSERT UPDATE DELETE'),
    ('roles', 'role', 'id', '', 'code name description', 'updated_at', 'INSERT UPDATE DELETE'),
    ('user_roles', 'user_role', 'user_id', '', '', '', 'INSERT UPDATE DELETE'),
    ('role_permissions', 'role_permission', 'role_id', '', '', '', 'INSERT UPDATE DELETE'),
    ('identities', 'identity', 'user_id', '', 'provider', 'last_used_at', 'INSERT UPDATE DELETE'),
    ('second_factors', 'second_factor', 'user_id', '', '', 'last_step', 'INSERT UPDATE DELETE'),
    -- a login's last use is no change by anybody, and housekeeping forgets logins that have ended
    ('logins', 'login', 'user_id', '', '', 'last_used_at expires_at', 'INSERT UPDATE'),
    ('files', 'file', 'id', 'venue_id', 'name kind', 'sizes', 'INSERT UPDATE DELETE'),
    ('venues', 'venue', 'id', 'id', 'kind name description timezone currency address city province country map_url '
        'contact_website amenities images confirmation cancellation opening_hours', 'updated_at catalogue_version',
        'INSERT UPDATE DELETE'),
    ('venue_staff', 'venue_staff', 'user_id', 'venue_id', 'role', '', 'INSERT UPDATE DELETE'),
    ('venue_invitations', 'venue_invitation', 'id', 'venue_id', 'role', '', 'INSERT UPDATE DELETE'),
    ('room_types', 'room_type', 'id', 'venue_id', 'name description sold_as price_unit bed_type amenities images',
        'updated_at', 'INSERT UPDATE DELETE'),
    ('rooms', 'room', 'id', 'venue_id', 'number status images', 'updated_at', 'INSERT UPDATE DELETE'),
    ('sessions', 'session', 'id', 'venue_id', 'kind title description location language images status cancel_reason',
        'updated_at', 'INSERT UPDATE DELETE'),
    ('closures', 'closure', 'id', 'venue_id', 'reason', 'updated_at', 'INSERT UPDATE DELETE'),
    ('addons', 'addon', 'id', 'venue_id', 'name description price_per', 'updated_at', 'INSERT UPDATE DELETE'),
    ('bookings', 'booking', 'id', '', 'reference status currency cancel_reason_code', 'updated_at',
        'INSERT UPDATE DELETE'),
    -- What a booking was placed with is its items as they stand, or as they were when they were taken out.
    ('booking_items', 'booking_item', 'booking_id', 'venue_id', 'kind title currency check_in check_out', '',
        'UPDATE DELETE'))
    AS a (name, entity, id_column, venue_column, plain, quiet, operations);

INSERT INTO audited (name, exempt) VALUES
    ('audit', 'is the record itself'),
    ('audit_seals', 'seals the record'),
    ('audit_horizon', 'says how far the record can be sealed'),
    ('audited', 'comes with migrations and is changed by nobody'),
    ('migrations', 'is the record of migrations'),
    ('permissions', 'comes with migrations and is changed by nobody'),
    ('resources', 'comes with migrations and is changed by nobody'),
    ('live_epoch', 'comes with migrations and is changed by nobody'),
    ('refresh_tokens', 'holds only hashes of secrets; each login is audited'),
    ('codes', 'holds only hashes of secrets; what a code has changed is audited'),
    ('identity_codes', 'holds only hashes of secrets; each login is audited'),
    ('recovery_codes', 'holds only hashes of secrets; the second factor is audited'),
    ('devices', 'remembers what a log-in came from; each login is audited'),
    ('attempts', 'counts tries, and is forgotten by the day'),
    ('claims', 'follows from bookings, sessions and closures'),
    ('pool_nights', 'counts claims'),
    ('session_places', 'counts claims'),
    ('booking_changes', 'is itself a record, of moves, beside the audited items'),
    ('live_rooms', 'counts events'),
    ('events', 'tells what was audited'),
    ('outbox', 'remembers what is still to be pushed'),
    ('repeat_keys', 'keeps answers for a day'),
    ('jobs', 'is a queue; what caused a job is audited'),
    ('letters', 'holds what was written to people where no mail server is set; what caused it is audited'),
    ('invited', 'counts letters, and is forgotten by the day');

-- Who acts, as the unit of work has said it: hub.author is the hex of a JSON object, so that nothing in it needs quoting.
CREATE FUNCTION audit_author() RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    said text := current_setting('hub.author', true);
BEGIN
    IF said IS NULL OR said = '' THEN
        RETURN '{}';
    END IF;
    RETURN convert_from(decode(said, 'hex'), 'UTF8')::jsonb;
END
$$;

-- Keeps what a statement has changed. Arguments: entity, column of its id, column of its venue, masked and quiet columns.
CREATE FUNCTION audit_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    author jsonb := audit_author();
    id_column text := TG_ARGV[1];
    venue_column text := TG_ARGV[2];
    masked text[] := TG_ARGV[3];
    quiet text[] := TG_ARGV[4];
    was jsonb[];
    is_now jsonb[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        is_now := ARRAY(SELECT jsonb_strip_nulls(to_jsonb(a)) - masked FROM after_rows AS a);
    ELSIF TG_OP = 'DELETE' THEN
        was := ARRAY(SELECT jsonb_strip_nulls(to_jsonb(b)) - masked FROM before_rows AS b);
    ELSE
        -- both tables list the same rows in the same order
        was := ARRAY(SELECT to_jsonb(b) FROM before_rows AS b);
        is_now := ARRAY(SELECT to_jsonb(a) FROM after_rows AS a);
    END IF;
    INSERT INTO audit (actor_id, impersonator_id, address, asked, request_id, entity, entity_id, venue_id, operation,
                       before, after)
    SELECT (author ->> 'user_id')::bigint, (author ->> 'impersonator_id')::bigint, coalesce(author ->> 'address', ''),
           coalesce(author ->> 'asked', ''), coalesce(author ->> 'request_id', ''), TG_ARGV[0],
           (coalesce(r.is_now, r.was) ->> id_column)::bigint, (coalesce(r.is_now, r.was) ->> venue_column)::bigint,
           CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END, c.before, c.after
    FROM unnest(was, is_now) AS r (was, is_now)
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(k.key, CASE WHEN k.key = ANY (masked) AND r.was ->> k.key IS NOT NULL THEN '"***"'
                                            ELSE coalesce(r.was -> k.key, 'null') END) AS before,
               jsonb_object_agg(k.key, CASE WHEN k.key = ANY (masked) AND r.is_now ->> k.key IS NOT NULL THEN '"***"'
                                            ELSE k.value END) AS after
        FROM jsonb_each(r.is_now) AS k
        WHERE TG_OP = 'UPDATE' AND k.value IS DISTINCT FROM r.was -> k.key AND NOT k.key = ANY (quiet)
        UNION ALL
        SELECT r.was, r.is_now WHERE TG_OP <> 'UPDATE'
    ) AS c
    WHERE c.before IS NOT NULL OR c.after IS NOT NULL;
    RETURN NULL;
END
$$;

-- The same for bookings that are placed, by the thousand in one statement, each by another person. hub.authors is a JSON
-- object: who booked -> {impersonator_id, address, asked, request_id}.
CREATE FUNCTION audit_placed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    authors jsonb := nullif(current_setting('hub.authors', true), '');
    author jsonb := audit_author();
BEGIN
    INSERT INTO audit (actor_id, impersonator_id, address, asked, request_id, entity, entity_id, operation, after)
    SELECT coalesce((author ->> 'user_id')::bigint, b.booked_by), (by.who ->> 'impersonator_id')::bigint,
           coalesce(by.who ->> 'address', ''), coalesce(by.who ->> 'asked', ''), coalesce(by.who ->> 'request_id', ''),
           'booking', b.id, 'create',
           jsonb_build_object('id', b.id, 'user_id', b.user_id, 'booked_by', b.booked_by, 'status', b.status,
                              'price', b.price, 'currency', b.currency, 'expires_at', b.expires_at)
    FROM after_rows AS b
    CROSS JOIN LATERAL (SELECT coalesce(authors -> b.booked_by::text, author) AS who) AS by;
    RETURN NULL;
END
$$;

-- Keep that somebody was refused what they may not do; the refused change itself has left nothing. Of one person at most
-- twenty a minute, so that nobody floods the record.
CREATE FUNCTION audit_denied(its_entity text, its_id bigint, code text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    author jsonb := audit_author();
BEGIN
    IF (SELECT count(*) FROM (
            SELECT a.at, a.operation FROM audit AS a WHERE a.actor_id = (author ->> 'user_id')::bigint
            ORDER BY a.id DESC LIMIT 20) AS r
        WHERE r.operation = 'denied' AND r.at > clock_timestamp() - interval '1 minute') = 20 THEN
        RETURN;
    END IF;
    -- first, because the seals reckon that whoever has taken an id has a transaction by then
    PERFORM pg_current_xact_id();
    INSERT INTO audit (actor_id, impersonator_id, address, asked, request_id, entity, entity_id, operation, after)
    VALUES ((author ->> 'user_id')::bigint, (author ->> 'impersonator_id')::bigint, coalesce(author ->> 'address', ''),
            coalesce(author ->> 'asked', ''), coalesce(author ->> 'request_id', ''), its_entity, its_id, 'denied',
            jsonb_build_object('code', code));
END
$$;

-- Give every audited table its triggers. Runs after each migration; a table that has the right ones is left alone.
CREATE FUNCTION audit_every_table() RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    its record;
    operation text;
    title text;
    arguments text[];
    rows_of text;
    kept text;
BEGIN
    FOR its IN
        SELECT c.oid, c.relname, a.exempt, coalesce(a.entity, c.relname) AS entity, coalesce(a.id_column, 'id') AS id_column,
               coalesce(a.venue_column, '') AS venue_column, coalesce(a.quiet, '{}') AS quiet,
               coalesce(a.operations, '{INSERT,UPDATE,DELETE}') AS operations,
               ARRAY(SELECT f.attname::text FROM pg_attribute AS f
                     WHERE f.attrelid = c.oid AND f.attnum > 0 AND NOT f.attisdropped
                       AND NOT f.attname = ANY (coalesce(a.plain, '{}'))
                       AND f.atttypid::regtype::text IN ('text', 'citext', 'character varying', 'text[]', 'json', 'jsonb',
                                                         'bytea', 'date', 'inet', 'uuid', 'xml')
                     ORDER BY f.attname) AS masked
        FROM pg_class AS c LEFT JOIN audited AS a ON a.name = c.relname
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.exempt IS NULL
        ORDER BY c.relname
    LOOP
        FOREACH operation IN ARRAY ARRAY['INSERT', 'UPDATE', 'DELETE'] LOOP
            title := 'audit_' || lower(operation);
            kept := (SELECT encode(t.tgargs, 'hex') FROM pg_trigger AS t WHERE t.tgrelid = its.oid AND t.tgname = title);
            arguments := ARRAY[its.entity, its.id_column, its.venue_column, its.masked::text, its.quiet::text];
            CONTINUE WHEN kept = (SELECT string_agg(encode(convert_to(a, 'UTF8'), 'hex') || '00', '' ORDER BY n)
                                  FROM unnest(arguments) WITH ORDINALITY AS u (a, n))
                          AND operation = ANY (its.operations);
            IF kept IS NOT NULL THEN
                EXECUTE format('DROP TRIGGER %I ON %I', title, its.relname);
            END IF;
            CONTINUE WHEN NOT operation = ANY (its.operations);
            rows_of := CASE operation WHEN 'INSERT' THEN 'NEW TABLE AS after_rows' WHEN 'DELETE' THEN 'OLD TABLE AS before_rows'
                                      ELSE 'OLD TABLE AS before_rows NEW TABLE AS after_rows' END;
            EXECUTE format(
                'CREATE TRIGGER %I AFTER %s ON %I REFERENCING %s FOR EACH STATEMENT EXECUTE FUNCTION %I(%L, %L, %L, %L, %L)',
                title, operation, its.relname, rows_of,
                CASE WHEN its.relname = 'bookings' AND operation = 'INSERT' THEN 'audit_placed' ELSE 'audit_rows' END,
                arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
        END LOOP;
    END LOOP;
END
$$;

-- One row's digest, the same whatever the session's settings are.
CREATE FUNCTION audit_digest(a audit) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(jsonb_build_array(
        a.id, extract(epoch FROM a.at), a.actor_id, a.impersonator_id, a.address, a.asked, a.request_id, a.entity,
        a.entity_id, a.venue_id, a.operation, a.before, a.after)::text, 'UTF8'))
$$;

CREATE FUNCTION audit_seal_hash(previous bytea, its_id bigint, its_time timestamptz, ids bigint[], digests bytea)
RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(previous || convert_to(jsonb_build_array(its_id, extract(epoch FROM its_time), ids)::text, 'UTF8')
                  || digests)
$$;

-- Seal what is settled, at most so many rows; answers the seal and how many rows it seals, or nothing. One worker at a time.
CREATE FUNCTION seal_audit(at_most integer) RETURNS TABLE (seal_id bigint, sealed integer, hash bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    horizon audit_horizon;
    previous audit_seals;
    sealed_to bigint;
    its_ids bigint[];
    its_digests bytea;
    now_at timestamptz := clock_timestamp();
    next_id bigint;
    its_hash bytea;
BEGIN
    -- Who has written already has a number of its own that is too old to reckon with.
    IF pg_current_xact_id_if_assigned() IS NOT NULL OR NOT pg_try_advisory_xact_lock(7201985) THEN
        RETURN;
    END IF;
    SELECT h.is_only, h.last_id, h.until INTO horizon FROM audit_horizon AS h;
    SELECT s.id, s.sealed_at, s.ids, s.digests, s.hash INTO previous FROM audit_seals AS s ORDER BY s.id DESC LIMIT 1;
    sealed_to := coalesce(previous.ids[cardinality(previous.ids)], 0);
    IF horizon.last_id <= sealed_to OR horizon.until > pg_snapshot_xmax(pg_current_snapshot()) THEN
        -- Nothing is known to be settled (or it was in another cluster, before a restore). Ids first, then transactions:
        -- whoever took one of these ids had a number by then, and this one's, drawn now, is larger. A snapshot's xmax
        -- would not do, for it may be smaller than that of somebody who is still at work.
        horizon.last_id := (SELECT coalesce(pg_sequence_last_value('audit_id_seq'), 0));
        horizon.until := pg_current_xact_id();
        UPDATE audit_horizon SET last_id = horizon.last_id, until = horizon.until;
    END IF;
    IF horizon.last_id <= sealed_to OR horizon.until > pg_snapshot_xmin(pg_current_snapshot()) THEN
        RETURN;
    END IF;
    SELECT array_agg(r.id ORDER BY r.id), string_agg(audit_digest(r), '' ORDER BY r.id) INTO its_ids, its_digests
    FROM (SELECT a.* FROM audit AS a WHERE a.id > sealed_to AND a.id <= horizon.last_id ORDER BY a.id LIMIT at_most) AS r;
    IF its_ids IS NULL THEN
        -- ids whose transactions have failed: look further next time
        UPDATE audit_horizon SET last_id = sealed_to;
        RETURN;
    END IF;
    next_id := coalesce(previous.id, 0) + 1;
    its_hash := audit_seal_hash(coalesce(previous.hash, ''), next_id, now_at, its_ids, its_digests);
    INSERT INTO audit_seals (id, sealed_at, ids, digests, hash) VALUES (next_id, now_at, its_ids, its_digests, its_hash);
    RETURN QUERY SELECT next_id, cardinality(its_ids), its_hash;
END
$$;

-- Check at most so many seals from this one on, and the rows they seal; answers the last seal that holds, how many rows it
-- took, and the first link that is broken: its seal, its row if one is to blame, and what was done to it.
CREATE FUNCTION verify_audit(first_seal bigint, at_most integer)
RETURNS TABLE (held_to bigint, looked_at bigint, broken_seal bigint, broken_row bigint, reason text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    previous audit_seals;
    seal audit_seals;
BEGIN
    SELECT s.id, s.sealed_at, s.ids, s.digests, s.hash INTO previous FROM audit_seals AS s WHERE s.id = first_seal - 1;
    held_to := first_seal - 1;
    looked_at := 0;
    FOR seal IN
        SELECT s.id, s.sealed_at, s.ids, s.digests, s.hash FROM audit_seals AS s
        WHERE s.id >= first_seal ORDER BY s.id LIMIT at_most
    LOOP
        broken_seal := held_to + 1;
        IF seal.id <> held_to + 1 OR (seal.id > 1 AND previous.id IS NULL) THEN
            reason := 'its seal was removed';
            RETURN NEXT;
            RETURN;
        END IF;
        IF seal.hash <> audit_seal_hash(coalesce(previous.hash, ''), seal.id, seal.sealed_at, seal.ids, seal.digests)
           OR seal.sealed_at < previous.sealed_at THEN
            reason := 'its seal was changed';
            RETURN NEXT;
            RETURN;
        END IF;
        SELECT coalesce(k.id, r.id),
               CASE WHEN r.id IS NULL THEN 'the row was removed' WHEN k.id IS NULL THEN 'the row was added later'
                    WHEN r.digest <> substr(seal.digests, ((k.n - 1) * 32 + 1)::integer, 32) THEN 'the row was changed'
                    ELSE 'the time of the row cannot be' END
        INTO broken_row, reason
        FROM unnest(seal.ids) WITH ORDINALITY AS k (id, n)
        FULL JOIN (
            SELECT a.id, a.at, audit_digest(a) AS digest FROM audit AS a
            WHERE a.id > coalesce(previous.ids[cardinality(previous.ids)], 0) AND a.id <= seal.ids[cardinality(seal.ids)]
        ) AS r ON r.id = k.id
        WHERE r.id IS NULL OR k.id IS NULL OR r.digest <> substr(seal.digests, ((k.n - 1) * 32 + 1)::integer, 32)
           OR r.at > seal.sealed_at + interval '1 minute' OR r.at < previous.sealed_at - interval '1 hour'
        ORDER BY 1 LIMIT 1;
        IF FOUND THEN
            RETURN NEXT;
            RETURN;
        END IF;
        held_to := seal.id;
        looked_at := looked_at + cardinality(seal.ids);
        previous := seal;
    END LOOP;
    broken_seal := NULL;
    RETURN NEXT;
END
$$;

-- Let the application work as hub_app: it reads and writes what it has to, and can neither change the schema nor the
-- record of what it did. Runs after each migration; a table that a migration has granted itself keeps what it was given.
CREATE FUNCTION let_application_work() RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    its record;
BEGIN
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hub_app') THEN
            BEGIN
                CREATE ROLE hub_app NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
            EXCEPTION
                -- somebody else on this server was quicker
                WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        -- since PostgreSQL 16 a member need not be allowed to work as the role
        IF NOT pg_has_role(session_user, 'hub_app', CASE WHEN current_setting('server_version_num')::integer >= 160000
                                                         THEN 'SET' ELSE 'MEMBER' END) THEN
            EXECUTE format('GRANT hub_app TO %I', session_user);
        END IF;
    EXCEPTION
        WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'whoever runs the server has to say: CREATE ROLE hub_app NOLOGIN; GRANT hub_app TO %',
                quote_ident(session_user) USING ERRCODE = 'insufficient_privilege';
    END;
    GRANT USAGE ON SCHEMA public TO hub_app;
    FOR its IN
        SELECT c.relname, c.relkind,
               c.relname IN ('audit', 'audit_seals', 'audited', 'migrations', 'permissions', 'resources', 'live_epoch') AS is_kept
        FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
          AND c.relname NOT IN ('audit_horizon', 'audit_id_seq')
          AND NOT CASE WHEN c.relkind = 'S' THEN has_sequence_privilege('hub_app', c.oid, 'USAGE')
                       ELSE has_table_privilege('hub_app', c.oid, 'SELECT') END
    LOOP
        IF its.relkind = 'S' THEN
            EXECUTE format('GRANT USAGE ON SEQUENCE %I TO hub_app', its.relname);
        ELSIF its.is_kept THEN
            EXECUTE format('GRANT SELECT ON %I TO hub_app', its.relname);
        ELSE
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO hub_app', its.relname);
        END IF;
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION audit_denied, seal_audit, verify_audit, audit_every_table, let_application_work FROM PUBLIC;
SELECT let_application_work();
GRANT EXECUTE ON FUNCTION audit_denied, seal_audit, verify_audit TO hub_app;
