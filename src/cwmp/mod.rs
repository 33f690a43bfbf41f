//! TR-069 (CWMP): messages, sessions, faults. No I/O.
