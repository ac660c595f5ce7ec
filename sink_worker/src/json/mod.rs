//! JSON records, with Connect's schema in them or without.

pub mod connect;
pub mod cursor;
pub mod nested;
pub mod record;
pub mod text;
