"""Money, periods and exports over stored usage of any source."""
