-- A frozen quote's id follows from its content, so that it can be kept in the same trip to the database, and the same
-- transaction, as the booking that it is about. Those of before keep the ids they were given.

ALTER TABLE frozen_quotes ALTER COLUMN id DROP IDENTITY, DROP CONSTRAINT frozen_quotes_once;

-- Keep what was agreed under ids that are the first 63 bits of its hashes; what is known is kept already. Answers true.
CREATE FUNCTION keep_quotes(ids bigint[], hashes bytea[], contents text[]) RETURNS boolean
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO frozen_quotes (id, hash, quote)
    SELECT k.id, k.hash, k.content::jsonb FROM unnest(ids, hashes, contents) AS k (id, hash, content)
    ORDER BY k.id
    ON CONFLICT (id) DO NOTHING;
    IF EXISTS (
        SELECT 1 FROM unnest(ids, hashes) AS k (id, hash)
        CROSS JOIN LATERAL (SELECT q.hash FROM frozen_quotes AS q WHERE q.id = k.id LIMIT 1) AS q
        WHERE q.hash <> k.hash
    ) THEN
        RAISE EXCEPTION 'two frozen quotes have one id';
    END IF;
    RETURN true;
END
$$;
