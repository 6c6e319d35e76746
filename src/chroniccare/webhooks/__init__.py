"""Events for other systems, written in the transaction of the fact."""
