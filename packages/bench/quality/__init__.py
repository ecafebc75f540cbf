"""Quality of results: pictures of a grid of contents and styles, sheets to judge them, and measures."""
