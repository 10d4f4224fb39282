"""What operations cost; measured, never asserted."""
