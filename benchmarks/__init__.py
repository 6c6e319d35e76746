"""One file a claim; each prints a ratio or a figure measured in one run (`make bench`)."""
