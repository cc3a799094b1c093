//! The provider as applications and browsers see it: each test has its own server process.

#[cfg(test)]
mod logout;
#[cfg(test)]
mod management;
#[cfg(test)]
mod organizations;
#[cfg(test)]
mod page;
#[cfg(test)]
mod process;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod support;
#[cfg(test)]
mod switches;
#[cfg(test)]
mod webhook;
