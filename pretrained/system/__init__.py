"""What the operating system does to us: errors, files, symbolic links, memory."""
