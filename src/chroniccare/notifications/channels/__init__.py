"""Where messages go: one file a channel, each with the drivers that settings may choose."""
