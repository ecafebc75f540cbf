"""What a run leaves: progress, record, checkpoint."""
