//! The store against a real PostgreSQL, which `cargo xtask test` starts.

#[cfg(test)]
mod applications;
#[cfg(test)]
mod audits;
#[cfg(test)]
mod days;
#[cfg(test)]
mod events;
#[cfg(test)]
mod expiry;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod feed;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod files;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod paging;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod public_board;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod startup;
#[cfg(test)]
mod support;
#[cfg(test)]
mod team;
#[cfg(test)]
mod walls;
#[cfg(test)]
mod webhook_deletion;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod writing;
