-- An endpoint that people deleted is gone for them at once. Its log may be long: it is cleared away
-- in small steps, and the endpoint after it, so that neither they nor whoever queues for it waits.
ALTER TABLE webhook_endpoints ADD COLUMN deleted_at timestamptz;
ALTER TABLE webhook_endpoints ADD CONSTRAINT webhook_endpoints_deleted_check
    CHECK (deleted_at IS NULL OR status = 'paused');
CREATE INDEX webhook_endpoints_deleted_idx ON webhook_endpoints (deleted_at)
    WHERE deleted_at IS NOT NULL;

REVOKE DELETE ON webhook_endpoints FROM portal_app;
GRANT DELETE ON webhook_endpoints TO portal_worker;
