//! One durable record per commit: written first, finished or forgotten at the next boot.
