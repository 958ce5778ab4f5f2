"""What many runs say: groups, means, intervals, differences."""
