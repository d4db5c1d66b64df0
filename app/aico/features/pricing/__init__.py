"""List prices of single requests, from data that comes with a library: no network, no clock, no file of ours."""
