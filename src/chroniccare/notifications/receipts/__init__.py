"""What providers tell of a message afterwards: delivered, bounced, complained, opted out."""
