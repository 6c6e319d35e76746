"""What patients answer: replies to text messages, read, told apart and acted on."""
