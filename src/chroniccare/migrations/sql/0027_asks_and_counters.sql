-- How texts of a clinic ask for an answer, and one order in which its counters are locked.

-- Null: what the operator's setting says.
ALTER TABLE message_policies
    ADD COLUMN asks text COLLATE "C" CHECK (asks IN ('nothing', 'reply', 'link'));

-- A transaction changes counters in several statements, in the order of its attempts: two of them
-- could hold the counter that the other waits for. So a tenant's counters have one lock before them.
-- Batches waited for each other at the day's counter of their country before, too.
CREATE FUNCTION lock_spend(tenant uuid) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(28, hashtext(tenant::text))
$$;
CREATE OR REPLACE FUNCTION count_spend() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_spend(a.tenant_id) FROM (SELECT DISTINCT tenant_id FROM added
        WHERE segments IS NOT NULL AND status NOT IN ('rejected', 'transient')) a;
    INSERT INTO spend_days AS s (tenant_id, day, country, messages, segments, micros)
    SELECT a.tenant_id, a.spend_day, a.country, count(*), sum(a.segments), sum(a.micros)
    FROM added a WHERE a.segments IS NOT NULL AND a.status NOT IN ('rejected', 'transient')
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (tenant_id, day, country) DO UPDATE SET messages = s.messages + excluded.messages,
        segments = s.segments + excluded.segments, micros = s.micros + excluded.micros;
    RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION recount_spend() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_spend(NEW.tenant_id);
    IF OLD.segments IS NOT NULL AND OLD.status NOT IN ('rejected', 'transient') THEN
        UPDATE spend_days SET messages = messages - 1, segments = segments - OLD.segments,
            micros = micros - OLD.micros
        WHERE tenant_id = OLD.tenant_id AND day = OLD.spend_day AND country = OLD.country;
    END IF;
    IF NEW.segments IS NOT NULL AND NEW.status NOT IN ('rejected', 'transient') THEN
        INSERT INTO spend_days AS s (tenant_id, day, country, messages, segments, micros)
        VALUES (NEW.tenant_id, NEW.spend_day, NEW.country, 1, NEW.segments, NEW.micros)
        ON CONFLICT (tenant_id, day, country) DO UPDATE SET messages = s.messages + 1,
            segments = s.segments + excluded.segments, micros = s.micros + excluded.micros;
    END IF;
    RETURN NULL;
END
$$;
