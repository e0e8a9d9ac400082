"""What references do before and after they count: impact, standing, quarantine, coverage, known fakes."""
