"""What a file says of its own origin: containers, metadata, generator marks, manifests and who vouches for them."""
