"""The Flask side: what knows a Flask application and its mail extension."""
