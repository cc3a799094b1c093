//! The tenant-scoped cache: generations, single-flight, policies, statistics.
