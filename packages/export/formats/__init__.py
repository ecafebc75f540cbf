"""Writers of the artifact formats."""
