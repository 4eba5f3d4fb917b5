"""The pages of app.py, and what they share."""
