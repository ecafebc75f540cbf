"""Read exported artifacts."""
