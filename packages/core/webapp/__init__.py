"""The web page that `python -m core.app` serves, and the job queue behind it."""
