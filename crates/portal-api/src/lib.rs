//! The HTTP surface: routes, extractors, errors, OpenAPI.
