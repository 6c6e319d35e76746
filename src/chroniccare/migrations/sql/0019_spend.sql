-- What SMS cost: every attempt is its own entry, counters are kept beside them by triggers, and a
-- tenant's limits are the row that its batches wait for each other at.

-- Segments, price in millionths and country of an attempt by SMS. Without segments nothing is spent:
-- it is no SMS, or was given back unmade. With them it is reserved while prepared, in flight or
-- unknown, released when rejected or transient, else settled. It counts in the month of spend_day, a
-- UTC day, whenever that is decided.
ALTER TABLE notification_attempts
    ADD COLUMN segments smallint CHECK (segments >= 0),
    ADD COLUMN micros bigint CHECK (micros >= 0),
    ADD COLUMN country text COLLATE "C",
    ADD COLUMN spend_day date,
    ADD CHECK (segments IS NULL
        OR (micros IS NOT NULL AND country IS NOT NULL AND spend_day IS NOT NULL));
CREATE INDEX idx_notification_attempts_reserved ON notification_attempts (tenant_id, spend_day)
    WHERE segments IS NOT NULL AND status IN ('prepared', 'in_flight', 'unknown');
-- Rows held until the month ends or the limit is raised.
CREATE INDEX idx_notifications_held ON notifications (tenant_id, next_attempt_at)
    WHERE delivery_status = 'held';

CREATE TABLE spend_limits (
    tenant_id uuid PRIMARY KEY REFERENCES tenants (id),
    monthly_segments bigint CHECK (monthly_segments >= 0),
    monthly_micros bigint CHECK (monthly_micros >= 0),
    currency text NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z]{3}$'),
    alert_percent smallint NOT NULL DEFAULT 80 CHECK (alert_percent BETWEEN 1 AND 99),
    daily_segments bigint CHECK (daily_segments >= 0), -- of one country
    countries jsonb, -- {"US": {"daily_segments": ..., "segment_micros": ...}}; null: the facilities'
    segment_micros bigint CHECK (segment_micros >= 0), -- null: the operator's setting
    version integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL
);
SELECT protect_tenant_table('spend_limits');

-- What was told about a month, so that it is told once.
CREATE TABLE spend_months (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    month date NOT NULL,
    alerted_at timestamptz,
    exhausted_at timestamptz,
    UNIQUE (tenant_id, month)
);
SELECT protect_tenant_table('spend_months');

-- What attempts have reserved or settled, by day and country.
CREATE TABLE spend_days (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    day date NOT NULL,
    country text COLLATE "C" NOT NULL,
    messages bigint NOT NULL,
    segments bigint NOT NULL,
    micros bigint NOT NULL,
    PRIMARY KEY (tenant_id, day, country)
);
SELECT protect_tenant_table('spend_days', 'SELECT, INSERT, UPDATE');

-- Once a statement: a batch adds to its counters once. In one order, so that no two batches can
-- wait for each other.
CREATE FUNCTION count_spend() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO spend_days AS s (tenant_id, day, country, messages, segments, micros)
    SELECT a.tenant_id, a.spend_day, a.country, count(*), sum(a.segments), sum(a.micros)
    FROM added a WHERE a.segments IS NOT NULL AND a.status NOT IN ('rejected', 'transient')
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (tenant_id, day, country) DO UPDATE SET messages = s.messages + excluded.messages,
        segments = s.segments + excluded.segments, micros = s.micros + excluded.micros;
    RETURN NULL;
END
$$;
-- Once a row, and only where what counts has changed: settling does not, and it is every attempt's
-- way. A trigger of a statement would look at them all.
CREATE FUNCTION recount_spend() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
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
REVOKE ALL ON FUNCTION count_spend(), recount_spend() FROM PUBLIC;
CREATE TRIGGER count_spend AFTER INSERT ON notification_attempts REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_spend();
CREATE TRIGGER recount_spend AFTER UPDATE ON notification_attempts FOR EACH ROW
    WHEN (OLD.segments IS DISTINCT FROM NEW.segments OR OLD.micros IS DISTINCT FROM NEW.micros
        OR OLD.country IS DISTINCT FROM NEW.country OR OLD.spend_day IS DISTINCT FROM NEW.spend_day
        OR (NEW.segments IS NOT NULL AND (OLD.status IN ('rejected', 'transient'))
            <> (NEW.status IN ('rejected', 'transient'))))
    EXECUTE FUNCTION recount_spend();

-- What a provider charges, where a receipt says so.
ALTER TABLE receipt_inbox
    ADD COLUMN segments smallint CHECK (segments > 0),
    ADD COLUMN micros bigint CHECK (micros >= 0);
