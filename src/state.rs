//! What survives a reboot besides UCI: events, attributes, instance numbers, counters.
