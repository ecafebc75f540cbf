"""A web page that runs the objective in the browser."""
