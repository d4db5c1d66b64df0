"""Questions to the accounts: periods, sums, pages, exports."""
