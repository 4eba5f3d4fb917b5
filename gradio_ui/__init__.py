"""The parts of gradio_app.py: the checkpoints that it offers, its endpoints, and its page."""
