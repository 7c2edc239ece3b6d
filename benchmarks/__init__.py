"""Side-by-side measurements: this library, bare websockets, ibind, and the practical limit."""
