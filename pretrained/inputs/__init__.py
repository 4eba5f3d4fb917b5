"""What a generator is given: seeds, latent vectors, words."""
