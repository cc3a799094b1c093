//! The server over a redis-server of its own, as a caller sees it.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod process;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod support;
