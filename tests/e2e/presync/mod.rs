//! Image pre-synchronisation against real registries: nothing that was pushed is missing in the end, whatever breaks.

mod cluster;
mod copies;
mod engines;
mod flood;
mod harness;
mod kills;
mod pace;
mod senders;
mod trouble;
