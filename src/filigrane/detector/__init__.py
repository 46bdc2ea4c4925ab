"""Every source of evidence on where a picture comes from, and the one verdict that follows from them."""
