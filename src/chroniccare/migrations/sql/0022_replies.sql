-- What patients answer, and what staff have to look at.

-- The worklist of staff (FHIR Task): one row for each thing that somebody must decide.
CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    code text COLLATE "C" NOT NULL CHECK (length(code) BETWEEN 1 AND 50),
    status text COLLATE "C" NOT NULL DEFAULT 'requested'
        CHECK (status IN ('requested', 'in-progress', 'completed', 'cancelled')),
    priority text COLLATE "C" NOT NULL DEFAULT 'normal'
        CHECK (priority IN ('normal', 'high', 'urgent')),
    reason text COLLATE "C" NOT NULL CHECK (length(reason) BETWEEN 1 AND 50), -- a code, no text
    patient_id uuid,
    focus_type text COLLATE "C",
    focus_id uuid, -- what it is about: a visit, a message, a reply; no key, it may be any of them
    assigned_to text,
    due_at timestamptz,
    outcome text COLLATE "C",
    note text,
    dedupe_key text COLLATE "C" NOT NULL,
    opened_by text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    closed_at timestamptz,
    CHECK ((focus_type IS NULL) = (focus_id IS NULL)),
    CHECK ((status IN ('completed', 'cancelled')) = (closed_at IS NOT NULL)),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id)
);
SELECT protect_tenant_table('tasks', 'SELECT, INSERT, UPDATE');
-- The same cause opens one; when that is closed it may open another.
CREATE UNIQUE INDEX uk_tasks_open ON tasks (tenant_id, dedupe_key)
    WHERE status IN ('requested', 'in-progress');
CREATE INDEX idx_tasks_created ON tasks (tenant_id, created_at, id);
CREATE INDEX idx_tasks_patient ON tasks (tenant_id, patient_id, created_at, id)
    WHERE patient_id IS NOT NULL;
CREATE INDEX idx_tasks_open ON tasks (tenant_id, created_at, id)
    WHERE status IN ('requested', 'in-progress');

-- Replies as they come in, before it is known which clinic they are for; a row is removed once it
-- stands in a tenant's inbound_messages. Only the system's own work sees it.
CREATE TABLE inbound_inbox (
    id uuid PRIMARY KEY,
    driver text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL CHECK (length(message_id) BETWEEN 1 AND 200),
    sender text COLLATE "C" NOT NULL CHECK (length(sender) BETWEEN 1 AND 64),
    recipient text COLLATE "C" CHECK (length(recipient) <= 64),
    body text NOT NULL CHECK (length(body) <= 2000),
    cut boolean NOT NULL DEFAULT false,
    in_reply_to text COLLATE "C" CHECK (length(in_reply_to) <= 200),
    received_at timestamptz NOT NULL,
    next_look_at timestamptz NOT NULL,
    looks integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX uk_inbound_inbox_message ON inbound_inbox (driver, message_id);
CREATE INDEX idx_inbound_inbox_due ON inbound_inbox (next_look_at);
ALTER TABLE inbound_inbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE inbound_inbox FORCE ROW LEVEL SECURITY;
CREATE POLICY system_inbox ON inbound_inbox TO chroniccare_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON inbound_inbox TO chroniccare_system;
GRANT UPDATE (next_look_at, looks) ON inbound_inbox TO chroniccare_system;

-- A reply, what it was taken for, and what follows from it. What a higher slice must do (confirm a
-- visit, take an offer) waits in `action` for that slice's loop.
CREATE TABLE inbound_messages (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    driver text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    sender text COLLATE "C" NOT NULL,
    recipient text COLLATE "C",
    body text NOT NULL CHECK (length(body) <= 2000),
    cut boolean NOT NULL,
    intent text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    patient_id uuid,
    appointment_id uuid,
    offer_id uuid,
    choices jsonb, -- the prompts that a question told apart, by their codes
    action text COLLATE "C" CHECK (action IN ('confirm', 'accept', 'decline')),
    action_start timestamptz, -- the start that the patient was told
    action_status text COLLATE "C" CHECK (action_status IN ('waiting', 'done', 'refused')),
    action_reason text COLLATE "C",
    answered boolean NOT NULL DEFAULT false,
    received_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK ((action IS NULL) = (action_status IS NULL)),
    UNIQUE (tenant_id, id),
    UNIQUE (tenant_id, driver, message_id),
    FOREIGN KEY (tenant_id, patient_id) REFERENCES patients (tenant_id, id),
    FOREIGN KEY (tenant_id, appointment_id) REFERENCES appointments (tenant_id, id)
);
SELECT protect_tenant_table('inbound_messages', 'SELECT, INSERT, UPDATE');
CREATE INDEX idx_inbound_messages_sender ON inbound_messages (tenant_id, sender, received_at, id);
CREATE INDEX idx_inbound_messages_received ON inbound_messages (tenant_id, received_at, id);
CREATE INDEX idx_inbound_messages_patient ON inbound_messages (tenant_id, patient_id, received_at, id)
    WHERE patient_id IS NOT NULL;
CREATE INDEX idx_inbound_messages_waiting ON inbound_messages (tenant_id, received_at, id)
    WHERE action_status = 'waiting';

-- Which messages a number was sent: a reply is read against these.
CREATE INDEX idx_notification_attempts_recipient ON notification_attempts (tenant_id, recipient)
    WHERE channel = 'sms' AND recipient IS NOT NULL;
