"""Datasets on the Hugging Face Hub, streamed and cached."""
