"""List prices: which entry a name means, what a request costs, and that nobody is asked for it over the network."""
