//! The REST protocol of Upstash.
//!
//! A request is decoded into commands ([`decode`]), each command is checked and rewritten
//! ([`policy`], with the table in [`commands`]), all go to Redis ([`execute`]), and the replies are rendered ([`format`]).
//! Subscriptions are streams of events ([`stream`]).

mod access;
mod answer;
mod body;
mod commands;
mod decode;
mod error;
mod execute;
mod format;
mod policy;
mod replication;
mod scripts;
mod serve;
mod stream;

pub(crate) use replication::Replication;
pub(crate) use scripts::Scripts;
pub(crate) use serve::serve;
