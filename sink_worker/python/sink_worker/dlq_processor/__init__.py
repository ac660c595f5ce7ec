"""What becomes of refused events: tried again on a schedule, corrected by hand, or archived (requirement B7)."""
