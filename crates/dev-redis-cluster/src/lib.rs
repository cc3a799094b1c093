//! A Redis Cluster with TLS and ACL users on loopback, for development and tests.
