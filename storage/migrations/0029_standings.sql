-- How people and their logins stand, which judges every request with a token: a row for each of those asked for that
-- belong together, and one, without a place, for each of the roles they have. In one round trip, and with a plan that
-- is made once: for an array of one the planner would make it anew each time, which takes longer than the looking up.
CREATE FUNCTION standings_of(user_ids bigint[], login_ids uuid[])
RETURNS TABLE (place bigint, status text, token_version integer, login_is_live boolean, has_second_factor boolean,
    role_ids bigint[], role text, rank smallint, permissions text[])
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
    WITH people AS MATERIALIZED (
        SELECT a.place, u.status, u.token_version,
               l.revoked_at IS NULL AND l.expires_at > clock_timestamp() AS login_is_live,
               EXISTS (SELECT FROM second_factors AS f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL)
                   AS has_second_factor,
               ARRAY(SELECT ur.role_id FROM user_roles AS ur WHERE ur.user_id = u.id ORDER BY 1) AS role_ids
        FROM unnest(user_ids, login_ids) WITH ORDINALITY AS a (user_id, login_id, place)
        -- met laterally, which can only mean an index: a plan made when there were few people is kept for long
        CROSS JOIN LATERAL (SELECT k.id, k.status, k.token_version FROM users AS k
                            WHERE k.id = a.user_id OFFSET 0) AS u
        CROSS JOIN LATERAL (SELECT k.revoked_at, k.expires_at FROM logins AS k
                            WHERE k.id = a.login_id AND k.user_id = a.user_id OFFSET 0) AS l
    )
    SELECT p.place, p.status, p.token_version, p.login_is_live, p.has_second_factor, p.role_ids,
           NULL::text, NULL::smallint, NULL::text[]
    FROM people AS p
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, ARRAY[r.id], r.code, r.rank,
           ARRAY(SELECT m.resource || ':' || m.action
                 FROM role_permissions AS rp JOIN permissions AS m ON m.id = rp.permission_id
                 WHERE rp.role_id = r.id)
    FROM roles AS r WHERE r.id IN (SELECT unnest(p.role_ids) FROM people AS p);
END
$$;
