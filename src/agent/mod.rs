//! What the agent does with an event: the protocols, timers and stores behind one `handle`.
