"""What the world does to a picture on its way: attacks, one file each, and the one table that names their strengths."""
