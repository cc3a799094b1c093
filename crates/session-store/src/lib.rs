//! Sessions on the provider port: opaque cookies, typed records, no resurrection.
