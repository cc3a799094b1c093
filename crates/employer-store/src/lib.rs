//! Postgres under row level security: the only crate that knows SQL.
