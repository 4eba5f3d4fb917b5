"""Datasets that recipes name: downloaded, below --data-root as a folder, or drawn."""
