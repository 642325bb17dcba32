"""Long videos: clip rules, slow-fast consistency, and diagnostics that need no weights."""
