"""The programs that run artifacts, one for each runtime, without this project."""
