//! TR-369: what the bytes of a controller mean and how they are answered.
//!
//! Pure, as all but the rim: handlers take a view of the data model, what is asked and the asker's rights, and return
//! an answer. Links are configured and driven by `io`; state, time and order are the agent's.

pub mod endpoint;
pub mod error;
pub mod msg;
pub mod mtp;
pub mod notice;
pub mod pb;
pub mod record;
pub mod subscription;
pub mod threshold;
pub mod wire;
