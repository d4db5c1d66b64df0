"""What histories of browsers tell of listed sites: where they are, what is asked, and what the answers say."""
