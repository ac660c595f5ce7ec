//! Avro's binary form, read by the writer's schema.

pub mod cursor;
pub mod envelope;
pub mod read;
pub mod render;
pub mod schema;
