"""$export: what a clinic has, as files of NDJSON (Bulk Data Access)."""
