//! Debezium's events of Cassandra: cells, not rows. They are merged as Cassandra merges.

pub mod api;
pub mod arrays;
pub mod batch;
pub mod bound;
pub mod cells;
pub mod cql;
pub mod envelope;
pub mod event;
pub mod form;
pub mod json;
pub mod jsonb;
pub mod lattice;
pub mod layout;
pub mod merge;
pub mod order;
pub mod record;
pub mod schema;
pub mod state;
