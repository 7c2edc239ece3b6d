"""What IBKR's stream speaks: the table of topics, how requests and frames are spelled and shared."""
