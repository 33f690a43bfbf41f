//! What several test programs share.

pub mod device;
pub mod recording;
pub mod story;
