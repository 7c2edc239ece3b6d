"""One socket: what it speaks (`wire`), a core without I/O, the delivery to consumers, the connection."""
