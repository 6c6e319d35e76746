-- What the local channel keeps of an email is what its reader sees; sealed, as the text is.
ALTER TABLE outbox_messages ADD COLUMN html text;
