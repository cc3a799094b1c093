//! Sessions that hold under attack, over instances and through outages.

#[cfg(test)]
mod access;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod sign_out;
#[cfg(test)]
mod support;
