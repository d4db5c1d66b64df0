"""What is asked of the accounts: periods, sums, pages, exports."""
