"""The tests, a package so that they can share helpers: README.md lists them."""
