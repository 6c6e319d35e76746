-- What was changed last, of a type and of everything: for FHIR's histories and for `_lastUpdated`.
CREATE INDEX idx_patients_updated ON patients (tenant_id, updated_at, id);
CREATE INDEX idx_appointments_updated ON appointments (tenant_id, updated_at, id);
CREATE INDEX idx_medications_updated ON medications (tenant_id, updated_at, id);
-- Who changed what, among a hundred times as many entries of who read what. A search says the same
-- words (`NOT_READ` in fhir/rules_told.py), or it goes through all of them.
CREATE INDEX idx_audit_logs_changes ON audit_logs (tenant_id, created_at, id)
    WHERE action NOT IN ('access_report', 'export', 'list', 'read', 'search');
