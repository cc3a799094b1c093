//! Demo and load data against a real PostgreSQL, which `cargo xtask test` starts.

#[cfg(test)]
mod demo;
#[cfg(test)]
mod load;
#[cfg(test)]
mod support;
