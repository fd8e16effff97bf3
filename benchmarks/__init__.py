"""What Lockstep costs, measured beside the cost of what it stands on."""
