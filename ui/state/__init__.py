"""What lasts longer than a page: models, caches, the queue of the device."""
