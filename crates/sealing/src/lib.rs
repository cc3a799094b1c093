//! Authenticated encryption of values that leave the process, under keys that can be replaced.
//!
//! For values of the cache and tokens of sessions; whoever stores bytes in a place that others can
//! read or write may call it. It does no I/O.
//!
//! Invariants:
//! - **A sealed value opens in its context only.** The context (whose value it is, under which key,
//!   of which version) is authenticated, and the key that seals is derived from it: AES-256-GCM
//!   under HKDF-SHA-256 of a key of the ring and the context. Moved elsewhere, or changed in a
//!   single bit, it does not open.
//! - **The newest key seals, every key of the ring opens.** [`Opened::is_current`] tells whether a
//!   value is to be sealed anew.
//! - **Keys do not print**, and are overwritten when the ring is dropped. What the library keeps of
//!   a derived key while it seals or opens one value is not.
//!
//! Random nonces of 96 bits are good for some 2^32 values under one key; because each context has a
//! key of its own, that many may be sealed in every one of them.
//!
//! ```
//! use sealing::KeyRing;
//!
//! let text = "new:a2V5IG51bWJlciBvbmUsIG9mIDMyIGJ5dGVzLi4uLi4=,\
//!             old:a2V5IG51bWJlciB0d28sIG9mIDMyIGJ5dGVzLi4uLi4=";
//! let ring = KeyRing::parse(&text.into()).unwrap();
//! let sealed = ring.seal(b"tenant a, key 1", b"an answer").unwrap();
//! assert_eq!(ring.open(b"tenant a, key 1", &sealed).unwrap().plain, b"an answer");
//! assert!(ring.open(b"tenant b, key 1", &sealed).is_err());
//! ```

mod parse;
mod ring;
mod sealed;

pub use parse::{InvalidKeyRing, fresh_key};
pub use ring::KeyRing;
pub use sealed::{OpenError, Opened, SealError};
