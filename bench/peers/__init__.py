"""Our service beside other local usage viewers: the same invented usage, the same questions, one run."""
