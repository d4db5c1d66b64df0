"""Listed sites in the histories of browsers: the places of histories, the questions, and the answers."""
