//! From the outbox to whoever must hear of it.
