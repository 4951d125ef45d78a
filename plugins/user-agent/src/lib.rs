//! Browser, operating system and device from the user agent.
