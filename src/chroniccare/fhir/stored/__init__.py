"""Types that have no table of their own: documents with rows by which they are found."""
