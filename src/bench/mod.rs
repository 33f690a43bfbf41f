//! The workbench: a small ACS with a web page, and the demo. Never in a router image.
