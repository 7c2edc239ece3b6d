"""`ibkr-async oauth`: init, login, check."""
