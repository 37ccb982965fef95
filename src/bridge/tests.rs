//! The bridge between a client and a registry of this process.
