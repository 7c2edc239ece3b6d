"""How clients log in to the simulator."""
