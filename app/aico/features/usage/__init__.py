"""Money, periods and exports over what is stored, whatever its source."""
