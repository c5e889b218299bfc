"""The three ways to follow a network, best first: symbolic trace, export, module order."""
