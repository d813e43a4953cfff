//! Files that must survive a crash, and readers that trust nothing.
