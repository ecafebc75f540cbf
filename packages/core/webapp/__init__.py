"""The page that `python -m core.app` serves: what visitors see, and the queue that paints for them."""
